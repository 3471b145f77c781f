"""The weekly report and the export of attainment, on ClickHouse's own engine."""

import csv
import io
import re
from datetime import UTC, datetime

import orjson
import pytest
from typer.testing import CliRunner

from schemas.errors import LeadstreamError
from schemas.events import EventType as E
from sinks.clickhouse import asking
from streams.audit import attained
from streams.audit.report import gathering, page, plots
from streams.cli import main
from streams.cli.context import figures
from streams.cli.figures import written
from streams.connections import clickhouse_client
from streams.live import lists
from streams.live.lists import Wanted
from tests.integration.firm import FUNNEL, NOT_READY, OURS, SPAM, Firm, deal, state
from tests.support.markup import Page
from tests.support.stories import DAY, MQL, T0

pytestmark = pytest.mark.ci

EVIL = "<script>alert(1)</script>\"'&<b>"
NOW = T0 + 28 * DAY
ASKED = asking.Asked(start="2026-01-19", end="2026-01-26")
BRIDGE = (
    {
        "kpi": "inflow", "title": "New in stage", "dimensions": {"stage": "mql"},
        "measure": "value", "saved": "12", "now": "13",
        "parts": [
            {"cause": "late", "why": "arrived later", "change": "2", "count": 2, "leads": [
                {"lead": "0a0b0c0d-0000", "journey": 1, "change": "1"}, {"lead": EVIL},
            ]},
            {"cause": "erased", "change": -1, "leads": []},
        ],
    },
    {"kpi": "revenue", "saved": "1", "now": "1", "parts": []},
)  # fmt: skip


@pytest.fixture(scope="module")
def world(engine):
    from sinks.clickhouse.rows import ORDER

    client = clickhouse_client(engine)
    for table in ORDER:
        client.command(f"TRUNCATE TABLE {table}")
    state(client)
    firm = Firm(client, engine)
    meta = {"marketing": {"platform": "meta"}}
    for day in (0, 1, 8, 15, 15.5, 16):
        firm.lead((day, E.STAGE_REPORTED, {**MQL, **OURS, **meta}), (day + 1, E.ACCEPTED, {}),
                  until=28)  # fmt: skip
    firm.lead((1, E.STAGE_REPORTED, MQL), (2, E.REJECTED, NOT_READY), until=28)
    firm.lead((1, E.STAGE_REPORTED, MQL), (2, E.REJECTED, SPAM), until=28)
    firm.lead((2, E.STAGE_REPORTED, MQL), until=28)
    firm.lead((16, E.STAGE_REPORTED, {**MQL, "owner": EVIL}), until=28)
    firm.lead((16, E.OPPORTUNITY_CREATED, {**OURS, **deal("d1", "100", "EUR")}),
              (17, E.OPPORTUNITY_WON, deal("d1", "1200.5", "EUR")), until=28)  # fmt: skip
    firm.lead(
        (14.2, E.STAGE_REPORTED, {**MQL, "marketing": {"utm_source": EVIL, "utm_medium": "x"}}),
        until=28,
    )
    firm.spend("300")
    firm.spend("120", day="2026-01-20")
    firm.target("inflow", 10, stage="mql")
    firm.target("acceptance", 0.5, owner=EVIL, basis="cohort", handoff="mql")
    return engine


def ask_with(client, now=NOW):
    return lambda asked: asking.report(client, FUNNEL, asked, now)


@pytest.fixture(scope="module")
def week(world):
    stalled = lists.stalled(figures(world), Wanted())
    client = clickhouse_client(world)
    return gathering.gather(ask_with(client), FUNNEL, ASKED, NOW, stalled, BRIDGE)


@pytest.fixture(scope="module")
def text(week):
    return page.render(week, written)


def test_the_report_is_whole_loads_nothing_and_runs_nothing(text):
    found = Page(text)
    assert found.loads == []
    assert "@import" not in text
    assert set(re.findall(r"url\(([^)]*)\)", text)) == {"#waits"}
    assert not re.search(r"(href|src)=[\"']?//", text)
    ids = [one[1]["id"] for one in found.elements if "id" in one[1]]
    assert len(ids) == len(set(ids))
    assert [one[2] for one in found.all("h1")] == ["2026-01-19 to 2026-01-25"]
    assert [one[2] for one in found.all("h2")][:3] == ["The week in figures", "Targets", "Funnel"]
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_names_from_outside_are_text(text):
    found = Page(text)
    assert not found.all("script")
    assert not found.all("b")
    assert EVIL in "".join(one[2] for one in found.all("td"))
    assert "<script" not in text


def test_every_number_is_that_of_the_same_question_asked_again(week, text, world):
    client = clickhouse_client(world)
    asked = gathering.questions(FUNNEL, ASKED, NOW)
    again = {
        (name, one["kpi"], one["basis"], orjson.dumps(one["dimensions"], default=str)): one
        for name, question in asked.items()
        for one in asking.report(client, FUNNEL, question, NOW)["figures"]
    }
    cells = [one for one in Page(text).elements if "data-of" in one[1]]
    kpis = set()
    for _, attributes, shown in cells:
        name, kpi, basis, dimensions = orjson.loads(attributes["data-of"])
        figure = again[name, kpi, basis, orjson.dumps(dimensions)]
        value, part = figure[attributes["data-part"]], attributes["data-part"]
        kpis.add(kpi)
        if kpi == "attainment" and part != "value":
            form = "percent" if dimensions["metric"] == "acceptance" else "integer"
            assert shown == written(value, form)
        elif part in ("value", "previous"):
            assert shown == written(value, figure["format"], dimensions.get("currency", ""))
        else:
            assert shown == ("-" if value is None else f"{value:,.0f}")
    assert kpis >= {
        "inflow", "acceptance", "rejection", "no_decision", "step_conversion", "sla", "cost",
        "revenue", "pipeline", "attainment",
    }  # fmt: skip
    assert len(cells) > 60


def test_the_parts_of_a_funnel_bar_are_all_who_entered(week):
    steps = gathering.of(week, "cohorts", "step_conversion")
    assert steps
    for one in steps:
        early = one["n"] - one["denominator"] - one["pending"]
        assert early >= 0
    acceptance = gathering.of(week, "cohorts", "acceptance")
    (mql,) = [one for one in acceptance if one["dimensions"]["handoff"] == "mql"]
    ledger = [
        one
        for name in ("acceptance", "rejection", "no_decision")
        for one in gathering.of(week, "cohorts", name)
        if one["dimensions"]["handoff"] == "mql"
    ]
    assert sum(one["value"] for one in ledger) == pytest.approx(1)
    assert mql["pending"] > 0


def test_the_benchmarks_the_stalled_by_team_and_the_trend_are_there(week, text):
    shown = re.sub(r"\s+", " ", "".join(one[2] for one in Page(text).all("main")))
    for mark in ("worst firms 5%", "average 23%", "best firms 47%"):
        assert mark in shown
    assert week.stalled["total"] > 0
    for team, n in week.stalled["teams"].items():
        assert f"{team}: {n}" in shown
    assert "must call" in shown
    trend = [one for one in Page(text).all("svg") if one[1].get("class") == "line"]
    assert trend
    assert (week.weeks[0], week.weeks[-1], len(week.weeks)) == ("2025-11-03", "2026-01-19", 12)
    buckets = {one["dimensions"].get("bucket") for one in gathering.of(week, "trend", "acceptance")}
    assert buckets <= {"2026-01-05", "2026-01-12", "2026-01-19"}


def test_a_bridge_is_shown_by_cause_with_its_leads(text):
    rows = [one[2] for one in Page(text).all("tr")]
    assert any(row.startswith("latearrived later+2") and "0a0b0c0d" in row for row in rows)
    assert "erased-10" in rows
    assert "New in stage MQL (value)" in [one[2] for one in Page(text).all("h3")]


def test_a_report_of_all_time_is_refused_with_what_to_write():
    with pytest.raises(asking.Unreadable, match="name one, like period last-week"):
        gathering.questions(FUNNEL, asking.Asked(), NOW)


def test_a_period_that_goes_on_is_compared_with_as_much_of_the_one_before():
    asked = gathering.questions(FUNNEL, asking.Asked(period="this-week"), NOW + DAY)
    assert (asked["cohorts"].start, asked["cohorts"].end) == ("2025-11-12", "2026-02-04")
    assert asked["week"].period == "this-week"


@pytest.mark.parametrize("values", [[], [None], [1], [0, 0], [1, None, 3, 4], [-1, 2]])
def test_a_line_is_drawn_whatever_is_known(values):
    drawn = plots.line([(str(number), value) for number, value in enumerate(values)])
    Page(drawn)
    numbers = [float(one) for one in re.findall(r'c[xy]="([^"]+)"', drawn)]
    assert all(-0.1 <= one <= 220.1 for one in numbers)
    assert drawn.count("<circle") == sum(value is not None for value in values)


# --- attainment ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(world):
    asked = asking.Asked(as_of=datetime.fromtimestamp(NOW / 1000, UTC).isoformat())
    return attained.rows(ask_with(clickhouse_client(world)), FUNNEL, asked, 3, NOW)


def test_an_attainment_states_target_actual_of_what_and_by_which_definition(exported, world):
    by_metric = {row["metric"]: row for row in exported}
    inflow, acceptance = by_metric["inflow"], by_metric["acceptance"]
    client = clickhouse_client(world)
    january = asking.Asked(start="2026-01-01", end="2026-02-01", kpis=("inflow", "acceptance"))
    figures = asking.report(client, FUNNEL, january, NOW)["figures"]
    entered = next(one for one in figures if one["dimensions"] == {"stage": "mql"})
    assert float(inflow["actual"]) == entered["value"]
    assert float(inflow["target"]) == 10
    assert float(inflow["attainment"]) == entered["value"] / 10
    taken = next(one for one in figures if one["dimensions"] == {"handoff": "mql"})
    parts = (int(acceptance["numerator"]), int(acceptance["denominator"]))
    assert parts == (taken["numerator"], taken["denominator"])
    assert float(acceptance["actual"]) == taken["value"]
    assert (inflow["first_day"], inflow["last_day"]) == ("2026-01-01", "2026-01-31")
    assert (inflow["definition_version"], inflow["generation"]) == (FUNNEL.version, "3")
    assert acceptance["owner"] == EVIL
    assert inflow["computed_at"] == inflow["as_of"] == "2026-02-02T08:00:00Z"


def test_no_cell_of_an_export_is_a_formula_to_a_spreadsheet():
    assert [attained.plain(text) for text in ("=1+1", "+1", "-1", "@x", "\tx", "ann", "")] == [
        "'=1+1", "'+1", "'-1", "'@x", "'\tx", "ann", "",
    ]  # fmt: skip


def test_an_export_is_whole_and_any_change_of_it_is_found(exported):
    text = attained.table(exported)
    assert attained.broken(text) is None
    lines = text.splitlines(keepends=True)
    rows = [*csv.reader(io.StringIO(text))]
    for column in range(len(rows[0])):
        changed = [list(row) for row in rows]
        changed[1][column] += "1"
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(changed)
        assert attained.broken(out.getvalue()) == 2
    assert attained.broken("".join([lines[0], *lines[2:]])) == 2  # one is gone
    assert attained.broken("".join([lines[0], lines[2], lines[1]])) == 2  # moved
    with pytest.raises(attained.NotAttained):
        attained.broken("a,b\n1,2\n")


def test_the_command_checks_a_file(tmp_path, exported):
    file = tmp_path / "q1.csv"
    file.write_text(attained.table(exported))
    done = CliRunner().invoke(main.app, ["attainment", "--check", str(file)])
    assert (done.exit_code, exported[-1]["digest"] in done.stdout) == (0, True)
    file.write_text(file.read_text().replace("inflow", "outflow"))
    done = CliRunner().invoke(main.app, ["attainment", "--check", str(file)])
    assert isinstance(done.exception, LeadstreamError)
    assert "line 3" in str(done.exception)


def test_the_commands_write_the_files(world, tmp_path, monkeypatch):
    monkeypatch.setenv("LEADSTREAM_BROKERS", "127.0.0.1:1")
    for name in ("clickhouse_url", "clickhouse_password", "identity_key"):
        value = getattr(world, name)
        shown = value if isinstance(value, str) else value.get_secret_value()
        monkeypatch.setenv(f"LEADSTREAM_{name.upper()}", shown)
    saved, file = tmp_path / "saved.json", tmp_path / "week.html"
    done = CliRunner().invoke(main.app, ["kpis", "--kpi", "inflow", "--save", str(saved)])
    assert done.exit_code == 0, done.exception
    days = ["--from", "2026-01-19", "--to", "2026-01-26"]
    done = CliRunner().invoke(main.app, ["report", str(file), *days, "--since", str(saved)])
    assert done.exit_code == 0, done.exception
    assert Page(file.read_text()).loads == []
    done = CliRunner().invoke(main.app, ["attainment", "--csv"])
    assert done.exit_code == 0, done.exception
    assert attained.broken(done.stdout) is None
    assert len(done.stdout.splitlines()) == 3


def test_a_report_without_anything_says_what_is_empty(emptied, engine):
    nothing = {"total": 0, "teams": {}, "rows": []}
    found = gathering.gather(ask_with(emptied), FUNNEL, ASKED, NOW, nothing)
    shown = "".join(one[2] for one in Page(page.render(found, written)).all("main"))
    for line in (
        "No lead is stalled", "No target falls into the period", "There were no hand-offs",
        "No clock fell due", "No lead came in these weeks", "Cost: no spend was reported",
        "No lead was handed off",
    ):  # fmt: skip
        assert line in shown
