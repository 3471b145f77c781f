"""What alerts are made of, by ClickHouse's own engine: as the KPIs have it where both say it."""

import time

import pytest

from sinks.clickhouse.batch import Batch
from streams.cli.context import figures
from streams.live import alerting
from tests.integration.firm import FUNNEL, NOT_READY, OURS, TEST, E, deal, parts
from tests.support.stories import DAY, MQL, T0, stage

pytestmark = pytest.mark.ci

HOT = {"kind": "demo_form", "direction": "inbound"}
SAL = {**stage("Working"), "source": "salesforce"}


@pytest.fixture
def viewer(engine):
    """Ask as the live page does: by a user who reads the figures and nothing else."""
    who = {
        "clickhouse_user": "viewer",
        "clickhouse_password": engine.clickhouse_viewer_password,
    }
    return figures(engine.model_copy(update=who))


@pytest.fixture
def ask(viewer):
    def at(day, **alerts):
        funnel = FUNNEL.model_copy(
            update={"alerts": FUNNEL.alerts.model_copy(update={"least_expected": 2, **alerts})}
        )
        return alerting.Asked(viewer.rows, funnel, 1, int(T0 + day * DAY))

    return at


def values(samples):
    """Return samples as {name: {labels: value}}, without the empty ones."""
    found = {}
    for gauge, labels, value in samples:
        if value:
            name = gauge._name.removeprefix("leadstream_")
            found.setdefault(name, {})[labels] = value
    return found


def test_the_stalled_are_those_past_a_service_level_of_the_stage_they_stand_in(firm, ask):
    firm.lead((0, E.STAGE_REPORTED, MQL), until=7)  # first touch and decision, one lead
    firm.lead((0, E.STAGE_REPORTED, MQL), until=0.3)  # in time yet
    firm.lead((0, E.STAGE_REPORTED, MQL), (5, E.STAGE_REPORTED, SAL), until=7)  # moved on, late
    firm.lead((0, E.STAGE_REPORTED, {**MQL, **TEST}), until=7)
    assert values(alerting.stalled(ask(7))) == {"stalled_leads": {("mql", "joint"): 1}}


BY_VIEWS = """
SELECT clocks.lead_id, clocks.stage, clocks.hot, clocks.due_at
FROM v_clocks AS clocks
INNER JOIN v_lead_state AS standing
  ON standing.lead_id = clocks.lead_id
  AND standing.stage = clocks.stage
  AND standing.journey = clocks.journey
WHERE clocks.test = 0 AND clocks.stopped_at IS NULL AND clocks.status IN ('breached', 'escalated')
"""


def test_the_stalled_are_what_the_views_say_whatever_revisions_there_are(emptied, viewer):
    number = "leftPad(toString(cityHash64(number, 1) % 40), 12, '0')"
    lead = f"toUUID(concat('018f0000-0000-8000-8000-', {number}))"
    of = {
        "generation": "1 + intDiv(cityHash64(number, 2) % 8, 7)",
        "revision": "cityHash64(number, 4) % 6",
    }
    # of one revision of a fact there is one content
    place = "(lead_id, fact_id, generation, event_time, revision)"
    varied = {
        "is_deleted": f"cityHash64({place}, 1) % 5 = 0",
        "journey": f"1 + cityHash64({place}, 2) % 2",
        "stage": f"['mql', 'sal'][1 + cityHash64({place}, 3) % 2]",
        "status": f"['warned', 'breached', 'escalated', 'met'][1 + cityHash64({place}, 4) % 4]",
        "hot": f"cityHash64({place}, 5) % 2",
        "stopped_at": f"if(cityHash64({place}, 6) % 4 = 0, toDateTime64(9, 3), NULL)",
    }
    emptied.command(
        "INSERT INTO clocks (lead_id, fact_id, generation, event_time, revision, due_at, test, "
        f"{', '.join(varied)}) SELECT lead_id, fact_id, generation, event_time, revision, "
        f"toDateTime64(7, 3), cityHash64(lead_id) % 9 = 0, {', '.join(varied.values())} FROM ("
        f"SELECT {lead} AS lead_id, toString(cityHash64(number, 6) % 3) AS fact_id, "
        f"toDateTime64(cityHash64(number, 7) % 2, 3) AS event_time, "
        f"{of['generation']} AS generation, {of['revision']} AS revision FROM numbers(2000))"
    )
    emptied.command(
        "INSERT INTO lead_state (lead_id, generation, revision, is_deleted, journey, stage) "
        "SELECT lead_id, generation, revision, cityHash64(lead_id, revision) % 7 = 0, "
        "1 + cityHash64(lead_id, revision, 1) % 2, "
        "['mql', 'sal'][1 + cityHash64(lead_id, revision, 2) % 2] FROM ("
        f"SELECT {lead} AS lead_id, {of['generation']} AS generation, {of['revision']} AS revision "
        "FROM numbers(300))"
    )
    by_views = sorted(map(str, emptied.query(BY_VIEWS).result_rows))
    assert len(by_views) > 3
    rows = viewer.rows(alerting.STALLED)
    mine = [(one["lead_id"], one["stage"], one["hot"], one["due_at"]) for one in rows]
    assert sorted(map(str, mine)) == by_views


def test_a_hot_lead_waits_for_a_day_at_most(firm, ask):
    firm.lead((0, E.TOUCH, HOT), (0.001, E.STAGE_REPORTED, MQL), until=0.02)
    assert values(alerting.stalled(ask(0.5)))["hot_leads_waiting"] == {("mql", "joint"): 1}
    assert "hot_leads_waiting" not in values(alerting.stalled(ask(1.5)))


def breach(client, lead, due_ago, generation=1, revision=1, fact="f"):
    """Write a breach that fell due so many hours ago."""
    due = int((time.time() - due_ago * 3600) * 1000)
    names = ["generation", "lead_id", "fact_id", "stage", "due_at", "revision"]
    types = ["UInt16", "UUID", "String", "LowCardinality(String)", "DateTime64(3, 'UTC')", "UInt64"]
    row = [generation, f"018f0000-0000-8000-8000-{lead:012}", fact, "mql", due, revision]
    client.insert("breaches", [row], column_names=names, column_type_names=types)


LATE = "SELECT lead_id, fact_id FROM v_clocks WHERE status IN ('breached', 'escalated')"


def of_mql(ask):
    return next((one.breached, one.retracted) for one in alerting.late(ask) if one.stage == "mql")


def test_each_clock_counts_once_as_newly_stalled_whatever_is_sent_again(emptied, ask):
    for revision in (1, 2, 2):
        breach(emptied, 1, due_ago=0.1, revision=revision)
    breach(emptied, 1, due_ago=0.1, fact="another clock")
    breach(emptied, 2, due_ago=0.1, generation=2)
    assert of_mql(ask(0))[0] == 2


def test_an_imported_past_is_no_news(emptied, ask):
    breach(emptied, 1, due_ago=25)
    assert of_mql(ask(0)) == (0, 0)


def test_what_late_proof_takes_back_stays_counted_and_is_counted_as_taken_back(firm, ask):
    firm.lead((0, E.STAGE_REPORTED, MQL), until=1.5)  # the first touch is late, the decision is not
    client, ((lead, fact),) = firm.client, firm.client.query(LATE).result_rows
    assert client.query("SELECT lead_id, fact_id FROM breaches").result_rows == [(lead, fact)]
    assert of_mql(ask(1.5)) == (0, 0)  # that was in January
    client.command("TRUNCATE TABLE breaches")
    firm.writer.write_table("breaches", [[1, str(lead), fact, "mql", int(time.time() * 1000), 1]])
    assert of_mql(ask(1.5)) == (1, 0)
    client.command("TRUNCATE TABLE clocks")  # the touch was made in time after all
    assert of_mql(ask(1.5)) == (1, 1)


def test_inflow_is_the_leads_that_came_in_beside_those_of_the_same_hours_before(firm, ask):
    for week in range(5):
        for hour in range(2):
            firm.lead((7 * week + hour / 24, E.CREATED, OURS), until=35)
    firm.lead((28.1, E.CREATED, {**OURS, **TEST}), until=35)
    firm.lead((28.6, E.CREATED, OURS), until=35)  # at night
    found = values(alerting.inflow(ask(28.4)))
    assert found["inflow_seen"] == {("marketing", "day"): 2, ("marketing", "week"): 2}
    assert found["inflow_expected"] == {("marketing", "day"): 2, ("marketing", "week"): 2}


def test_conversions_are_held_to_the_rate_of_the_weeks_before(firm, ask):
    for day in (0, 1):
        firm.lead((day, E.STAGE_REPORTED, MQL), (day + 1, E.STAGE_REPORTED, SAL))
    for day in (2, 3):
        firm.lead((day, E.STAGE_REPORTED, MQL), (day + 8, E.STAGE_REPORTED, SAL))  # too late
    firm.lead((8, E.STAGE_REPORTED, MQL), (9, E.STAGE_REPORTED, SAL))
    for day in (8.5, 9, 10):
        firm.lead((day, E.STAGE_REPORTED, MQL))
    firm.lead((15, E.STAGE_REPORTED, MQL))  # not known yet
    found = values(alerting.conversions(ask(21.2)))
    assert found["conversions_seen"][("mql", "joint")] == 1
    assert found["conversions_expected"][("mql", "joint")] == 4 * 2 / 4


def test_service_levels_are_those_of_the_kpi(firm, ask):
    firm.lead((0, E.STAGE_REPORTED, MQL), (0.1, E.ACCEPTED, {}), until=9)
    firm.lead((0, E.STAGE_REPORTED, MQL), until=9)
    firm.lead((1, E.STAGE_REPORTED, MQL), (3, E.ACCEPTED, {}), until=9)
    found = values(alerting.service_levels(ask(7)))
    assert found["clocks_due"][("mql", "joint")] > found["clocks_met"][("mql", "joint")] > 0
    kpi = [
        one for one in firm.ask("sla", start=0, end=7, asof=7) if one.dimensions["restarting"] == 0
    ]
    mine = [one for one in kpi if str(one.dimensions["clock"]).startswith("mql.")]
    assert found["clocks_met"][("mql", "joint")] == sum(one.numerator for one in mine)
    assert found["clocks_due"][("mql", "joint")] == sum(one.denominator for one in mine)


def test_acceptance_is_that_of_the_kpi_of_hand_offs_that_had_their_time(firm, ask):
    firm.lead((0, E.STAGE_REPORTED, MQL), (2, E.ACCEPTED, {}))
    firm.lead((1, E.STAGE_REPORTED, MQL), (2, E.REJECTED, NOT_READY))
    firm.lead((2, E.STAGE_REPORTED, MQL))
    firm.lead((20, E.STAGE_REPORTED, MQL), (21, E.ACCEPTED, {}))  # others still have time
    found = values(alerting.acceptance(ask(29)))
    kpi = firm.one("acceptance", start=-13, end=15, asof=29)
    assert parts(kpi) == (1, 3)
    assert found["handoffs_accepted"] == {("mql", "joint"): kpi.numerator}
    assert found["handoffs_mature"] == {("mql", "joint"): kpi.denominator}


def from_meta(day):
    return (day, E.CREATED, {**OURS, "marketing": {"platform": "meta"}})


def test_spend_is_held_to_what_the_leads_of_earlier_weeks_cost(firm, ask):
    for day in ("2026-01-06", "2026-01-12"):
        firm.spend("60", day=day)
    firm.spend("100", "USD", day="2026-01-20")
    firm.rate("USD", "2026-01-01", "0.9")
    firm.spend("100", "JPY", day="2026-01-20")  # no rate: left out
    firm.spend("1000", day="2026-01-22")  # today's is not whole yet
    firm.lead(from_meta(1))
    firm.lead(from_meta(2))
    firm.lead(from_meta(3))
    found = values(alerting.spend(ask(17.2)))  # Thursday, 22 January
    assert found["spend_amount"] == {("meta", "marketing"): pytest.approx(90)}
    assert "spend_leads" not in found
    tolerated = found["spend_tolerated"]
    assert tolerated["meta", "marketing"] == pytest.approx(120 / 3 * 2)
    assert tolerated["google", "marketing"] == FUNNEL.alerts.spend_without_leads
    firm.lead(from_meta(16))
    assert values(alerting.spend(ask(17.2)))["spend_leads"] == {("meta", "marketing"): 1}


def test_a_deal_is_past_its_close_date_once_that_day_is_over(firm, ask):
    for number, day in enumerate(("2026-01-10", "2026-01-20", "2026-01-22", "2026-02-01")):
        opened = deal(f"d{number}", "100", "EUR", close_date=day)
        firm.lead((0, E.OPPORTUNITY_CREATED, opened))
    won = deal("d9", "100", "EUR", close_date="2026-01-20")
    firm.lead((0, E.OPPORTUNITY_CREATED, won), (9, E.OPPORTUNITY_WON, won))
    firm.lead((0, E.OPPORTUNITY_CREATED, deal("d8", "100", "EUR")))
    found = values(alerting.deals(ask(17.2)))
    assert found == {
        "deals_past_close_date": {("sales",): 2},
        "deals_newly_past_close_date": {("sales",): 1},
    }
    kpi = firm.one("past_close_date", start=0, end=17.2, asof=17.2)
    assert kpi.numerator == 2


def test_time_is_that_of_the_data_so_a_worker_that_stands_is_no_drop(viewer, firm):
    wall = int(time.time() * 1000)
    assert alerting.asked(viewer.rows, FUNNEL, wall)[2:] == (1, wall, False)
    batch = Batch()
    for partition, minutes in enumerate((-3, -20, 12)):
        cut = {"generation": 1, "partition": partition, "next_offset": 1}
        batch.cut({**cut, "now": wall + minutes * 60_000})
    firm.insert(batch)
    assert alerting.asked(viewer.rows, FUNNEL, wall).now == wall - 20 * 60_000


def test_a_firm_of_any_stages_has_a_value_for_each_of_them(emptied, viewer):
    from schemas.reading import FUNNELS, load

    for path in sorted((FUNNELS / "examples").glob("*.yaml")):
        funnel = load(path)
        ask = alerting.Asked(viewer.rows, funnel, 1, int(T0))
        figures_ = (
            alerting.stalled, alerting.inflow, alerting.conversions, alerting.service_levels,
            alerting.acceptance, alerting.spend, alerting.deals, alerting.thresholds,
        )  # fmt: skip
        samples = [sample for figure in figures_ for sample in figure(ask)]
        teams = {
            dict(zip(one.gauge._labelnames, one.labels, strict=True)).get("owner_team")
            for one in samples
        }
        assert teams - {None} <= set(funnel.teams)
        assert {one.labels[0] for one in samples if one.gauge._name.endswith("stalled_leads")} == (
            set(funnel.stages)
        )
        assert len(alerting.late(ask)) == len(funnel.stages)
