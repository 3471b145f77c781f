"""docs/design is the only place that rules are cited from, and whatever is cited is there."""

import re

import pytest

from tests.conftest import ROOT

DESIGN = ROOT / "docs" / "design"
PAGES = {path.stem: path.read_text() for path in sorted(DESIGN.glob("*.md"))}
RULE = re.compile(r'<a id="([a-z])(\d+)"></a>\*\*([a-z]\d+)\.\*\*')
RULES = {page: RULE.findall(text) for page, text in PAGES.items() if page != "README"}
ANCHORS = {page: {f"{letter}{number}" for letter, number, _ in RULES[page]} for page in RULES}
# `history h12`, and `history h1 to h3 and h23`
CITED = re.compile(
    rf"\b({'|'.join(RULES)})\s([a-z]\d+(?:(?:,|\sand|\sor|\sto)\s[a-z]\d+)*)\b", re.IGNORECASE
)
SPELT_OUT = re.compile(r"docs/design/(\w+)\.md#([a-z]\d+)\b")
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Notes that were the beginning of docs/design, by their names; and a rule that has no page.
ELSEWHERE = re.compile(
    r"\b(?:[1-9]|10)-(?:product|architecture|engine|clickhouse|experience|history|funnel|language"
    r"|speed|decisions)\b|\.\./reference\b"
)
OF_NO_PAGE = re.compile(r"\brules? \d+\b")


PARTS = ("deploy", "docs", "schemas", "sinks", "streams", "tests")
WRITTEN = {".py", ".sql", ".yaml", ".yml", ".md", ".toml", ".sh"}


def texts(*suffixes):
    """Give the files that people wrote, of these kinds or of all: name and text."""
    paths = [*ROOT.glob("*.*"), *(path for part in PARTS for path in (ROOT / part).rglob("*"))]
    for path in paths:
        if path.is_file() and path.suffix in (suffixes or WRITTEN):
            yield path.relative_to(ROOT).as_posix(), path.read_text()


@pytest.mark.parametrize("page", RULES)
def test_rules_of_a_page_have_one_letter_and_numbers_that_rise(page):
    assert RULES[page]
    letters = {letter for letter, _, _ in RULES[page]}
    numbers = [int(number) for _, number, _ in RULES[page]]
    assert len(letters) == 1
    assert numbers == sorted(set(numbers))
    assert all(f"{letter}{number}" == shown for letter, number, shown in RULES[page])
    assert PAGES[page].count('<a id="') == len(RULES[page])
    assert f"({page}.md)" in PAGES["README"]


def test_no_two_pages_share_a_letter():
    letters = [found[0][0] for found in RULES.values()]
    assert len(set(letters)) == len(letters)


def unresolved(name, text):
    for page, numbers in [*CITED.findall(text), *SPELT_OUT.findall(text)]:
        for number in re.findall(r"[a-z]\d+", numbers):
            if number not in ANCHORS.get(page.lower(), ()):
                yield f"{name}: {page} {number}"


def test_every_rule_that_is_cited_is_there():
    cited = [page for _, text in texts() for page, _ in CITED.findall(text)]
    assert len(cited) > 40
    assert not [wrong for name, text in texts() for wrong in unresolved(name, text)]


def test_a_citation_of_no_rule_is_found():
    missing = f"m{999}"
    text = f"moves m1 to m2, and moves m1, {missing} and m3"
    assert [*unresolved("x", text)] == [f"x: moves {missing}"]
    assert [*unresolved("x", f"docs/design/moves.md#{missing}")] == [f"x: moves {missing}"]


def test_nothing_is_cited_that_is_not_in_the_repository():
    found = [
        (name, match.group())
        for name, text in texts()
        for pattern in (ELSEWHERE, OF_NO_PAGE)
        for match in pattern.finditer(text)
    ]
    assert not found


def test_the_page_of_the_kpis_has_each_of_them_under_its_number_with_its_basis():
    for path in sorted((ROOT / "sinks" / "clickhouse" / "kpis").glob("*.sql")):
        text = path.read_text()
        head = dict(re.findall(r"^-- (\w+): (\w+)$", text, re.MULTILINE))
        name, basis = head["kpi"], head["basis"]
        basis = "period and cohort" if basis == "both" else basis
        number = int(path.name.partition("_")[0])
        assert f"**k{number}.** `{name}` ({basis}):" in PAGES["kpis"]


def anchors(text):
    """Give the anchors of a Markdown page: those it states, and those of its headings."""
    stated = re.findall(r'<a id="([^"]+)"', text)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {*stated, *(re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings)}


def broken(name, text):
    for link in LINK.findall(text):
        path, _, anchor = link.partition("#")
        if path.startswith(("http:", "https:", "mailto:")):
            continue
        target = (ROOT / name).parent / path if path else ROOT / name
        there = target.exists()
        if there and anchor and target.suffix == ".md":
            there = anchor in anchors(target.read_text())
        if not there:
            yield f"{name}: {link}"


def test_every_link_between_the_documents_leads_somewhere():
    assert not [wrong for name, text in texts(".md") for wrong in broken(name, text)]


def test_every_decision_that_is_cited_was_taken():
    taken = {path.name[:4] for path in (ROOT / "docs" / "adr").glob("*.md")}
    cited = {
        (name, number.zfill(4))
        for name, text in texts()
        for number in re.findall(r"\b(?:docs/adr/|ADR )(\d+)", text)
    }
    assert cited
    assert not [one for one in cited if one[1] not in taken]


@pytest.mark.parametrize("page", [*PAGES, "../architecture", "../glossary"])
def test_every_file_that_a_page_names_is_there(page):
    text = (DESIGN / f"{page}.md").read_text()
    named = re.findall(r"`((?:streams|schemas|sinks|tests|docs|deploy)/[\w./*]+)`", text)
    assert not [name for name in named if not any(ROOT.glob(name))]
