"""Every figure of generated firms is that of a slow count over what their leads folded to."""

from dataclasses import replace
from datetime import timedelta

import pytest

from sinks.clickhouse import asking, kpis
from sinks.clickhouse.asking import Asked
from sinks.clickhouse.catalogue import catalogue, named
from streams.domain import calendar
from tests.integration.firm import NOT_READY, OURS, E, Firm, deal
from tests.support import slow_kpis
from tests.support.slow_counting import SLOW, approximate, of_product
from tests.support.slow_histories import DAY, DEFINITIONS, FUNNEL, NOW, T0, histories, records
from tests.support.slow_world import World
from tests.support.stories import MQL

pytestmark = pytest.mark.ci

PERIOD = {"start": "2026-01-20", "end": "2026-07-01"}
EARLIER = str(T0 + 100 * DAY)
# By seed, so that each firm is asked something else.
QUESTIONS = {
    1: (Asked(**PERIOD), Asked(**PERIOD, by="source"), Asked(**PERIOD, by="owner")),
    2: (
        Asked(**PERIOD, as_of=EARLIER),
        Asked(**PERIOD, by="segment", cohort_days=40),
        Asked(**PERIOD, where=(("version", "2"), ("segment", "smb"), ("segment", "big"))),
    ),
    3: (
        Asked(**PERIOD, by="lead_origin", where=(("source", "meta"), ("stage", "mql"))),
        Asked(start="2026-02-10", end="2026-05-20", zone="Asia/Tokyo", cohort_days=3),
    ),
}


@pytest.fixture
def client(emptied):
    emptied.set_client_setting("max_threads", 1)  # one core, and others test too
    return emptied


def built(client, engine, seed, leads=60):
    world = World(histories(seed, leads), records(seed), DEFINITIONS, NOW)
    Firm(client, engine, FUNNEL).insert(world.batch())
    return world


def slow_question(question, asked):
    return slow_kpis.Asked(
        FUNNEL,
        question.start,
        question.end,
        question.asof,
        question.by,
        question.where,
        question.zone,
        asked.cohort_days,
    )


def applicable(question):
    """Return the figures to compare: of a past instant those that need no states.

    A question by or of something goes to those that it can split.
    """
    whole = not question.by and not question.where
    return [
        kpi.name
        for kpi in catalogue()
        if (whole or kpi.split) and not (question.past and kpi.of_states)
    ]


@pytest.mark.parametrize(
    ("seed", "asked"), [(seed, asked) for seed, of in QUESTIONS.items() for asked in of]
)
def test_every_figure_is_that_of_a_slow_count(client, engine, seed, asked):
    world = built(client, engine, seed)
    question = asking.read(FUNNEL, asked, NOW)
    for name in applicable(question):
        found = of_product(kpis.ask(client, question, [name]))
        slow = slow_kpis.figures(world, name, slow_question(question, asked))
        assert found == approximate(slow), name


def test_what_needs_to_know_where_leads_stood_is_not_applicable_to_a_past_instant(client):
    question = asking.read(FUNNEL, Asked(as_of=EARLIER), NOW)
    of_states = {kpi.name for kpi in catalogue() if kpi.of_states}
    found = kpis.ask(client, question, of_states)
    assert {one["kpi"] for one in found} == of_states >= {"balance", "open_age", "stalled"}
    assert {one["basis"] for one in found} == {kpis.NOT_APPLICABLE}
    with pytest.raises(ValueError, match="as of now only: ask without an instant"):
        kpis.behind(client, question, "stalled", {})


def spans(asked, question):
    """Return the buckets of a trend that a calendar shows: (first day, start, end in ms)."""
    slow = slow_question(question, asked)
    first, last = slow.days()
    days = [first + timedelta(days=n) for n in range((last - first).days)]
    named_by = {
        "week": lambda day: day - timedelta(days=day.weekday()),
        "month": lambda day: day.replace(day=1),
    }[asked.trend]
    found = {}
    for day in days:
        found.setdefault(str(named_by(day)), []).append(day)
    zone = calendar.ZoneInfo(question.zone)
    for bucket, of in found.items():
        start, end = (
            calendar.wall_ms(day, calendar.time(), zone) for day in (of[0], of[-1] + timedelta(1))
        )
        yield bucket, replace(slow, start=start, end=min(end, question.end))


@pytest.mark.parametrize(
    "asked",
    [
        Asked(start="2026-02-25", end="2026-04-10", trend="month"),
        Asked(start="2026-03-18", end="2026-04-03", trend="week", by="source"),
    ],
)
def test_a_trend_is_the_same_figure_of_each_bucket_and_adds_up_to_the_whole(client, engine, asked):
    world = built(client, engine, 4)
    question = asking.read(FUNNEL, asked, NOW)
    for kpi in catalogue():
        if kpi.basis in ("now", "arrival") or kpi.name == "attainment":
            continue
        found = of_product(kpis.ask(client, question, [kpi.name]))
        slow = {
            (basis, tuple(sorted([*row, ("bucket", bucket)]))): numbers
            for bucket, own in spans(asked, question)
            for (basis, row), numbers in slow_kpis.figures(world, kpi.name, own).items()
        }
        assert found == approximate(slow), kpi.name
        if kpi.form in ("count", "sum") and kpi.name != "past_balance":
            whole = slow_kpis.figures(world, kpi.name, slow_question(question, asked))
            assert sum(one["n"] for one in found.values()) == sum(
                one["n"] for one in whole.values()
            )


@pytest.mark.parametrize("by", ["", "source"])
def test_the_leads_behind_a_figure_are_those_that_it_counts(client, engine, by):
    world = built(client, engine, 5)
    asked = Asked(**PERIOD, by=by, cohort_days=40)
    question = asking.read(FUNNEL, asked, NOW)
    for kpi in (kpi for kpi in catalogue() if kpi.members):
        members = slow_members(world, kpi.name, slow_question(question, asked))
        for figure in kpis.ask(client, question, [kpi.name])[-1:]:
            dimensions = {**figure["dimensions"], "basis": figure["basis"]}
            found = kpis.behind(client, question, kpi.name, dimensions, limit=1_000)
            expected = {}
            for row, member in members:
                if all(dimensions.get(name, value) == value for name, value in row.items()):
                    counted = bool(member.counted) or expected.get(member.lead, False)
                    expected[member.lead] = counted
            leads = {(one["lead"], one["journey"]): one for one in found["leads"]}
            assert found["total"] == len(leads) == len(expected), (kpi.name, dimensions)
            assert {*leads} == {*expected}, (kpi.name, dimensions)
            if "counted" in kpi.columns:
                hits = {lead for lead, one in leads.items() if one["counted"]}
                assert hits == {lead for lead, hit in expected.items() if hit}, kpi.name


def slow_members(world, name, asked):
    slow = SLOW[name]
    own = asked if slow.split else replace(asked, by="")
    return [
        ({**dict(slow_kpis.key(one, own)), **({"basis": one.basis} if one.basis else {})}, one)
        for one in slow_kpis.of_stage(slow.members(world, own), own)
    ]


def test_the_leads_behind_a_bucket_are_its_own(client, engine):
    world = built(client, engine, 5)
    asked = Asked(**PERIOD, trend="month")
    question = asking.read(FUNNEL, asked, NOW)
    for bucket, own in spans(asked, question):
        dimensions = {"bucket": bucket, "stage": "mql"}
        found = kpis.behind(client, question, "inflow", dimensions, limit=1_000)
        members = slow_kpis.grouped(SLOW["inflow"].members(world, own), own)
        expected = {one.lead for one in members.get(("", (("stage", "mql"),)), ())}
        assert {(one["lead"], one["journey"]) for one in found["leads"]} == expected
    with pytest.raises(ValueError, match="no bucket '2020-01-01'"):
        kpis.behind(client, question, "inflow", {"bucket": "2020-01-01"})


def test_a_report_shows_each_figure_beside_that_of_the_period_before(client, engine):
    world = built(client, engine, 6)
    asked = Asked(period="this-month", as_of=EARLIER, compare=True, kpis=("inflow", "cost"))
    question = asking.read(FUNNEL, asked, NOW)  # the 15th of April, at 9:00
    found = asking.report(client, FUNNEL, asked, NOW)
    before = slow_question(question, asked)
    before = replace(
        before,
        start=T0 - 9 * 3_600_000 + 55 * DAY,
        end=calendar.add_wall(question.end, -1, "month", calendar.ZoneInfo("Europe/Paris")),
    )
    for name in asked.kpis:
        earlier = slow_kpis.figures(world, name, before)
        documents = [one for one in found["figures"] if one["kpi"] == name]
        for key, one in zip(of_product(documents), documents, strict=True):
            value = earlier[key]["value"] if key in earlier else None
            assert one["previous"] == (value if value is None else pytest.approx(value)), key
    assert found["before"]["from"] == "2026-03-01T00:00:00+01:00"
    stands = asking.report(client, FUNNEL, Asked(**PERIOD, compare=True, kpis=("open_age",)), NOW)
    assert {one["previous"] for one in stands["figures"]} == {None}  # now has no period before


def test_figures_by_a_dimension_add_up_to_the_whole(client, engine):
    built(client, engine, 6)
    whole = asking.read(FUNNEL, Asked(**PERIOD), NOW)
    for name in ("inflow", "outflow", "step_conversion", "acceptance", "revenue", "win_rate"):
        counted = sum(one["n"] for one in kpis.ask(client, whole, [name]))
        for by in ("source", "segment", "attributes.region"):
            parts = kpis.ask(client, whole._replace(by=by), [name])
            assert sum(one["n"] for one in parts) == counted > 0


def test_fates_of_hand_offs_add_up_to_all_of_them_and_entries_less_departures_to_who_stands(
    client, engine
):
    built(client, engine, 6)
    question = asking.read(FUNNEL, Asked(**PERIOD), NOW)
    accepted, undecided = (
        kpis.ask(client, question, [name])[0] for name in ("acceptance", "no_decision")
    )
    rejected = kpis.ask(client, question, ["rejection"])
    decided = accepted["numerator"] + sum(one["numerator"] for one in rejected)
    assert decided + undecided["numerator"] == accepted["mature"] > 0
    balance = kpis.ask(client, question, ["balance"])
    assert [one["value"] for one in balance] == [one["n"] for one in balance]
    stood = kpis.ask(client, question._replace(end=NOW + 1), ["past_balance"])
    everybody = sum(one["n"] for one in balance)
    assert 0 < sum(one["n"] for one in stood) <= everybody  # it leaves out tests


def test_a_filter_keeps_the_row_of_its_value(client, engine):
    """Who came back by another way, and a deal with contacts of several, are in one row only."""
    built(client, engine, 6)
    whole = asking.read(FUNNEL, Asked(**PERIOD), NOW)
    names = [kpi.name for kpi in catalogue() if kpi.split and kpi.filters == "all"]
    for name in names:
        rows = kpis.ask(client, whole._replace(by="source"), [name])
        of_meta = [one for one in rows if one["dimensions"].get("source") == "meta"]
        kept = kpis.ask(client, whole._replace(where=(("source", ("meta",)),)), [name])
        expected = {
            (basis, tuple(one for one in row if one[0] != "source")): numbers
            for (basis, row), numbers in of_product(of_meta).items()
        }
        found = of_product(kept)
        if name == "sla":  # what nobody can stop has no source
            found = {key: one for key, one in found.items() if ("measured", 1) in key[1]}
        assert found == approximate(expected), name


def test_every_figure_has_a_slow_count():
    assert {kpi.name for kpi in catalogue()} == {*SLOW}
    assert len(SLOW) == 38
    assert {name for name, slow in SLOW.items() if slow.members} == {
        kpi.name for kpi in catalogue() if kpi.members
    }
    assert all(slow.split == named(name).split for name, slow in SLOW.items())


def test_a_deal_of_a_later_snapshot_is_an_opening_balance_and_no_new_pipeline(firm):
    brought = deal("d1", "100", "EUR")
    firm.lead((0, E.CREATED, OURS), (10, E.SNAPSHOT, {"stage": "opportunity", **brought}))
    assert firm.ask("pipeline") == []
    assert firm.ask("win_rate") == []
    assert firm.one("velocity").n == 1  # it is open all the same


def test_a_customer_whose_deal_is_won_later_is_one_customer_before_and_after(firm):
    firm.spend("100")
    firm.lead(
        (0, E.CREATED, {}),
        (5, E.STAGE_REPORTED, {"stage": "customer"}),
        (20, E.OPPORTUNITY_WON, deal("d1")),
    )
    for asof in (10, 30):
        cost = firm.one("cost", end=asof, asof=asof, per="customer")
        assert (cost.value, cost.denominator) == (100.0, 1)


def test_a_lead_stood_in_one_stage_though_one_that_it_passed_is_reported_later(firm):
    firm.lead(
        (0, E.CREATED, {}),
        (10, E.STAGE_REPORTED, {"stage": "customer"}),
        (50, E.OPPORTUNITY_CREATED, deal("d1")),
    )
    for end in (30, 60):
        stood = firm.one("past_balance", end=end)
        assert (stood.dimensions["stage"], stood.n) == ("customer", 1)


def test_what_a_filter_leaves_out_still_says_where_a_lead_went(firm):
    """A lead that one source brought was recycled, and came back by another."""
    firm.lead(
        (0, E.STAGE_REPORTED, {**MQL, "marketing": {"utm_source": "x"}}),
        (1, E.REJECTED, NOT_READY),
        (30, E.STAGE_REPORTED, {**MQL, "marketing": {"utm_source": "y"}}),
    )
    asked = asking.read(FUNNEL, Asked(where=(("source", "x"),), as_of=str(T0 + 33 * DAY)), NOW)
    assert kpis.ask(firm.client, asked, ["past_balance"]) == []
    (recovery,) = kpis.ask(firm.client, asked._replace(end=T0 + 2 * DAY), ["recovery"])
    assert (recovery["n"], recovery["pending"]) == (1, 0)  # it came back
