"""Finding leads and listing whose move it is, on ClickHouse's own engine; the API over it."""

import time
import uuid
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from schemas.errors import LeadstreamError
from schemas.events import EventType as E
from sinks.clickhouse import asking, catalogue
from streams.audit import explain, finding
from streams.cli import main, people
from streams.cli.context import figures
from streams.connections import clickhouse_client
from streams.domain import aliases
from streams.live import api, lists
from streams.live.guard import Guard
from streams.live.lists import Wanted
from tests.integration.firm import FUNNEL, NOT_READY, OURS, Firm, deal, state
from tests.support.stories import MQL

pytestmark = pytest.mark.ci

KEY = b"0123456789abcdef"
ASKED = asking.Asked(start="2026-01-01", end="2026-02-01")


def lead_id(number):
    return str(uuid.UUID(int=number))


@pytest.fixture(scope="module")
def world(engine):
    """A firm of seven leads, some of them late; its settings."""
    from sinks.clickhouse.rows import ORDER

    client = clickhouse_client(engine)
    for table in ORDER:
        client.command(f"TRUNCATE TABLE {table}")
    state(client)
    firm = Firm(client, engine)
    known = {"source": "hubspot", "record_url": "https://app.example/contacts/1/record/0-1/77"}
    firm.lead((0, E.STAGE_REPORTED, {**MQL, **OURS, "owner": "ann"}), until=6)  # 1: late
    firm.lead((0, E.STAGE_REPORTED, {**MQL, **OURS}), (1, E.REJECTED, NOT_READY), until=30)
    firm.lead((0, E.OPPORTUNITY_CREATED, {**OURS, **deal("d1", "100", "EUR"), **known}), until=50)
    firm.lead((0, E.CREATED, {"kind": "demo_form", "owner": "=bob"}), until=0.5)  # 4: hot
    firm.lead((0, E.STAGE_REPORTED, {**MQL, "owner": "cid"}), (1, E.ACCEPTED, {}), until=13)
    firm.lead((0, E.CREATED, {"test": True, "kind": "demo_form"}), until=3)
    firm.lead((0, E.STAGE_REPORTED, {**MQL, "owner": "ann"}), until=1)
    firm.target("inflow", 10, stage="mql")
    firm.spend("300")
    return engine


@pytest.fixture
def watch(world):
    return figures(world)


@pytest.fixture
def asked(watch):
    return TestClient(Guard(api.application(watch), frozenset({"testserver"})))


NAMES = [
    (lead_id(3), [3]),
    (lead_id(3).upper(), [3]),
    (lead_id(99), []),
    ("0000", [1, 2, 3, 4, 5, 6, 7]),
    ("00000000-0000-0000-0000-00000000000", [1, 2, 3, 4, 5, 6, 7]),
    ("000", []),
    ("feed", []),
    ("https://app.example/contacts/1/record/0-1/77", [3]),
    (" https://app.example/contacts/1/record/0-1/77/ ", [3]),
    ("77", [3]),
    ("1", []),
    ("https://app.example/contacts/1/record/0-1/7", []),
    ("segment:anon:6", []),
    ("jane@example.com", []),
    ("", []),
    ("/", []),
    ("://", []),
    ("x" * 5_000, []),
    ("' OR 1=1 --", []),
]


@pytest.mark.parametrize(("text", "leads"), NAMES)
def test_a_lead_is_found_by_what_people_have_at_hand(world, text, leads):
    client = clickhouse_client(world)
    assert finding.find(client, text, KEY, 1) == [lead_id(one) for one in leads]


def test_a_whole_first_part_of_an_id_finds_its_lead_though_ids_are_ordered_by_their_second(world):
    client = clickhouse_client(world)
    mine = ["abcd1234-0000-8000-8000-000000000001", "abcd1234-0000-8000-ffff-000000000002"]
    rows = [[1, one, "mql", 1] for one in mine]
    names = ["generation", "lead_id", "stage", "journey"]
    client.insert("lead_state", rows, column_names=names)
    try:
        for text in ("abcd", "abcd1234", "ABCD-1234".replace("-", ""), "abcd1234-0000-8000"):
            assert finding.find(client, text, b"", 1) == mine
        assert finding.find(client, "abcd12340000", b"", 1) == mine
        assert finding.find(client, "abcd1234-0000-8000-f", b"", 1) == mine[1:]
    finally:
        client.command("DELETE FROM lead_state WHERE startsWith(toString(lead_id), 'abcd1234')")


def test_an_email_an_alias_and_a_weak_alias_find_the_lead_by_the_keyed_hash_alone(world):
    client = clickhouse_client(world)
    jane, anonymous = (
        aliases.origin_id(KEY, name) for name in ("email:jane@example.com", "segment:anon:5")
    )
    lead, other = "beef0000-0000-8000-8000-000000000001", str(uuid.uuid4())
    names = ["generation", "lead_id", "stage", "journey", "origins"]
    client.insert("lead_state", [[1, lead, "mql", 1, [other, jane]]], column_names=names)
    client.insert(
        "aliases",
        [[anonymous, "anon", other, "leads"], [anonymous, "anon", lead_id(9), "shares"]],
        column_names=["alias", "kind", "origin", "what"],
    )
    try:
        for text in ("jane@example.com", " Jane@EXAMPLE.com", "email:jane@example.com", jane):
            assert finding.find(client, text, KEY, 1) == [lead]
        assert finding.find(client, "segment:anon:5", KEY, 1) == [lead]
        assert finding.find(client, "jane@example.com", b"another key, not ours", 1) == []
        assert finding.find(client, "jane@example.com", KEY, 2) == []
        for text in ("segment:anon:5", "jane@example.com"):  # a page without the identity key
            assert finding.find(client, text, b"", 1) == []
        assert finding.find(client, lead, b"", 1) == [lead]
    finally:
        client.command("DELETE FROM lead_state WHERE startsWith(toString(lead_id), 'beef')")
        client.command("TRUNCATE TABLE aliases")


def test_a_beginning_of_several_ids_names_the_candidates(world):
    client = clickhouse_client(world)
    with pytest.raises(explain.Unknown, match=r"names several leads: 00000000-.*1, 00000000-.*2"):
        explain.lead_of(client, "0000", KEY, 1)
    with pytest.raises(explain.Unknown, match="no lead has"):
        explain.lead_of(client, "feed", KEY, 1)


def test_the_stalled_are_those_past_due_each_once_with_who_must_do_what(watch):
    found = lists.stalled(watch, Wanted())
    dues = [row["due_at"] for row in found["rows"]]
    assert dues == sorted(dues)
    by_lead = {row["lead"]: row for row in found["rows"]}
    late = by_lead[lead_id(3)]
    assert (late["stage"], late["title"], late["clock"]) == (
        "opportunity", "Opportunity", "stalled",
    )  # fmt: skip
    assert late["move"] == "sales (nobody owns it) must call"
    assert late["record_url"].endswith("/77")
    assert late["late"].endswith("days late")
    assert late["late_seconds"] == pytest.approx(time.time() - late["due_at"].timestamp(), abs=60)
    assert by_lead[lead_id(1)]["move"] == "ann must call"
    assert found["total"] == len(found["rows"]) == sum(found["teams"].values())
    assert lead_id(6) not in by_lead  # a test
    past_due = watch.report(ASKED._replace(start="", end="", kpis=("past_due",)))["figures"]
    clocks = sum(one["value"] for one in past_due)
    assert clocks >= found["total"]


@pytest.mark.parametrize(
    ("wanted", "leads"),
    [
        (Wanted(team="sales"), {3}),
        (Wanted(team="joint", owner="ann"), {1}),
        (Wanted(owner="ann"), {1}),
        (Wanted(stage="opportunity"), {3}),
        (Wanted(team="customer_success"), set()),
        (Wanted(team="sales", stage="mql"), set()),
        (Wanted(source="nowhere"), set()),
        (Wanted(leads=(lead_id(1),)), {1}),
        (Wanted(leads=(lead_id(2),)), set()),
    ],
)
def test_a_list_keeps_what_its_filters_say_in_rows_and_totals_alike(watch, wanted, leads):
    found = lists.stalled(watch, wanted)
    kept = {row["lead"] for row in found["rows"]}
    assert kept & {lead_id(1), lead_id(3)} == {lead_id(one) for one in leads}
    assert found["total"] == len(kept)


@pytest.mark.parametrize("sort", lists.SORTS)
def test_pages_of_a_list_hold_each_row_once_in_the_order_asked_for(asked, sort):
    whole = asked.get("/api/v1/stalled", params={"sort": sort}).json()["rows"]
    pages, offset = [], 0
    while offset is not None:
        page = asked.get("/api/v1/stalled", params={"sort": sort, "limit": 1, "offset": offset})
        pages += page.json()["rows"]
        assert page.json()["total"] == len(whole)
        offset = page.json()["next"]
    assert [one["lead"] for one in pages] == [one["lead"] for one in whole]
    name = sort.removeprefix("-")
    key = {"late": "due_at", "stage": "stage"}.get(name, name)
    values = [one[key] for one in whole]
    if key == "stage":
        values = [[*FUNNEL.stages].index(one) for one in values]
    assert values == sorted(values, reverse=sort.startswith("-"))


def test_what_will_soon_be_late_and_the_hot_who_wait_are_lists_too(asked):
    soon = asked.get("/api/v1/about-to-breach").json()
    assert lead_id(5) in {row["lead"] for row in soon["rows"]}
    assert {row["status"] for row in soon["rows"]} == {"warned"}
    hot = asked.get("/api/v1/hot-waiting").json()
    assert [(row["lead"], row["touched"], row["hot"]) for row in hot["rows"]] == [
        (lead_id(4), False, True)
    ]
    assert hot["rows"][0]["move"] == "=bob must call"


def test_the_feed_pages_through_the_last_moves(asked, world):
    client = clickhouse_client(world)
    since = client.query("SELECT count() FROM v_stage_transitions WHERE event_time > now() - 1")
    assert since.first_row[0] == 0
    assert asked.get("/api/v1/feed").json() == {"rows": [], "next": None}  # all is months old


def test_a_search_answers_with_leads_as_they_stand(asked):
    found = asked.get("/api/v1/leads", params={"find": "77"}).json()["leads"]
    assert [(one["lead"], one["stage"], one["hot"]) for one in found] == [
        (lead_id(3), "opportunity", False)
    ]
    story = asked.get(f"/api/v1/leads/{lead_id(3)}").json()
    assert "days late: " in story["headline"]
    assert story["now"]["since"].endswith("Z")


def test_the_api_shows_the_figures_of_the_same_question_and_all_of_their_leads(asked, world):
    client, now = clickhouse_client(world), int(time.time() * 1000)
    report = asking.report(client, FUNNEL, ASKED._replace(by="source", compare=True), now)
    answer = asked.get(
        "/api/v1/kpis",
        params={"from": "2026-01-01", "to": "2026-02-01", "by": "source", "compare": "true"},
    ).json()
    assert answer["period"]["from"] == "2025-12-31T23:00:00Z"
    assert answer["before"]["to"] == "2025-12-31T23:00:00Z"
    assert len(answer["figures"]) == len(report["figures"])
    moving = {"open_age", "neglect"}  # they grow while the test runs
    for shown, figure in zip(answer["figures"], report["figures"], strict=True):
        if figure["kpi"] not in moving:
            assert {name: figure.get(name) for name in shown} == shown
    counted = [one for one in report["figures"] if one["kpi"] in ("inflow", "past_due")]
    assert counted
    for figure in counted:
        pairs = [f"{name}={value}" for name, value in figure["dimensions"].items()]
        behind = asked.get(
            f"/api/v1/kpis/{figure['kpi']}/leads",
            params={"from": "2026-01-01", "to": "2026-02-01", "by": "source", "is": pairs},
        ).json()
        assert behind["total"] == len(behind["leads"]) == figure["value"]


@pytest.mark.parametrize("kpi", [one.name for one in catalogue.catalogue() if one.members])
def test_the_leads_behind_every_figure_can_be_asked_for_by_the_figures_own_dimensions(asked, kpi):
    days = {"from": "2026-01-01", "to": "2026-02-01"}
    found = asked.get("/api/v1/kpis", params={**days, "kpi": kpi}).json()["figures"]
    rows = catalogue.named(kpi).rows
    for figure in found[:3]:
        pairs = [f"{name}={value}" for name, value in figure["dimensions"].items() if name in rows]
        answer = asked.get(f"/api/v1/kpis/{kpi}/leads", params={**days, "is": pairs, "limit": 2})
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["leads"]) <= 2


def test_the_command_lists_the_stalled_in_lines_and_as_csv_that_no_spreadsheet_runs(watch):
    found = lists.stalled(watch, Wanted())
    lines = people.late_lines(found, "Europe/Paris")
    assert lines[0].startswith(f"{found['total']} stalled: ")
    at = lines.index(next(line for line in lines if "ann must call" in line))
    assert "late: ann must call" in lines[at]
    assert "    MQL." in lines[at + 1]
    assert max(map(len, lines)) <= 100
    text = people.table([{**found["rows"][0], "owner": "=1+1"}])
    assert text.startswith("lead,move,team,owner,late,late_seconds,due_at,")
    assert ",'=1+1," in text
    few = lists.stalled(watch, Wanted(limit=1))
    assert people.late_lines(few, "Europe/Paris")[-1].startswith(f"and {found['total'] - 1} more")
    nothing = {"rows": [], "total": 0, "teams": {}}
    assert people.late_lines(nothing, "Europe/Paris") == ["no lead is stalled"]
    assert "nothing is late" in people.late_lines(nothing, "Europe/Paris", "77")[0]


def test_moments_of_rows_are_aware(watch):
    row = lists.stalled(watch, Wanted(limit=1))["rows"][0]
    assert row["due_at"].tzinfo is not None
    assert row["due_at"] < datetime.now(UTC)


def test_the_commands_take_what_people_have_at_hand_and_begin_with_whose_move_it_is(
    world, monkeypatch
):
    monkeypatch.setenv("LEADSTREAM_BROKERS", "127.0.0.1:1")
    monkeypatch.setenv("LEADSTREAM_CLICKHOUSE_URL", world.clickhouse_url)
    password = world.clickhouse_password.get_secret_value()
    monkeypatch.setenv("LEADSTREAM_CLICKHOUSE_PASSWORD", password)
    monkeypatch.setenv("LEADSTREAM_IDENTITY_KEY", KEY.decode())

    def run(*arguments):
        return CliRunner().invoke(main.app, arguments)

    assert "days late: " in run("explain", "77").stdout.splitlines()[0]
    assert run("stalled", "77").stdout.splitlines()[0] == "1 stalled: sales 1"
    assert run("stalled", lead_id(2)).stdout == f"{lead_id(2)} is not stalled: nothing is late\n"
    assert run("stalled", "--source", "nowhere").stdout == "no lead is stalled\n"
    assert "sales (nobody owns it) must call" in run("stalled", "--csv", "--team", "sales").stdout
    wrong = run("stalled", "--team", "hr")
    assert (wrong.exit_code, "--team 'hr' is none; ask for one of" in wrong.output) == (2, True)
    for command in ("explain", "stalled"):
        several = run(command, "0000").exception
        assert isinstance(several, LeadstreamError)
        assert f"names several leads: {lead_id(1)}, {lead_id(2)}" in str(several)
