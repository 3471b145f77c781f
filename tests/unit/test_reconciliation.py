"""Why a CRM counts a record that we do not, or the reverse: a case a reason, and their order."""

from datetime import UTC, date, datetime

import pytest

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

JANUARY = Question(
    "hubspot", "mql", date(2026, 1, 1), date(2026, 2, 1), "Europe/Paris", "Europe/Paris"
)


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def record(number):
    return f"hubspot:1:contact:{number}"


def row(number=1, when: str | None = "2026-01-10T09:00", **more):
    given = {"id": str(number), "line": number + 1, "at": when and at(when), **more}
    return Reported(record(number), **given)


def lead(*entries, records=(1,), stage="mql", journeys=None, **more):
    """Make a lead; entries are (journey, time), and each journey begins with its first entry."""
    begun = {}
    for number, when in entries:
        begun.setdefault(number, when)
    known = journeys or [Journey(number, at(when)) for number, when in begun.items()]
    if not known:
        known = [Journey(1, at("2026-01-02T09:00"))]
    mine = tuple(Entry(number, at(when), "hubspot") for number, when in entries)
    name = f"lead{'-'.join(map(str, records))}"
    return Lead(name, stage, tuple(known), mine, frozenset(map(record, records)), **more)


def judged(report, *leads, asked=JANUARY, **more):
    found = reconcile(asked, report, Ours(leads, **more))
    assert sum(one.delta for one in found.differences) == found.difference
    return [(one.id, one.reason, one.delta, one.detail) for one in found.differences]


def test_a_record_that_both_count_in_the_period_does_not_differ_whatever_the_day():
    assert judged([row()], lead((1, "2026-01-12T09:00"))) == []


def test_a_record_of_which_nothing_came_was_never_received():
    assert judged([row()]) == [("1", Reason.NEVER_RECEIVED, -1, "")]


def test_nor_was_one_of_which_only_links_came_and_that_is_the_reason():
    found = judged([row()], linked=frozenset({record(1)}))
    assert found == [("1", Reason.NEVER_RECEIVED, -1, "only links to other records came")]


def test_a_stage_that_the_funnel_does_not_know_moved_nobody():
    odd = row(word="salesready", mapped=False)
    assert judged([odd], lead()) == [("1", Reason.UNMAPPED, -1, "'salesready'")]


def test_also_where_events_spoke_of_it_and_the_report_does_not():
    assert judged([row()], lead(unmapped=("salesready",))) == [
        ("1", Reason.UNMAPPED, -1, "'salesready'")
    ]


def test_an_unknown_stage_that_came_later_is_not_why_a_lead_entered_on_another_day():
    odd, entered = row(word="odd", mapped=False), lead((1, "2026-02-03T09:00"), unmapped=("odd",))
    assert judged([odd], entered)[0][1] is Reason.OTHER_DAY


def test_where_the_report_counts_by_the_stages_name_its_unknown_name_comes_first():
    odd, entered = row(when=None, word="odd", mapped=False), lead((1, "2025-02-03T09:00"))
    assert judged([odd], entered, asked=JANUARY._replace(by_word=True))[0][1] is Reason.UNMAPPED


def test_two_records_there_that_are_one_lead_here_are_merged_but_one():
    report = [row(1), row(2, "2026-01-11T09:00"), row(3, "2026-01-12T09:00")]
    assert judged(report, lead((1, "2026-01-10T09:00"), records=(1, 2, 3))) == [
        ("2", Reason.MERGED, -1, "one lead with 1"),
        ("3", Reason.MERGED, -1, "one lead with 1"),
    ]


def test_of_two_records_of_a_lead_that_does_not_count_one_says_why_and_the_other_is_merged():
    found = judged([row(1), row(2)], lead(records=(1, 2), stage="nurturing"))
    assert [one[:2] for one in found] == [("2", Reason.MERGED), ("1", Reason.NOT_REACHED)]


def test_another_record_of_a_lead_that_the_report_does_not_count_is_no_difference():
    report = [row(1), row(2, "2026-03-01T09:00")]
    assert judged(report, lead((1, "2026-01-10T09:00"), records=(1, 2))) == []


@pytest.mark.parametrize(
    ("journey", "why"),
    [
        (Journey(1, at("2026-01-02T09:00"), test=True), "a test"),
        (Journey(1, at("2026-01-02T09:00"), excluded="spam"), "spam"),
        (Journey(1, at("2026-01-02T09:00"), excluded="duplicate"), "duplicate"),
    ],
)
def test_tests_duplicates_and_spam_are_excluded_whether_they_entered_or_not(journey, why):
    for entries in ([(1, "2026-01-10T09:00")], []):
        assert judged([row()], lead(*entries, journeys=[journey])) == [
            ("1", Reason.EXCLUDED, -1, why)
        ]


def test_so_is_whoever_was_erased_with_a_lead_that_is_left_or_without():
    erased = frozenset({record(1)})
    expected = [("1", Reason.EXCLUDED, -1, "erased")]
    assert judged([row()], erased=erased) == judged([row()], lead(), erased=erased) == expected


def test_an_opening_balance_is_no_entry():
    begun = Journey(1, at("2026-01-15T09:00"), opening=True)
    stood = lead(journeys=[begun])._replace(entries=(Entry(1, begun.began, opening=True),))
    assert judged([row()], stood) == [("1", Reason.OPENING, -1, "stood there on 2026-01-15")]


def test_an_opening_balance_that_two_systems_stated_stood_there_since_the_earlier_day():
    begun = Journey(1, at("2026-01-15T09:00"), opening=True)
    entries = tuple(
        Entry(1, at(day), opening=True) for day in ("2026-01-17T09:00", "2026-01-15T09:00")
    )
    stood = lead(journeys=[begun])._replace(entries=entries)
    assert judged([row()], stood) == [("1", Reason.OPENING, -1, "stood there on 2026-01-15")]


def test_nor_is_what_happened_before_the_history_of_a_lead_began_here():
    begun = Journey(1, at("2026-01-15T09:00"), opening=True)
    found = judged([row()], lead(journeys=[begun], stage="opportunity"))
    assert found == [
        ("1", Reason.OPENING, -1, "entered before 2026-01-15, when its history began here")
    ]


def test_an_entry_of_an_earlier_journey_is_not_the_reports():
    journeys = [Journey(1, at("2025-10-01T09:00")), Journey(2, at("2026-01-05T09:00"))]
    found = judged([row()], lead((1, "2025-10-05T09:00"), journeys=journeys))
    assert found == [("1", Reason.OTHER_JOURNEY, -1, "entered in journey 1")]


def test_nor_is_one_of_a_later_journey_where_the_reports_had_none():
    journeys = [Journey(1, at("2026-01-02T09:00")), Journey(2, at("2026-04-03T09:00"))]
    found = judged([row()], lead((2, "2026-04-03T09:00"), journeys=journeys))
    assert found == [("1", Reason.OTHER_JOURNEY, -1, "entered in journey 2")]


def test_a_report_that_keeps_the_newest_date_only_lacks_the_entry_of_the_journey_before():
    entered = lead((1, "2026-01-10T09:00"), (2, "2026-03-03T09:00"))
    found = judged([row(when="2026-03-03T09:00")], entered)
    assert found == [("1", Reason.OTHER_JOURNEY, 1, "entered in journey 1")]


def test_a_moment_that_is_another_day_there_is_named_with_both_days():
    asked = JANUARY._replace(report_zone="UTC")
    when = "2026-01-31T23:30"
    found = reconcile(asked, [row(when=when)], Ours((lead((1, when)),)))
    (one,) = found.differences
    judged = (one.reason, one.theirs, one.ours)
    assert judged == (Reason.OTHER_DAY, date(2026, 1, 31), date(2026, 2, 1))
    assert one.detail == "the same moment, by zone"


def test_so_is_one_that_counts_here_and_not_there():
    asked = JANUARY._replace(report_zone="UTC")
    when = "2025-12-31T23:30"
    assert judged([row(when=when)], lead((1, when)), asked=asked) == [
        ("1", Reason.OTHER_DAY, 1, "the same moment, by zone")
    ]


def test_an_entry_that_came_late_is_another_day():
    found = judged([row(when="2026-01-30T09:00")], lead((1, "2026-02-02T09:00")))
    assert found == [("1", Reason.OTHER_DAY, -1, "3 days later here")]
    assert judged([row(when="2026-02-01T09:00")], lead((1, "2026-01-31T09:00"))) == [
        ("1", Reason.OTHER_DAY, 1, "1 day earlier here")
    ]


OVER = [
    Journey(1, at("2025-11-03T09:00"), ended=at("2025-11-17T09:00")),
    Journey(2, at("2026-02-02T09:00")),
]


def test_also_where_it_began_a_journey_of_its_own_and_the_one_before_was_over():
    entered = lead((1, "2025-11-03T09:00"), (2, "2026-02-02T09:00"), journeys=OVER)
    found = judged([row(when="2026-01-31T09:00")], entered)
    assert found == [("1", Reason.OTHER_DAY, -1, "2 days later here")]


def test_an_entry_of_a_journey_that_was_over_is_not_the_reports():
    found = judged([row()], lead((1, "2025-11-03T09:00"), journeys=OVER[:1]))
    assert found == [("1", Reason.OTHER_JOURNEY, -1, "entered in journey 1")]
    undated = judged([row(when=None)], lead((1, "2025-11-03T09:00"), journeys=OVER[:1]))
    assert undated[0][1] is Reason.OTHER_JOURNEY


def test_without_a_day_in_the_report_ours_is_named():
    found = reconcile(JANUARY, [row(when=None)], Ours((lead((1, "2025-11-03T09:00")),)))
    (one,) = found.differences
    assert (one.reason, one.theirs, one.ours) == (Reason.OTHER_DAY, None, date(2025, 11, 3))


def test_a_lead_that_never_entered_the_stage_is_named_with_where_it_stands():
    found = reconcile(JANUARY, [row()], Ours((lead(stage="nurturing"),)))
    (one,) = found.differences
    judged = (one.reason, one.stage, one.detail)
    assert judged == (Reason.NOT_REACHED, "nurturing", "stands in nurturing")


def test_a_record_that_the_report_does_not_count_is_named_with_where_it_stands_there():
    lower = row(when=None, word="lead", listed=False)
    assert judged([lower], lead((1, "2026-01-10T09:00"))) == [
        ("1", Reason.NOT_COUNTED, 1, "stands in 'lead' there")
    ]
    undated = row(when=None, listed=False)
    assert judged([undated], lead((1, "2026-01-10T09:00")))[0][3] == "has no time of entry there"


@pytest.mark.parametrize(
    ("known", "why"),
    [
        ({"systems": frozenset({"hubspot"}), "deleted": True}, "deleted in hubspot"),
        (
            {"systems": frozenset({"hubspot", "segment"})},
            "known from hubspot: another pipeline, or not exported",
        ),
        ({"systems": frozenset({"segment", "meta"})}, "came from meta, segment"),
    ],
)
def test_a_lead_that_the_report_lacks_is_only_here_with_what_we_know_of_it(known, why):
    found = judged([], lead((1, "2026-01-10T09:00"), records=(), **known))
    assert found == [("", Reason.ONLY_HERE, 1, why)]


def test_a_record_that_stands_in_several_rows_counts_once_by_the_first_that_counts():
    report = [row(when="2026-03-01T09:00"), row(), row(when="2026-01-20T09:00")]
    found = reconcile(JANUARY, report, Ours((lead((1, "2026-01-10T09:00")),)))
    assert (found.reported, found.repeated, found.differences) == (1, 1, ())


def test_the_kpi_counts_entries_and_what_is_left_out_here():
    twice = lead((1, "2026-01-10T09:00"), (2, "2026-01-20T09:00"), records=())
    spam = lead((1, "2026-01-10T09:00"), records=(), journeys=[Journey(1, 0, excluded="spam")])
    test = lead((1, "2026-01-10T09:00"), records=(), journeys=[Journey(1, 0, test=True)])
    found = reconcile(
        JANUARY, [], Ours((twice, spam._replace(id="spam"), test._replace(id="test")))
    )
    assert (found.ours, found.entries) == (1, 3)


def test_no_address_of_a_person_is_repeated_from_a_column_that_is_no_stage():
    wrong = row(word="jane@example.com", mapped=False)
    assert "jane" not in judged([wrong], lead())[0][3]
