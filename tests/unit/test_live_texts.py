"""What people read on the live page is there in every language, with the same places to fill."""

import ast
import re

import pytest

from streams.live.wording import LANGUAGES, Words, category, chosen, texts
from tests.conftest import ROOT

LIVE = ROOT / "streams" / "live"
CATEGORIES = {
    "en": {"one", "other"},
    "fr": {"one", "other"},
    "it": {"one", "other"},
    "ru": {"one", "few", "many"},
    "ja": {"other"},
}
SENTENCES = {key: forms for key, forms in texts().items() if key != "month_names"}


def places(form):
    shown = form.values() if isinstance(form, dict) else [form]
    found = {frozenset(re.findall(r"\{(\w+)\}", text)) for text in shown}
    assert len(found) == 1, form
    return found.pop()


@pytest.mark.parametrize("key", SENTENCES)
def test_each_text_is_there_in_each_language_with_the_same_places(key):
    forms = SENTENCES[key]
    assert list(forms) == list(LANGUAGES)
    assert len({places(form) for form in forms.values()}) == 1
    assert all(form for form in forms.values())


@pytest.mark.parametrize("key", SENTENCES)
def test_a_text_that_counts_has_a_form_for_each_plural_of_its_language(key):
    forms = SENTENCES[key]
    counting = [isinstance(form, dict) for form in forms.values()]
    assert len(set(counting)) == 1
    if counting[0]:
        assert {language: set(form) for language, form in forms.items()} == CATEGORIES


def test_months_are_twelve_in_each_language():
    assert {name: len(months) for name, months in texts()["month_names"].items()} == dict.fromkeys(
        LANGUAGES, 12
    )


def written():
    """Return every text in quotes of the page's code, and the beginnings of those that are made."""
    whole, begun = set(), set()
    for path in LIVE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                whole.add(node.value)
            if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                begun.add(node.values[0].value)
    return whole, {one for one in begun if re.fullmatch(r"[a-z]+_", one)}


def test_no_text_is_left_that_nothing_shows():
    whole, begun = written()
    units = {"minutes", "hours", "days", "weeks", "months"}  # by a span's unit
    assert not [
        key for key in SENTENCES if key not in whole | units and not key.startswith(tuple(begun))
    ]


def called(path):
    """Return the texts that a module asks for by their whole key, also by one of two."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("words") and node.args:
            key = node.args[0]
            for one in (key.body, key.orelse) if isinstance(key, ast.IfExp) else (key,):
                if isinstance(one, ast.Constant):
                    yield one.value


@pytest.mark.parametrize(
    "path", sorted(LIVE.rglob("*.py")), ids=lambda path: path.relative_to(LIVE).as_posix()
)
def test_every_text_that_the_code_asks_for_is_there(path):
    assert not [key for key in called(path) if key not in SENTENCES]


def test_the_language_is_the_one_asked_for_else_the_browsers_else_english():
    assert chosen("ja", "fr") == "ja"
    assert chosen("xx", "de, fr-CH;q=0.8, it;q=0.9") == "it"
    assert chosen("", "ru-RU,ru;q=0.9,en;q=0.8") == "ru"
    assert chosen("", "de, *;q=0.1") == "en"
    assert chosen("", "fr;q=0, it;q=0.1") == "it"
    assert chosen("", "") == "en"


def test_plurals_are_those_of_each_language():
    assert [category("ru", n) for n in (1, 2, 5, 11, 12, 21, 22, 25, 101, 111)] == [
        "one", "few", "many", "many", "many", "one", "few", "many", "one", "many",
    ]  # fmt: skip
    assert [category("fr", n) for n in (0, 1, 2)] == ["one", "one", "other"]
    assert [category("en", n) for n in (0, 1, 2)] == ["other", "one", "other"]
    assert category("ja", 1) == "other"
    assert Words("ru")("stalled_total", n=22) == "Просрочено 22 лида"
    assert Words("fr")("stalled_total", n=1) == "1 lead en retard"
