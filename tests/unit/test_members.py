"""Who is one lead, by hand-made edges: words, bars, conflicts, and what forbids contact across them."""

import orjson
import pytest

from schemas.events import RANK, Event, EventType, short
from streams.domain import members, row
from streams.domain.members import LINK, MERGE, UNMERGE, Edge, Origin
from tests.unit.test_lifecycle import DEFINITION

A, B, C = (Origin(number, "", name, "") for number, name in enumerate("abc"))
H1, H2 = (Origin(number, "", name, "hubspot:1:contact") for number, name in enumerate(("h1", "h2"), 5))


def edge(at, word, one, other):
    return Edge(at, 0, f"{word}{at}", word, one, other)


def grouped(*edges):
    found = members.groups(frozenset(edges))
    return sorted({"".join(sorted(group)) for group in found.members.values()})


CASES = [
    ("a link joins", [edge(1, LINK, A, B)], ["ab"]),
    ("links chain", [edge(1, LINK, A, B), edge(2, LINK, B, C)], ["abc"]),
    ("a circle of links is one lead", [edge(1, LINK, A, B), edge(2, LINK, B, C), edge(3, LINK, C, A)], ["abc"]),
    ("an unmerge parts what a link joined", [edge(1, LINK, A, B), edge(2, UNMERGE, A, B)], ["a", "b"]),
    ("also when it came before the link", [edge(1, UNMERGE, A, B), edge(2, LINK, A, B)], ["a", "b"]),
    ("a later merge joins again", [edge(1, UNMERGE, A, B), edge(2, MERGE, A, B)], ["ab"]),
    ("a later unmerge parts again", [edge(1, MERGE, A, B), edge(2, UNMERGE, A, B)], ["a", "b"]),
    ("a bar holds around a corner", [edge(1, UNMERGE, A, B), edge(2, LINK, A, C), edge(3, LINK, C, B)], ["ac", "b"]),
    ("two contacts of one CRM are not linked", [edge(1, LINK, H1, A), edge(2, LINK, A, H2)], ["ah1", "h2"]),
    ("but the CRM may say that they are one", [edge(1, LINK, H1, A), edge(2, LINK, A, H2), edge(3, MERGE, H1, H2)], ["ah1h2"]),
]


@pytest.mark.parametrize(("edges", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_who_is_one(edges, expected):
    assert grouped(*edges) == expected
    assert grouped(*reversed(edges)) == expected


def test_a_link_that_is_left_out_is_a_conflict():
    found = members.groups(frozenset({edge(1, LINK, H1, A), edge(2, LINK, A, H2)}))
    assert [one.id for one in found.conflicts] == ["link2"]


def said(name, at, kind, origin, **fields):
    body = orjson.dumps({"source": "hubspot", **fields}, option=orjson.OPT_SORT_KEYS).decode()
    return Event(at, RANK[kind], 0, short(name), origin, kind.value, body)


KNOWN = [said("a", 1, EventType.CREATED, "a"), said("b", 2, EventType.CREATED, "b")]
PARTED = frozenset({edge(10, MERGE, A, B), edge(20, UNMERGE, A, B)})


def opted_out(lead, *events, edges=PARTED):
    return row.fold_group(lead, frozenset([*KNOWN, *events]), edges, DEFINITION, 100).state["opted_out"]


@pytest.mark.parametrize("kind", [EventType.CONSENT, EventType.ERASE])
def test_what_forbade_contact_before_the_two_were_parted_stays_on_both(kind):
    no = said("no", 15, kind, "a")
    if kind == EventType.CONSENT:
        assert opted_out("a", no)
    assert opted_out("b", no)


def test_what_one_says_after_they_were_parted_is_its_own():
    no = said("no", 25, EventType.CONSENT, "a")
    assert opted_out("a", no)
    assert not opted_out("b", no)


def test_what_was_never_joined_has_nothing_to_leave_behind():
    no = said("no", 15, EventType.CONSENT, "a")
    assert not opted_out("b", no, edges=frozenset({edge(20, UNMERGE, A, B)}))


def test_a_merge_carries_an_opt_out_to_the_whole():
    no = said("no", 15, EventType.CONSENT, "b")
    assert opted_out("a", no, edges=frozenset({edge(10, MERGE, A, B)}))


def test_a_consent_that_another_half_gave_does_not_overrule_a_refusal_of_ones_own():
    no, yes = said("no", 3, EventType.CONSENT, "a"), said("yes", 5, EventType.CONSENT, "b", granted=True)
    assert opted_out("a", no, yes)
    assert opted_out("b", no, yes) is False  # its own word came later, while they were one


def test_a_refusal_that_was_voided_forbids_nothing_on_either_half():
    no, void = said("no", 5, EventType.CONSENT, "b"), said("v", 6, EventType.VOID, "b", voids="no")
    assert not opted_out("a", no, void)
    assert not opted_out("b", no, void)
