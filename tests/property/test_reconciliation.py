"""A report against our leads, drawn: reasons sum to the difference, and nobody is judged twice."""

from collections import Counter
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.judging import reconcile
from streams.domain.reconciliation import (
    Entry,
    Journey,
    Lead,
    Ours,
    Question,
    Reason,
    Reported,
)
from tests.support.shuffling import EXAMPLES

HOUR = 3_600_000
T0 = 1_767_571_200_000  # 5 January 2026 in UTC
ZONES = ("UTC", "Europe/Paris", "America/Los_Angeles", "Pacific/Kiritimati")
times = st.integers(-60, 60).map(lambda n: T0 + n * 5 * HOUR)


@st.composite
def questions(draw):
    first = draw(st.integers(1, 8))
    return Question(
        "hubspot",
        "mql",
        date(2026, 1, first),
        date(2026, 1, first + draw(st.integers(1, 10))),
        draw(st.sampled_from(ZONES)),
        draw(st.sampled_from(ZONES)),
        draw(st.booleans()),
    )


@st.composite
def leads(draw, name, records):
    began = sorted(draw(st.lists(times, min_size=1, max_size=3)))
    journeys = tuple(
        Journey(
            number,
            at,
            draw(st.booleans()),
            draw(st.integers(0, 5)) == 0,
            draw(st.sampled_from(["", "", "", "spam", "duplicate"])),
            draw(st.none() | times),
        )
        for number, at in enumerate(began, 1)
    )
    entries = st.builds(
        Entry,
        st.sampled_from([one.number for one in journeys]),
        times,
        st.sampled_from(["", "gate", "hubspot"]),
        st.booleans(),
        st.sampled_from([False, False, True]),
    )
    return Lead(
        name,
        draw(st.sampled_from(["mql", "inquiry", "recycled"])),
        journeys,
        tuple(draw(st.lists(entries, max_size=3))),
        frozenset(records),
        tuple(draw(st.lists(st.sampled_from(["odd", "strange"]), max_size=1))),
        frozenset(draw(st.lists(st.sampled_from(["hubspot", "segment"]), max_size=2))),
        draw(st.booleans()),
    )


@st.composite
def worlds(draw):
    """Draw a question, a report of some records, and leads that own the records, or do not."""
    owners = draw(st.lists(st.integers(0, 4), max_size=10))  # 0: of nobody
    names = [f"hubspot:1:contact:{number}" for number in range(len(owners))]
    mine = [
        draw(leads(f"lead{lead}", [n for n, o in zip(names, owners, strict=True) if o == lead]))
        for lead in range(1, 5)
        if draw(st.booleans())
    ]
    known = {record for lead in mine for record in lead.records}
    rows = st.builds(
        lambda record, line, at, word, mapped, listed: Reported(
            record, record.rpartition(":")[2], line, at, word, mapped, listed
        ),
        st.sampled_from(names),
        st.integers(2, 9),
        st.none() | times,
        st.sampled_from(["", "odd", "lead"]),
        st.booleans(),
        st.sampled_from([True, True, True, False]),
    )
    report = draw(st.lists(rows, max_size=14)) if names else []
    strangers = [name for name in names if name not in known]
    erased = frozenset(draw(st.lists(st.sampled_from(names), max_size=3)) if names else [])
    linked = frozenset(draw(st.lists(st.sampled_from(strangers), max_size=3)) if strangers else [])
    return draw(questions()), report, Ours(tuple(mine), erased, linked)


@settings(max_examples=EXAMPLES, deadline=None)
@given(worlds())
def test_the_reasons_sum_to_the_difference(world):
    found = reconcile(*world)
    assert sum(one.delta for one in found.sums) == found.difference == found.ours - found.reported
    assert found.reported - found.matched == sum(one.minus for one in found.sums)
    assert found.ours - found.matched == sum(one.plus for one in found.sums)


@settings(max_examples=EXAMPLES, deadline=None)
@given(worlds())
def test_each_record_that_the_report_counts_is_matched_or_differs_once_and_so_does_each_lead(world):
    asked, report, ours = world
    found = reconcile(asked, report, ours)
    records = Counter(one.id for one in found.differences if one.delta == -1)
    mine = Counter(one.lead for one in found.differences if one.delta == 1)
    assert set(records.values()) <= {1}
    assert set(mine.values()) <= {1}
    assert {one.delta for one in found.differences} <= {-1, 1}
    listed = {row.id for row in report if row.listed and _within(asked, row)}
    assert set(records) <= listed
    assert len(listed) == found.reported == found.matched + len(records)
    names = {lead.id for lead in ours.leads}
    assert {one.lead for one in found.differences} <= {*names, ""}


def _within(asked, row):
    return row.at is None or asked.first <= asked.theirs(row.at) < asked.last


@settings(max_examples=EXAMPLES, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_leads_changes_nothing(world, random):
    asked, report, ours = world
    rows, mine = [*report], [*ours.leads]
    random.shuffle(rows)
    random.shuffle(mine)
    mixed = [
        lead._replace(
            journeys=tuple(random.sample(lead.journeys, len(lead.journeys))),
            entries=tuple(random.sample(lead.entries, len(lead.entries))),
        )
        for lead in mine
    ]
    assert reconcile(asked, rows, ours._replace(leads=tuple(mixed))) == reconcile(*world)


@settings(max_examples=EXAMPLES, deadline=None)
@given(questions(), st.lists(st.integers(0, 23), max_size=8))
def test_a_report_that_says_what_we_say_differs_in_nothing(asked, hours):
    asked = asked._replace(report_zone=asked.zone, first=date(2026, 1, 4), last=date(2026, 1, 8))
    at = [T0 + hour * HOUR for hour in hours]
    report = [Reported(f"hubspot:1:contact:{n}", str(n), n + 2, one) for n, one in enumerate(at)]
    mine = [
        Lead(f"lead{n}", "mql", (Journey(1, one),), (Entry(1, one),), frozenset({row.record}))
        for (n, one), row in zip(enumerate(at), report, strict=True)
    ]
    found = reconcile(asked, report, Ours(tuple(mine)))
    assert (found.reported, found.ours, found.matched) == (len(at), len(at), len(at))
    assert found.differences == found.sums == ()


@settings(max_examples=EXAMPLES, deadline=None)
@given(worlds())
def test_only_the_report_is_lowered_by_what_only_it_can_lack_and_the_reverse(world):
    found = reconcile(*world)
    less = {
        Reason.NEVER_RECEIVED,
        Reason.UNMAPPED,
        Reason.MERGED,
        Reason.EXCLUDED,
        Reason.OPENING,
        Reason.NOT_REACHED,
    }
    more = {Reason.NOT_COUNTED, Reason.ONLY_HERE}
    assert not [one for one in found.differences if one.reason in less and one.delta != -1]
    assert not [one for one in found.differences if one.reason in more and one.delta != 1]
    assert [list(Reason).index(one.reason) for one in found.sums] == sorted(
        list(Reason).index(one.reason) for one in found.sums
    )
