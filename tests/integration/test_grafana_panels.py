"""Grafana's panels over ClickHouse's wire: their numbers are those of `kpis`, their shapes fit."""

from datetime import date, time
from zoneinfo import ZoneInfo

import pytest

from schemas.reading import FUNNELS, load
from sinks.clickhouse import kpis
from sinks.clickhouse.batch import Batch
from sinks.clickhouse.catalogue import named
from streams.connections import clickhouse_client
from streams.domain import calendar
from tests.integration.firm import E, Firm
from tests.support.firms import lives
from tests.support.panels import expanded, panels, wide
from tests.support.stories import DAY, T0
from tests.support.variants import stages, variant

pytestmark = pytest.mark.ci

START, END = int(T0), int(T0 + 70 * DAY)
CAME_BY = (
    {"utm_source": "facebook", "utm_medium": "paid_social", "utm_campaign": "Spring"},
    {"utm_source": "google", "utm_medium": "cpc", "utm_campaign": "it's \\ 50%"},
    {},
)
FIRMS = ("default", "japanese")
OF_EACH_KIND = ("inflow", "acceptance", "sla", "stalled", "cost", "revenue", "survey")
FIGURES = [panel for _, panel in panels() if panel.shown]


def funnel_of(name):
    if name != "default":
        return load(FUNNELS / "examples" / f"{name}.yaml")
    funnel = load(FUNNELS / "default.yaml")
    still = {name: {"timer": None} for name in funnel.stages if name != "mql"}
    sources = (*funnel.enabled_sources, "crm")
    return variant(**stages(funnel, **still), enabled_sources=sources, dimensions=("owner",))


@pytest.fixture(scope="module", params=FIRMS)
def firm(request, engine):
    """Return a firm whose leads walked its funnel, with costs, rates and targets."""
    from sinks.clickhouse.rows import ORDER

    client = clickhouse_client(engine)
    for table in ORDER:
        client.command(f"TRUNCATE TABLE {table}")
    made = Firm(client, engine, funnel_of(request.param))
    state(made)
    for place, life in enumerate(lives(made.funnel, 45, seed=7)):
        (at, kind, fields), *rest = life.sent
        more = {"marketing": CAME_BY[place % 3], "owner": ("ann", "bob", "")[place % 3]}
        made.lead((at, kind, fields | more), *rest, until=70.0)
    made.lead((1, E.CREATED, {"test": True, "source": "crm"}))
    made.spend("120.50", campaign="Spring")
    made.spend("80", currency="USD", day="2026-01-20", platform="google", campaign="autumn")
    made.spend("7", currency="GBP", day="2026-01-21", platform="google", campaign="autumn")
    currency = made.funnel.reporting.currency
    rates(made, "USD", currency, "0.9")
    if currency != "EUR":
        rates(made, "EUR", currency, "160")
    shape = made.funnel.shape()
    made.target("inflow", "30", end="2026-02-28", stage=shape.entry)
    made.target("inflow", "9", end="2026-02-28", stage=shape.entry, source="meta")
    made.target("inflow", "100", end="2026-02-28")
    made.target("inflow", "1", end="2026-02-28", nobody="knows")
    made.target("outflow", "12", end="2026-01-31", stage=shape.entry)
    made.target("acceptance", "0.47", end="2026-02-28", owner="bob")
    made.target("step_conversion", "0.5", end="2026-02-28", stage=shape.entry)
    made.target("conversion", "0.5", end="2026-02-28")
    made.target("win_rate", "0.3", end="2026-03-31")
    made.target("win_rate", "0.2", end="2026-03-31", basis="cohort")
    made.target("sales_sourced", "0.56", end="2026-03-31")
    made.target("pipeline", "5000", end="2026-03-31")
    made.target("revenue", "900", end="2026-12-31", strategy="another")
    made.target("inflow", "4", start="2025-01-01", end="2025-12-31", stage=shape.entry)
    return made


def state(firm):
    batch = Batch()
    row = {"generation": 1, "funnel_version": "1", "effective_from": 0, "digest": "d"}
    batch.definition(row | {"content": firm.funnel.model_dump_json()})
    firm.insert(batch)


def rates(firm, currency, reporting, rate):
    from schemas.records import Rate

    batch = Batch()
    batch.rate(Rate(currency=currency, reporting=reporting, day="2025-12-01", rate=rate), 1)
    firm.insert(batch)


def answer(firm, statement, chosen=None, every="day"):
    chosen = {"every": (every,), **(chosen or {})}
    return firm.client.query(expanded(statement, START, END, chosen, now=END))


def asked(firm, shown, chosen=None, every=""):
    trend = every if shown.trend else ""
    return kpis.question(firm.funnel, START, END, END, shown.by, where=chosen or {}, trend=trend)


def expected(firm, shown, question):
    """Return the figures' numbers by what a panel shows of their dimensions."""
    zone, found = ZoneInfo(firm.funnel.reporting.zone), {}
    values = {"''": ""}
    for figure in kpis.ask(firm.client, question, [shown.kpi]):
        assert figure["basis"] != kpis.NOT_APPLICABLE
        dimensions = {"basis": figure["basis"], **figure["dimensions"]}
        entry = firm.funnel.shape().entry
        if any(dimensions[key] != values.get(value, entry) for key, value in shown.kept.items()):
            continue
        titles = firm.funnel.shown(dimensions)
        if shown.by and shown.by in dimensions:
            titles[shown.by] = dimensions[shown.by] or "(none)"
        key = tuple(str(titles[name]) for name in shown.dimensions.values())
        if shown.trend:
            day = date.fromisoformat(dimensions["bucket"])
            key = (calendar.wall_ms(day, time(), zone), *key)
        assert key not in found, "two figures in one row of a panel"
        found[key] = tuple(approx(figure[number]) for number in shown.numbers.values())
    return found


def shown_by(panel, result):
    shown, found = panel.shown, {}
    assert len(set(result.column_names)) == len(result.column_names)
    for row in result.result_rows:
        columns = dict(zip(result.column_names, row, strict=True))
        key = tuple(str(columns[head]) for head in shown.dimensions)
        if shown.trend:
            key = (ms(columns["time"]), *key)
        assert key not in found
        found[key] = tuple(columns[head] for head in shown.numbers)
    return found


def ms(moment):
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo("UTC"))
    return calendar.to_ms(zoned)


def approx(number):
    return None if number is None else pytest.approx(number)


def has(firm, panel):
    from sinks.clickhouse.catalogue import lacking

    return not lacking(named(panel.shown.kpi), firm.funnel.shape())


@pytest.mark.parametrize("panel", FIGURES, ids=lambda panel: panel.title)
def test_a_panel_shows_the_numbers_of_its_figure(firm, panel):
    if not has(firm, panel):
        assert not any(one for one in answer(firm, panel.statement).result_rows if one[0])
        return
    buckets = ("day", "week", "month") if firm.funnel.aliases else ("week",)
    for every in buckets if panel.shown.trend else ("",):
        question = asked(firm, panel.shown, every=every)
        result = answer(firm, panel.statement, every=every or "day")
        assert shown_by(panel, result) == expected(firm, panel.shown, question), every


@pytest.mark.parametrize("panel", FIGURES, ids=lambda panel: panel.title)
def test_a_panel_is_kept_by_the_variables_as_its_figure_is_by_filters(firm, panel):
    shape = firm.funnel.shape()
    chosen = {
        "source": ("meta", "google") if firm.funnel.aliases else ("crm", ""),
        "campaign": ("spring", "it's \\ 50%"),
        "stage": (shape.entry, shape.handoffs[0].stage),
        "version": ("1",),
    }
    in_grafana = {
        name: tuple(one.replace("\\", "\\\\") or "-" for one in values)
        for name, values in chosen.items()
    }
    if "owner" in firm.funnel.dimensions:
        chosen["owner"] = in_grafana["owner"] = ("ann",)
    else:  # it is no dimension of this firm: figures are of everybody
        in_grafana["owner"] = ("nobody",)
    # The Japanese firm shows that no filter is of the default funnel; one of each kind is enough.
    if not has(firm, panel) or (not firm.funnel.aliases and panel.shown.kpi not in OF_EACH_KIND):
        return
    every = "week"
    question = asked(firm, panel.shown, chosen, every=every)
    result = answer(firm, panel.statement, in_grafana, every)
    assert shown_by(panel, result) == expected(firm, panel.shown, question)


def test_what_has_no_value_can_be_chosen(firm):
    panel = next(one for one in FIGURES if one.title.startswith("How many new leads does each"))
    chosen = answer(firm, panel.statement, {"source": ("-",)})
    question = asked(firm, panel.shown, {"source": ("",)})
    assert shown_by(panel, chosen) == expected(firm, panel.shown, question) != {}


SERIES = [(uid, one) for uid, one in panels() if one.kind == "timeseries" and one.statement]


@pytest.mark.parametrize("panel", [one for _, one in SERIES], ids=lambda one: one.title)
def test_a_time_series_has_a_time_and_one_column_of_numbers_for_each_series(firm, panel):
    result = answer(firm, panel.statement, every="week")
    types = [one.name for one in result.column_types]
    assert result.column_names[0] == "time"
    assert types[0].startswith("DateTime"), types
    assert "String" in types[1]
    assert types[2] in ("Float64", "Nullable(Float64)")
    assert len(types) == 3
    if has(firm, panel) and panel.shown.kpi == "inflow":
        series = wide(result)
        assert len(series) > 1 or panel.shown.by  # the Japanese firm knows no source
        assert any(number for points in series.values() for number in points.values())
    wide(result)


def test_targets_show_what_the_command_line_shows_of_them(firm):
    panel = next(one for _, one in panels() if one.title == "Which targets are on pace?")
    result = answer(firm, panel.statement)
    rows = [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]
    found = {
        (row["Metric"], row["Owner"], row["Of"], str(row["To"])): (
            row["Actual"], row["Target"], row["Attained"], row["Pace"],
        )
        for row in rows
    }  # fmt: skip
    question = kpis.question(firm.funnel, START, END, END)
    known = {}
    for figure in kpis.ask(firm.client, question, ["attainment"]):
        of = figure["dimensions"]
        key = (of["metric"], of["owner"], of["scope"], of["end"])
        actual, target, attained, pace = known.get(key, (None, None, None, None))
        if of["measure"] == "attainment":
            actual, target = figure["numerator"], figure["denominator"]
            attained = figure["value"]
        else:
            pace = figure["value"]
        known[key] = actual, target, attained, pace
    assert found == {
        key: tuple(approx(number) for number in numbers) for key, numbers in known.items()
    }
    assert len(found) == 13
    assert sum(numbers[0] is not None for numbers in found.values()) > 8


def test_lists_have_the_leads_that_their_figures_count(firm):
    listed = {panel.title: answer(firm, panel.statement) for _, panel in panels() if panel.sql}

    def leads(title, column="Lead"):
        result = listed[title]
        return [row[result.column_names.index(column)] for row in result.result_rows]

    def figure(name):
        return sum(one["value"] for one in kpis.ask(firm.client, question, [name]))

    question = kpis.question(firm.funnel, START, END, END)
    late = leads("Which service levels are past due, and whose move is it?")
    stalled = leads("Which leads are stalled, and whose move is it?")
    assert len(set(stalled)) == figure("stalled")
    assert len(late) + len(stalled) == figure("past_due")
    assert len(leads("Which leads are these?")) == figure("inflow")
    waits = kpis.ask(firm.client, question, ["acceptance"])
    waiting = leads("Which hand-offs of the period wait for an answer?")
    assert len(waiting) >= sum(one["pending"] for one in waits)
    moves = leads("Which leads are stalled, and whose move is it?", "Whose move")
    assert all(moves)
    by_team = listed["Which team has late leads?"].result_rows
    assert sum(row[1] for row in by_team) >= len(set(late) | set(stalled))


def test_owners_can_be_chosen_in_lists(firm):
    panel = next(one for _, one in panels() if one.title == "Which leads are these?")
    everybody = answer(firm, panel.statement).result_rows
    anns = answer(firm, panel.statement, {"owner": ("ann",)})
    place = anns.column_names.index("Owner")
    assert 0 < len(anns.result_rows) < len(everybody)
    assert {row[place] for row in anns.result_rows} == {"ann"}


def test_variables_offer_what_there_is_under_the_names_of_figures(firm):
    from tests.support.panels import dashboards

    queries = dashboards().variables.QUERIES
    offered = {name: dict(answer(firm, sql).result_rows) for name, sql in queries.items()}
    shape = firm.funnel.shape()
    assert set(offered["stage"]) == set(firm.funnel.stages)
    assert offered["stage"][shape.entry] == firm.funnel.titles()[shape.entry]
    assert offered["version"] == {"1": "1"}
    assert offered["owner"] == {"ann": "ann", "bob": "bob", "-": "(none)"}
    assert offered["campaign"]["it's \\\\ 50%"] == "it's \\ 50%"
    assert offered["campaign"]["-"] == "(none)"
    assert set(offered["source"]) == ({"google", "meta", "-"} if firm.funnel.aliases else {"-"})


def test_a_changed_definition_is_marked(firm):
    from tests.support.panels import dashboards

    batch = Batch()
    row = {"generation": 1, "funnel_version": "2", "effective_from": START + 1000, "digest": "d"}
    batch.definition(row | {"content": firm.funnel.model_dump_json()})
    firm.insert(batch)
    marks = answer(firm, dashboards().variables.ANNOTATIONS["Changed definitions"])
    assert marks.column_names == ("time", "text", "tags")
    assert [(ms(at), text) for at, text, _ in marks.result_rows] == [
        (START + 1000, "Definition 2 begins")
    ]
    firm.client.command("TRUNCATE TABLE definitions")
    state(firm)


def test_limits_are_counted_back_as_the_calendar_does_over_changes_of_the_clock(firm):
    from boards.sql import figure

    sql = figure("nurture_coverage", select="SELECT panel_since_nurture, panel_since_recycled")
    zone = ZoneInfo("Europe/Paris")
    for day, hour in (("2026-02-10", 7), ("2026-04-15", 12), ("2026-11-10", 9), ("2026-12-31", 0)):
        asof = calendar.wall_ms(date.fromisoformat(day), time(hour, 30), zone)
        found = firm.client.query(expanded(sql, 0, asof, now=asof)).first_row
        limits = kpis.question(firm.funnel, 0, asof, asof).limits
        wanted = (limits["nurture"], limits["recycled"])
        assert tuple(one and ms(one) for one in found) == wanted, day
