"""The API without ClickHouse: what it refuses and how, and what a scrape leaves out."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from starlette.testclient import TestClient

from schemas.reading import FUNNELS, load
from sinks.clickhouse.catalogue import catalogue
from streams.live import api, figures, guard, scrape
from streams.live.guard import Guard
from streams.live.tokens import Tokens
from streams.settings import Settings

FUNNEL = load(FUNNELS / "default.yaml")
FIND = "who is it"
WITHOUT_HANDOFFS = FUNNEL.model_copy(
    update={
        "ladder": {name: FUNNEL.ladder[name] for name in ("inquiry", "opportunity", "customer")}
    }
)
LEAD = "018f0000-0000-8000-8000-000000000001"


COMPARED = ("quarter", "moved", "met", "mature", "spend_before")  # what weeks are asked for


class Fake(figures.Figures):
    """Figures over a client that answers as it is told."""

    funnel, generation = FUNNEL, 1

    def __init__(self, query=None):
        super().__init__(
            None,
            lambda _client, _lead: self.stories,
            None,
            lambda client, _text: [row[0] for row in client.query(FIND).result_rows],
        )
        self._client = SimpleNamespace(query=query or self.answer)
        self.standing, self.stalling, self.late = {}, {}, {}
        self.stories, self.asked = {}, []

    def answer(self, statement, parameters=None, settings=None):
        self.asked.append(statement)
        columns, rows = ("n",), [(0,)]
        if "FROM cuts" in statement and "AS shown" in statement:
            columns, rows = ("shown", "reached"), [(self.generation, 0)]
        elif "AS leads" in statement and "hot" in statement:
            columns = ("stage", "leads", "hot")
            rows = [(stage, n, 0) for stage, n in self.stalling.items()]
        elif "FROM breaches" in statement:
            columns = ("stage", "breached", "retracted")
            rows = [(stage, *numbers) for stage, numbers in self.late.items()]
        elif "AS newly" in statement:
            columns, rows = ("past", "newly"), [(0, 0)]
        elif "count() AS open" in statement:
            columns, rows = ("stage", "open"), list(self.standing.items())
        elif any(f"AS {name}" in statement for name in COMPARED):
            columns, rows = (), []
        elif "standing" in statement:
            columns, rows = (
                ("stage", "entered", "open"),
                [(stage, n, n) for stage, n in self.standing.items()],
            )
        elif "kpi" in statement or "targets" in statement:
            columns, rows = (), []
        elif "leads AS (" in statement or "from_stage" in statement or statement == FIND:
            columns, rows = ("lead",), []
        elif "watermark" in statement:
            columns, rows = ("watermark",), [(0,)]
        elif "AS leads" in statement:
            columns, rows = ("leads",), [(0,)]
        return SimpleNamespace(
            column_names=columns, result_rows=rows, first_row=rows[0] if rows else None
        )


def client(fake):
    guarded = Guard(api.application(fake), frozenset({"testserver"}))
    return TestClient(guarded, raise_server_exceptions=False)


WRONG = [
    (
        "/api/v1/kpis?as_of=99999999999999999999",
        "as-of '99999999999999999999' is not a time: write",
    ),
    ("/api/v1/kpis?as_of=yesterday", "as-of 'yesterday' is not a time: write one like 2026-01-31T"),
    ("/api/v1/kpis?from=1.1.2026", "from '1.1.2026' is not a date: write one like 2026-01-31"),
    ("/api/v1/kpis?from=2026-02-01&to=2026-01-01", "to 2026-01-01 is not after from 2026-02-01"),
    ("/api/v1/kpis?period=sometime", "period 'sometime' is none; ask for one of today, yesterday"),
    ("/api/v1/kpis?period=today&from=2026-01-01", "period names a period, or from and to its days"),
    ("/api/v1/kpis?zone=Paris", "zone 'Paris' is none: write one like Europe/Paris"),
    (
        "/api/v1/kpis?by=account",
        "'account' is no dimension; ask by one of source, channel, campaign",
    ),
    ("/api/v1/kpis?where=meta", "where 'meta': write a name and a value, like source=meta"),
    ("/api/v1/kpis?where=account=x", "'account' is no dimension; ask by one of source"),
    ("/api/v1/kpis?trend=hour", "trend goes by day, week or month, not by 'hour'"),
    ("/api/v1/kpis?compare=1", "compare: write true or false"),
    ("/api/v1/kpis?compare=true", "all time has no period before it: name one, like period last-"),
    ("/api/v1/kpis?cohort_days=0", "cohort_days: Input should be greater than or equal to 1"),
    ("/api/v1/kpis?kpi=inflow&kpi=inflows", "'inflows' is no KPI; ask for one of inflow, outflow"),
    ("/api/v1/kpis?form=2026-01-01", "'form' is no parameter; there are "),
    ("/api/v1/kpis/inflows/leads", "'inflows' is no KPI; ask for one of inflow, outflow"),
    ("/api/v1/kpis/inflow/leads?is=stge=mql", "is 'stge': inflow has no such dimension; it has st"),
    ("/api/v1/kpis/events/leads", "events counts no leads"),
    (
        "/api/v1/kpis/stalled/leads?as_of=2026-01-01",
        "where leads stood at a past instant is folded",
    ),
    ("/api/v1/kpis/inflow/leads?limit=501", "limit: Input should be less than or equal to 500"),
    ("/api/v1/stalled?team=hr", "team 'hr' is none; ask for one of customer_success, joint, mark"),
    ("/api/v1/stalled?stage=mqls", "stage 'mqls' is none; ask for one of inquiry, mql"),
    ("/api/v1/stalled?sort=age", "sort 'age' is none; sort by one of late, -late, owner"),
    ("/api/v1/stalled?limit=0", "limit: Input should be greater than or equal to 1"),
    ("/api/v1/feed?offset=-1", "offset: Input should be greater than or equal to 0"),
    ("/api/v1/feed?sort=late", "'sort' is no parameter; there are team, owner, stage, source"),
    ("/api/v1/flow?stage=mql", "'stage' is no parameter; there are none"),
    ("/api/v1/funnel?owner=" + "x" * 201, "owner: String should have at most 200 characters"),
    ("/api/v1/leads", "find: Field required"),
    ("/api/v1/leads/jane@example.com", "lead: Input should be a valid UUID"),
]


@pytest.mark.parametrize(("path", "hint"), WRONG)
def test_what_there_is_not_is_refused_with_what_there_is(path, hint):
    answer = client(Fake()).get(path)
    assert (answer.status_code, answer.json()["detail"][: len(hint)]) == (422, hint)


def test_a_text_that_finds_nobody_is_not_repeated():
    answer = client(Fake()).get("/api/v1/leads?find=jane@example.com")
    assert (answer.status_code, answer.json()) == (200, {"leads": []})


def test_an_unknown_lead_is_not_found():
    assert client(Fake()).get(f"/api/v1/leads/{LEAD}").status_code == 404


def test_there_is_no_page_of_the_api_that_would_load_from_elsewhere():
    assert [
        client(Fake()).get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")
    ] == [404, 404, 200]


AWAY = [
    OperationalError("connection refused"),
    ConnectionResetError("reset"),
    TimeoutError("silent"),
    DatabaseError("Code: 241. DB::Exception: Memory limit exceeded"),
    DatabaseError("Code: 202. DB::Exception: Too many simultaneous queries"),
]
OF_FIGURES = [
    "/api/v1/kpis",
    "/api/v1/funnel",
    "/api/v1/flow",
    "/api/v1/health",
]
OF_LEADS = [
    "/api/v1/kpis/inflow/leads",
    "/api/v1/stalled",
    "/api/v1/about-to-breach",
    "/api/v1/hot-waiting",
    "/api/v1/feed",
    "/api/v1/leads?find=018f",
    f"/api/v1/leads/{LEAD}",
]
PATHS = [*OF_FIGURES, *OF_LEADS, "/readyz"]


def test_each_route_is_of_figures_or_of_leads():
    routes = {route.path for route in api.application(Fake()).routes if hasattr(route, "path")}
    schema = client(Fake()).get("/openapi.json").json()["paths"]
    known = {path.partition("?")[0] for path in (*OF_FIGURES, *OF_LEADS, "/api/v1/catalogue")}
    shown = {path.replace("{kpi}", "inflow").replace("{lead}", LEAD) for path in schema}
    assert shown == known
    assert {"/healthz", "/readyz", "/metrics"} <= routes


@pytest.mark.parametrize("path", [*OF_FIGURES, "/api/v1/catalogue", *OF_LEADS])
def test_each_route_by_each_role(tmp_path, path):
    tokens = Tokens(tmp_path / "tokens")
    made = {role: tokens.add(role, role) for role in ("viewer", "lead_details")}
    settings = Settings(tokens_file=tokens.path)
    app = Guard(api.application(Fake()), frozenset({"testserver"}), guard.login(settings))
    asked = TestClient(app, raise_server_exceptions=False)

    def status(headers):
        return asked.get(path, headers=headers).status_code

    assert status({}) == 401
    assert status({"Authorization": "Bearer wrong"}) == 401
    sees = 403 if path in OF_LEADS else 200
    assert status({"Authorization": f"Bearer {made['viewer']}"}) == sees
    answer = status({"Authorization": f"Bearer {made['lead_details']}"})
    assert answer == (404 if path.endswith(LEAD) else 200)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        bearer = {"Authorization": f"Bearer {made['lead_details']}"}
        assert asked.request(method, path, headers=bearer).status_code == 405


def test_without_a_guard_before_it_the_api_shows_no_leads():
    bare = TestClient(api.application(Fake()))
    assert [bare.get(path).status_code for path in OF_LEADS] == [403] * len(OF_LEADS)


def test_the_catalogue_says_of_each_kpi_how_it_is_read_and_what_this_funnel_cannot_have():
    found = client(Fake()).get("/api/v1/catalogue").json()
    assert [one["kpi"] for one in found] == [kpi.name for kpi in catalogue()]
    assert found[0] == {
        "kpi": "inflow", "title": "New in stage", "unit": "leads", "format": "integer",
        "better": "higher", "meaning": found[0]["meaning"], "basis": "period", "rows": ["stage"],
        "split": True, "leads": True, "why": "",
    }  # fmt: skip
    bare = Fake()
    bare.funnel = WITHOUT_HANDOFFS
    lacks = {one["kpi"]: one["why"] for one in client(bare).get("/api/v1/catalogue").json()}
    assert lacks["acceptance"] == "no stage hands a lead off"


def test_a_report_of_more_figures_than_an_answer_holds_is_refused_with_what_to_ask(monkeypatch):
    fake = Fake()
    fake.funnel = WITHOUT_HANDOFFS  # each figure of hand-offs is one that says so
    path = "/api/v1/kpis?kpi=acceptance&kpi=no_decision"
    assert len(client(fake).get(path).json()["figures"]) == 2
    monkeypatch.setattr(api, "MOST_FIGURES", 1)
    answer = client(fake).get(path)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("these are 2 figures, more than 1: name KPIs, like")


def test_instants_are_utc_with_a_z_wherever_they_stand():
    fake = Fake()
    naive = datetime(2026, 1, 2, 3, 4)  # noqa: DTZ001 - as ClickHouse's client gives it
    aware = naive.replace(tzinfo=ZoneInfo("Asia/Tokyo"))
    fake.stories = {
        "headline": "nothing is late", "lead": LEAD, "definitions": [], "events": [], "ladder": [],
        "now": {"stage": "mql", "since": naive, "account": "jane"},
        "facts": [{"kind": "clock", "event_time": aware, "due_at": 1_767_323_040_000}],
        "restated": [{"instead": {"decided_at": 1_767_323_040_000}}],
        "outlook": {"running": [{"clock": "mql.decision", "due_at": 1_767_323_040_000}]},
    }  # fmt: skip
    fake.knows = lambda _: True
    story = client(fake).get(f"/api/v1/leads/{LEAD}").json()
    assert story["now"] == {"stage": "mql", "since": "2026-01-02T03:04:00Z"}
    assert story["facts"][0]["event_time"] == "2026-01-01T18:04:00Z"
    assert story["facts"][0]["due_at"] == "2026-01-02T03:04:00Z"
    assert story["restated"][0]["instead"]["decided_at"] == "2026-01-02T03:04:00Z"
    assert story["outlook"]["running"][0]["due_at"] == "2026-01-02T03:04:00Z"


def failing(error):
    def query(*_args, **_named):
        raise error

    return Fake(query)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("error", AWAY, ids=lambda error: str(error)[:10])
def test_while_clickhouse_is_away_whoever_asks_learns_when_to_come_back(monkeypatch, path, error):
    fake = failing(error)
    monkeypatch.setattr(figures, "clickhouse_client", lambda *_: fake._client)
    answer = client(fake).get(path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json() == {"detail": figures.NO_ANSWER}
    assert "whoever runs leadstream" in figures.NO_ANSWER


SHUT_OUT = [
    DatabaseError("Code: 516. DB::Exception: Authentication failed"),
    DatabaseError("Code: 81. DB::Exception: Database lead does not exist"),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("error", SHUT_OUT, ids=lambda error: str(error)[:10])
def test_where_clickhouse_lets_nobody_in_whoever_asks_learns_whose_move_it_is(
    monkeypatch, path, error
):
    fake = failing(error)
    monkeypatch.setattr(figures, "clickhouse_client", lambda *_: fake._client)
    answer = client(fake).get(path)
    assert (answer.status_code, answer.json()) == (503, {"detail": figures.NOT_SET_UP})


@pytest.mark.parametrize("code", [60, 497])
def test_a_table_that_lacks_is_one_questions_fault_unless_every_page_needs_it(code):
    fake = failing(DatabaseError(f"Code: {code}. DB::Exception"))
    with pytest.raises(DatabaseError):
        fake.rows("SELECT 1 FROM nowhere")

    def first(_client):
        raise DatabaseError(f"Code: {code}. DB::Exception")

    fake._client = SimpleNamespace()
    with pytest.raises(figures.Away) as away:
        fake._ask(first, first=True)
    assert away.value.move == figures.NOT_SET_UP


def test_a_mistake_of_ours_is_no_reason_to_come_back_and_says_nothing_of_itself():
    answer = client(
        failing(DatabaseError("Code: 62. DB::Exception: Syntax error near 'jane@example.com'"))
    ).get("/api/v1/flow")
    assert (answer.status_code, "jane" in answer.text) == (500, False)


def test_a_client_that_failed_is_replaced_and_those_who_ask_at_once_do_not_lose_theirs(monkeypatch):
    made = []

    def connect(*_):
        made.append(SimpleNamespace(query=Fake().answer))
        return made[-1]

    monkeypatch.setattr(figures, "clickhouse_client", connect)
    fake = failing(OperationalError("away"))
    with pytest.raises(figures.Away):
        fake.rows("SELECT 1")
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(lambda _: fake.rows("SELECT 1"), range(32)))) == 32
    assert len(made) == 1


def scraped(page):
    """Return the values of a scrape by series."""
    lines = re.findall(r"^(leadstream_[a-z_]+(?:\{[^}]*\})?) (\S+)$", page.decode(), re.MULTILINE)
    return {name: float(value) for name, value in lines}


@pytest.fixture
def each_time(monkeypatch):
    """Ask anew at every scrape."""
    monkeypatch.setattr(scrape, "FRESH_SECONDS", 0)
    monkeypatch.setattr(scrape, "PACES", dict.fromkeys(scrape.PACES, 0.0))
    monkeypatch.setattr(scrape, "AT_MOST", 0)
    monkeypatch.setattr(scrape, "PATIENCE_SECONDS", 20.0)


def test_a_stage_that_emptied_falls_to_zero_and_every_stage_of_the_funnel_has_a_value(each_time):
    fake = Fake()
    page = scrape.Scrape(fake)
    series = (
        'leadstream_stalled_leads{owner_team="joint",stage="mql"}',
        'leadstream_open_leads{stage="mql"}',
    )
    fake.stalling, fake.standing = {"mql": 3}, {"mql": 7}
    first = scraped(page.page())
    assert [first[name] for name in series] == [3, 7]
    fake.stalling, fake.standing = {}, {}
    second = scraped(page.page())
    assert [second[name] for name in series] == [0, 0]
    for stage, spec in FUNNEL.stages.items():
        assert second[f'leadstream_stalled_leads{{owner_team="{spec.owner}",stage="{stage}"}}'] == 0
        assert second[f'leadstream_open_leads{{stage="{stage}"}}'] == 0


def test_stages_of_a_funnel_that_is_shown_no_more_have_no_value(each_time):
    fake = Fake()
    page = scrape.Scrape(fake)
    page.page()
    ladder = {name: spec for name, spec in FUNNEL.ladder.items() if name != "sql"}
    fake.funnel = FUNNEL.model_copy(update={"ladder": ladder})
    assert not [name for name in scraped(page.page()) if 'stage="sql"' in name]


STALLS = 'leadstream_stalls_total{generation="%s",owner_team="joint",stage="mql"}'
RETRACTED = 'leadstream_stalls_retracted_total{generation="%s",owner_team="joint",stage="mql"}'


def test_what_was_newly_stalled_only_rises_and_goes_on_where_another_process_ended(each_time):
    fake = Fake()
    page = scrape.Scrape(fake)
    assert [scraped(page.page())[name % 1] for name in (STALLS, RETRACTED)] == [0, 0]
    for late in ((3, 0), (3, 2), (5, 2)):
        fake.late = {"mql": late}
        found = scraped(page.page())
        assert (found[STALLS % 1], found[RETRACTED % 1]) == late
    fake.late = {"mql": (4, 1)}  # rows were deleted by hand: no reset, which would count all anew
    assert scraped(page.page())[STALLS % 1] == 5
    fake.late = {"mql": (6, 1)}
    assert scraped(page.page())[STALLS % 1] == 6
    assert scraped(scrape.Scrape(fake).page())[STALLS % 1] == 6


def test_another_generation_has_counters_of_its_own_so_a_switch_is_no_rise(each_time):
    fake = Fake()
    page = scrape.Scrape(fake)
    fake.late = {"mql": (3, 0)}
    page.page()
    fake.generation, fake.late = 2, {"mql": (40, 0)}
    found = scraped(page.page())
    assert (STALLS % 1 in found, found[STALLS % 2]) == (False, 40)


def test_every_gauge_of_an_alert_has_a_value_before_anything_has_happened(each_time):
    found = scraped(scrape.Scrape(Fake()).page())
    for gauge in (
        "hot_leads_waiting", "inflow_seen", "inflow_expected", "conversions_seen",
        "conversions_expected", "clocks_due", "clocks_met", "handoffs_mature", "handoffs_accepted",
        "spend_amount", "spend_leads", "deals_past_close_date", "deals_newly_past_close_date",
        "identity_conflicts", "stale_kpis", "figure_failed",
    ):  # fmt: skip
        values = {
            value for name, value in found.items() if name.startswith(f"leadstream_{gauge}{{")
        }
        assert values == {0}, gauge
    stated = {**FUNNEL.alerts.model_dump(), "acceptance": FUNNEL.kpis.acceptance_threshold}
    for name, value in stated.items():
        assert found[f'leadstream_alert_threshold{{threshold="{name}"}}'] == value


def test_a_figure_that_fails_is_left_out_and_named_and_the_others_are_shown(each_time, monkeypatch):
    fake = Fake()
    answer = fake.answer

    def failing(statement, parameters=None, settings=None):
        if "AS quarter" in statement:
            raise DatabaseError("Code: 62. DB::Exception: Syntax error")
        return answer(statement, parameters, settings)

    at_work = {"query": answer}
    monkeypatch.setattr(figures, "clickhouse_client", lambda *_: SimpleNamespace(**at_work))
    page = scrape.Scrape(fake)
    page.page()
    at_work["query"], fake._client = failing, None
    found = scraped(page.page())
    assert found['leadstream_figure_failed{figure="inflow"}'] == 1
    assert found['leadstream_figure_failed{figure="stalled"}'] == 0
    assert not [name for name in found if name.startswith("leadstream_inflow")]
    at_work["query"], fake._client = answer, None
    assert scraped(page.page())['leadstream_figure_failed{figure="inflow"}'] == 0


def test_what_compares_weeks_is_not_asked_at_every_scrape(monkeypatch):
    monkeypatch.setattr(scrape, "FRESH_SECONDS", 0)
    fake = Fake()
    page = scrape.Scrape(fake)
    pages = [page.page() for _ in range(3)]
    assert sum("AS quarter" in statement for statement in fake.asked) == 1
    assert all("leadstream_inflow_seen" in one.decode() for one in pages)


def test_a_scrape_while_clickhouse_is_away_says_so_and_shows_no_figure_of_before(
    each_time, monkeypatch
):
    fake = Fake()
    fake.standing = {"mql": 7}
    monkeypatch.setattr(
        figures, "clickhouse_client", lambda *_: failing(OperationalError("away"))._client
    )
    application = client(fake)
    assert scraped(application.get("/metrics").content)["leadstream_live_clickhouse_up"] == 1
    fake._client = failing(OperationalError("away"))._client
    answer = application.get("/metrics")
    found = scraped(answer.content)
    assert (answer.status_code, found["leadstream_live_clickhouse_up"]) == (200, 0)
    shown = ("stalled", "open", "identity", "inflow", "alert", "stale")
    assert not [name for name in found if name.startswith(tuple(f"leadstream_{x}" for x in shown))]


def test_a_scrape_does_not_wait_for_a_figure_that_takes_long(monkeypatch):
    monkeypatch.setattr(scrape, "PATIENCE_SECONDS", 0.1)
    fake, go_on = Fake(), threading.Event()
    answer = fake.answer

    def slow(statement, parameters=None, settings=None):
        if "AS quarter" in statement:
            assert go_on.wait(20)
        return answer(statement, parameters, settings)

    fake._client = SimpleNamespace(query=slow)
    page = scrape.Scrape(fake)
    for _ in range(2):
        found = scraped(page.page())
        assert 'leadstream_open_leads{stage="mql"}' in found
        assert not [name for name in found if name.startswith("leadstream_inflow")]
    go_on.set()
    page._asking.join(20)
    assert [name for name in scraped(page.page()) if name.startswith("leadstream_inflow")]
    assert sum("AS quarter" in statement for statement in fake.asked) == 1


def test_a_figure_that_takes_long_is_asked_less_often(monkeypatch):
    clock = SimpleNamespace(now=0.0, time=time.time, monotonic=lambda: clock.now)
    monkeypatch.setattr(scrape, "time", clock)
    fake = Fake()
    answer = fake.answer

    def slow(statement, parameters=None, settings=None):
        clock.now += 10 * ("FROM breaches" in statement)
        return answer(statement, parameters, settings)

    fake._client = SimpleNamespace(query=slow)
    page = scrape.Scrape(fake)
    for _ in range(50):
        clock.now += 15
        page._refresh()
    assert sum("FROM breaches" in statement for statement in fake.asked) == 4
    assert sum("count() AS open" in statement for statement in fake.asked) == 50


def test_those_who_scrape_at_once_share_one_answer():
    fake, entered, go_on = Fake(), threading.Event(), threading.Event()
    answer, running, most = fake.answer, [0], [0]

    def slow(*args, **named):
        running[0] += 1
        most[0] = max(most[0], running[0])
        entered.set()
        assert go_on.wait(10)
        running[0] -= 1
        return answer(*args, **named)

    fake._client = SimpleNamespace(query=slow)
    page = scrape.Scrape(fake)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(page.page) for _ in range(4)]
        assert entered.wait(10)
        go_on.set()
        assert len({bytes(one.result(10)) for one in asked}) >= 1
    assert most == [1]
    assert sum("v_conflicts" in statement for statement in fake.asked) == 1
