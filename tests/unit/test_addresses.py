"""Addresses of records: what a browser may open, and nothing else, wherever a story is told."""

import pytest

from schemas import addresses
from streams.audit import telling
from streams.live.answers import Story

GOOD = [
    "https://app.hubspot.com/contacts/1/record/0-1/77",
    "http://crm.example:8080/x?y=1#z",
    "https://[::1]/a",
    "https://例え.jp/レコード",
]
BAD = [
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", " https://a.example", "https://a.example/\x1b[2J",
    "https://a.example/\n", "data:text/html,x", "//a.example/x", "https://", "https:///x",
    "https://u:p@a.example/", "https://crm.example@evil.example", "ftp://a.example", "https://a b",
    "https://a.example:99999/", "https://[::1", "https:\\\\evil.example", "=HYPERLINK(1)", "", None,
    "x", "https://a.example/\u202egpj", "https://a/" + "x" * 600,
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_an_address_of_the_web_stays_as_it_is(text):
    assert addresses.web(text) == text


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_address_of_the_web_is_not_shown(text):
    assert addresses.web(text) == ""


@pytest.mark.parametrize(("address", "shown"), [("javascript:alert(1)", False), (GOOD[0], True)])
def test_a_story_names_a_record_by_an_address_of_the_web_only(address, shown):
    now = {"stage": "mql", "journey": 1, "owner": "ann", "record_url": address}
    lines = telling.readable({**STORY, "now": now}, "UTC")
    assert any(address in line for line in lines) == shown


STORY = {
    "headline": "ann must call",
    "lead": "018f0000-0000-8000-8000-000000000001", "definitions": [], "events": [], "facts": [],
    "restated": [], "ladder": [], "titles": {},
    "outlook": {"score": 0.0, "rules": [], "clocks": [], "timer": None},
}  # fmt: skip


def test_the_api_tells_of_a_lead_without_what_may_name_a_person():
    happened = {
        "at": 1,
        "learned": 2,
        "type": "touch",
        "id": "x",
        "source": "crm",
        "held": False,
        "attributes": {"city": "Jane Street 1"},
    }
    happened |= {
        "marketing": {"landing_page": "https://a/?email=jane@example.com"},
        "account": "Jane Doe",
        "record_url": "https://a/jane",
    }
    now = {"stage": "mql", "account": "Jane Doe", "record_url": "javascript:alert(1)"}
    printed = (
        Story.model_validate({**STORY, "now": now, "events": [happened]}).model_dump_json().lower()
    )
    assert "jane" not in printed
    assert "javascript" not in printed
    assert '"source":"crm"' in printed
