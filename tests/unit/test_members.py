"""Who is one lead, by hand-made edges: words, bars, conflicts, and opt-outs across them."""

from collections import deque

import orjson
import pytest

from schemas.events import RANK, Event, EventType, short
from streams.domain import members, row
from streams.domain.group import fold_group
from streams.domain.members import LINK, MERGE, UNMERGE, Edge, Origin
from tests.support.stories import DEFINITION

A, B, C = (Origin(number, "", name, "") for number, name in enumerate("abc"))
H1, H2 = (
    Origin(number, "", name, "hubspot:1:contact") for number, name in enumerate(("h1", "h2"), 5)
)


def edge(at, word, one, other):
    return Edge(at, 0, f"{word}{at}", word, one, other)


def grouped(*edges):
    found = members.groups(frozenset(edges))
    return sorted({"".join(sorted(group)) for group in found.members.values()})


CASES = [
    ("a link joins", [edge(1, LINK, A, B)], ["ab"]),
    ("links chain", [edge(1, LINK, A, B), edge(2, LINK, B, C)], ["abc"]),
    (
        "a circle of links is one lead",
        [edge(1, LINK, A, B), edge(2, LINK, B, C), edge(3, LINK, C, A)],
        ["abc"],
    ),
    (
        "an unmerge parts what a link joined",
        [edge(1, LINK, A, B), edge(2, UNMERGE, A, B)],
        ["a", "b"],
    ),
    (
        "also when it came before the link",
        [edge(1, UNMERGE, A, B), edge(2, LINK, A, B)],
        ["a", "b"],
    ),
    ("a later merge joins again", [edge(1, UNMERGE, A, B), edge(2, MERGE, A, B)], ["ab"]),
    ("a later unmerge parts again", [edge(1, MERGE, A, B), edge(2, UNMERGE, A, B)], ["a", "b"]),
    (
        "a bar holds around a corner",
        [edge(1, UNMERGE, A, B), edge(2, LINK, A, C), edge(3, LINK, C, B)],
        ["ac", "b"],
    ),
    (
        "two contacts of one CRM are not linked",
        [edge(1, LINK, H1, A), edge(2, LINK, A, H2)],
        ["ah1", "h2"],
    ),
    (
        "but the CRM may say that they are one",
        [edge(1, LINK, H1, A), edge(2, LINK, A, H2), edge(3, MERGE, H1, H2)],
        ["ah1h2"],
    ),
]


@pytest.mark.parametrize(
    ("edges", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_who_is_one(edges, expected):
    assert grouped(*edges) == expected
    assert grouped(*reversed(edges)) == expected


def test_a_link_that_is_left_out_is_a_conflict():
    found = members.groups(frozenset({edge(1, LINK, H1, A), edge(2, LINK, A, H2)}))
    assert [one.id for one in found.conflicts] == ["link2"]


TWO = (edge(1, LINK, H1, A), edge(2, LINK, A, H2))


@pytest.mark.parametrize(
    "word",
    [edge(3, MERGE, H1, H2), edge(3, UNMERGE, H1, H2), edge(3, UNMERGE, A, H2)],
    ids=["merge", "unmerge", "of the address"],
)
def test_a_word_that_comes_later_settles_a_conflict(word):
    assert members.groups(frozenset({*TWO, word})).conflicts == ()


def test_a_link_that_comes_after_the_word_asks_again():
    parted = edge(1, UNMERGE, A, B)
    assert [
        one.id for one in members.groups(frozenset({parted, edge(2, LINK, A, B)})).conflicts
    ] == ["link2"]
    assert (
        members.groups(frozenset({parted, edge(2, LINK, A, B), edge(3, UNMERGE, A, B)})).conflicts
        == ()
    )


def test_both_leads_state_that_they_are_in_conflict():
    both = frozenset(TWO)
    events = frozenset(
        {stated("h1", 1, EventType.CREATED, "h1"), stated("h2", 2, EventType.CREATED, "h2")}
    )
    for lead in ("h1", "h2"):
        folded = fold_group(lead, events, both, DEFINITION, 100)
        assert folded.state["conflicts"] == 1
        assert [
            orjson.loads(fact.content) for fact in folded.facts.values() if fact.kind == "conflict"
        ] == [{"a": "a", "b": "h2"}]


def stated(name, at, kind, origin, **fields):
    body = orjson.dumps({"source": "hubspot", **fields}, option=orjson.OPT_SORT_KEYS).decode()
    return Event(at, RANK[kind], 0, short(name), origin, kind.value, body)


KNOWN = [stated("a", 1, EventType.CREATED, "a"), stated("b", 2, EventType.CREATED, "b")]
PARTED = frozenset({edge(10, MERGE, A, B), edge(20, UNMERGE, A, B)})


def opted_out(lead, *events, edges=PARTED):
    folded = fold_group(lead, frozenset([*KNOWN, *events]), edges, DEFINITION, 100)
    return folded.state["opted_out"]


@pytest.mark.parametrize("kind", [EventType.CONSENT, EventType.ERASE])
def test_what_forbade_contact_before_the_two_were_parted_stays_on_both(kind):
    no = stated("no", 15, kind, "a")
    if kind == EventType.CONSENT:
        assert opted_out("a", no)
    assert opted_out("b", no)


def test_an_erasure_stays_whatever_the_erased_one_takes_back():
    erased, taken_back = (
        stated("gone", 15, EventType.ERASE, "a"),
        stated("void", 16, EventType.VOID, "a", voids="gone"),
    )
    assert opted_out("b", erased, taken_back)


def test_what_one_says_after_they_were_parted_is_its_own():
    no = stated("no", 25, EventType.CONSENT, "a")
    assert opted_out("a", no)
    assert not opted_out("b", no)


def test_what_was_never_joined_has_nothing_to_leave_behind():
    no = stated("no", 15, EventType.CONSENT, "a")
    assert not opted_out("b", no, edges=frozenset({edge(20, UNMERGE, A, B)}))


def test_a_merge_carries_an_opt_out_to_the_whole():
    no = stated("no", 15, EventType.CONSENT, "b")
    assert opted_out("a", no, edges=frozenset({edge(10, MERGE, A, B)}))


def test_a_consent_that_another_half_gave_does_not_overrule_a_refusal_of_ones_own():
    no, yes = (
        stated("no", 3, EventType.CONSENT, "a"),
        stated("yes", 15, EventType.CONSENT, "b", granted=True),
    )
    assert opted_out("a", no, yes)
    assert opted_out("b", no, yes) is False  # its own word came later, while they were one


MERGED = frozenset({edge(10, MERGE, A, B)})


@pytest.mark.parametrize("kind", [EventType.CONSENT, EventType.ERASE])
def test_a_merge_carries_a_refusal_also_to_a_half_that_consented_later_before_the_two_were_one(
    kind,
):
    no, yes = stated("no", 3, kind, "a"), stated("yes", 5, EventType.CONSENT, "b", granted=True)
    assert opted_out("a", no, yes, edges=MERGED)
    assert opted_out("b", no, yes, edges=PARTED)  # and an unmerge leaves it on both
    assert opted_out("b", no, yes, edges=frozenset({edge(20, UNMERGE, A, B)})) is False


def test_a_consent_after_the_merge_speaks_for_the_whole():
    no, yes = (
        stated("no", 3, EventType.CONSENT, "a"),
        stated("yes", 12, EventType.CONSENT, "b", granted=True),
    )
    assert not opted_out("a", no, yes, edges=MERGED)


def test_whoever_was_left_with_anothers_refusal_may_consent_for_himself():
    no, yes = (
        stated("no", 3, EventType.CONSENT, "a"),
        stated("yes", 25, EventType.CONSENT, "b", granted=True),
    )
    assert opted_out("b", no)
    assert not opted_out("b", no, yes)
    assert opted_out("a", no, yes)


def test_two_aliases_of_one_event_never_were_two_so_a_consent_under_either_speaks_for_both():
    no, yes = (
        stated("no", 3, EventType.CONSENT, "a"),
        stated("yes", 5, EventType.CONSENT, "b", granted=True),
    )
    assert not opted_out("a", no, yes, edges=frozenset({edge(10, LINK, A, B)}))


D1, D2 = (Origin(number, "", name, "hubspot:1:deal") for number, name in enumerate(("d1", "d2"), 8))


def primary(at, a, b):
    return edge(at, LINK, a, b)._replace(id=f"p{at}{members.PRIMARY}|{a.id}:{b.id}")


DEALS = [
    ("a deal is its contact's", [edge(1, LINK, H1, D1)], ["d1h1"], []),
    ("a contact has many deals", [edge(1, LINK, H1, D1), edge(2, LINK, H1, D2)], ["d1d2h1"], []),
    (
        "a second contact influenced it, and that is no conflict",
        [edge(1, LINK, H1, D1), edge(2, LINK, H2, D1)], ["d1h1", "h2"], ["link2"],
    ),
    (
        "who turns out to be its person did not influence it",
        [edge(1, LINK, A, D1), edge(2, LINK, H1, D1), edge(3, LINK, A, H1)], ["ad1h1"], [],
    ),
    (
        "people of two CRMs stay two", [edge(1, LINK, A, D1), edge(2, LINK, B, D1)], ["ad1", "b"],
        ["link2"],
    ),
    (
        "the first one is taken off",
        [edge(1, LINK, H1, D1), edge(2, LINK, H2, D1), edge(3, UNMERGE, H1, D1)], ["d1h2", "h1"],
        [],
    ),
    (
        "and put on again",
        [edge(1, LINK, H1, D1), edge(3, UNMERGE, H1, D1), edge(4, LINK, H1, D1)], ["d1h1"], [],
    ),
    (
        "behind the second by then",
        [
            edge(1, LINK, H1, D1), edge(2, LINK, H2, D1), edge(3, UNMERGE, H1, D1),
            edge(4, LINK, H1, D1),
        ],
        ["d1h2", "h1"], ["link4"],
    ),
    (
        "two that are one stay on it",
        [
            edge(1, LINK, H1, D1), edge(2, LINK, H2, D1), edge(3, UNMERGE, H1, D1),
            edge(4, MERGE, H1, H2),
        ],
        ["d1h1h2"], [],
    ),
    (
        "two that were parted by hand",
        [edge(1, LINK, A, D1), edge(2, LINK, B, D1), edge(3, UNMERGE, A, B)], ["ad1", "b"],
        ["link2"],
    ),
    (
        "deals are merged like anything",
        [edge(1, LINK, H1, D1), edge(2, LINK, H2, D2), edge(3, MERGE, D1, D2)], ["d1d2h1", "h2"],
        ["link2"],
    ),
    (
        "a deal that a person gives to a second contact makes the two one",
        [edge(1, MERGE, H1, D1), edge(2, MERGE, H2, D1)], ["d1h1h2"], [],
    ),
    (
        "the primary contact's, though another stood on it first",
        [edge(1, LINK, H1, D1), primary(2, H2, D1)], ["d1h2", "h1"], ["link1"],
    ),
    (
        "the latest primary contact's", [primary(1, H1, D1), primary(2, H2, D1)], ["d1h2", "h1"],
        ["p1:primary|h1:d1"],
    ),
    (
        "unless it is taken off later", [edge(1, MERGE, H1, D1), edge(2, UNMERGE, H1, D1)],
        ["d1", "h1"], [],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("edges", "expected", "influenced"),
    [case[1:] for case in DEALS],
    ids=[case[0] for case in DEALS],
)
def test_whose_a_deal_is(edges, expected, influenced):
    found = members.groups(frozenset(edges))
    assert sorted({"".join(sorted(group)) for group in found.members.values()}) == expected
    assert [one.id for one in found.influenced] == influenced
    assert found.conflicts == ()


def test_a_refusal_that_was_voided_forbids_nothing_on_either_half():
    no, void = (
        stated("no", 5, EventType.CONSENT, "b"),
        stated("v", 6, EventType.VOID, "b", voids="no"),
    )
    assert not opted_out("a", no, void)
    assert not opted_out("b", no, void)


AGAIN = [Edge(at, 0, "word|a:b", UNMERGE, A, B) for at in (20, 12)]


@pytest.mark.parametrize("order", [AGAIN, AGAIN[::-1]])
def test_a_word_that_is_sent_again_and_says_another_time_counts_once_by_its_smallest(order):
    current, no = row.Row("a"), stated("no", 15, EventType.CONSENT, "a")
    steps = [row.connect(current, edge(10, MERGE, A, B), DEFINITION)]
    for one in order:
        steps.append(row.connect(steps[-1].row, one, DEFINITION))
    assert (
        steps[-1].row.edges
        == {edge(10, MERGE, A, B), AGAIN[1]}
        == members.smallest([edge(10, MERGE, A, B), *order])
    )
    assert not opted_out("b", no, edges=steps[-1].row.edges)  # parted on day 12, before the refusal


@pytest.mark.parametrize("shape", ["chain", "star", "chain at once"])
def test_records_of_a_merged_group_grow_with_the_square_of_its_size(shape):
    small, large = _records(10, shape), _records(30, shape)
    assert large < 3**2.3 * small, "each row learns each edge once from each neighbour, and no more"


def _records(size, shape):
    """Join as many origins as rows of their own; count the edges sent until each row knows all."""
    origins = [Origin(number, "", f"o{number:02}", "") for number in range(size)]
    rows, waiting, sent = {one.id: row.Row(one.id) for one in origins}, deque(), 0
    for number in range(1, size):
        joined = edge(number, MERGE, origins[number], origins[0 if shape == "star" else number - 1])
        waiting += [(end.id, joined) for end in (joined.a, joined.b)]
        while waiting and (shape != "chain at once" or number == size - 1):
            to, one = waiting.popleft()
            step = row.connect(rows[to], one, DEFINITION)
            rows[to], sent = step.row, sent + 1
            waiting += [(forward.to, row.edge_of(forward.value)) for forward in step.forwards]
    assert all(len(one.edges) == size - 1 for one in rows.values())
    return sent
