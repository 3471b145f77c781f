"""The API without ClickHouse: what it refuses and how, and what a scrape leaves out."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from starlette.testclient import TestClient

from schemas.reading import FUNNELS, load
from streams.live import api, figures, scrape

FUNNEL = load(FUNNELS / "default.yaml")
LEAD = "018f0000-0000-8000-8000-000000000001"


COMPARED = ("quarter", "moved", "met", "mature", "spend_before")  # what weeks are asked for


class Fake(figures.Figures):
    """Figures over a client that answers as it is told."""

    funnel, generation = FUNNEL, 1

    def __init__(self, query=None):
        super().__init__(None, lambda _client, _lead: self.stories, None)
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
        elif "owner, s.record_url" in statement or "record_url" in statement:
            columns, rows = ("lead", "record_url"), []
        return SimpleNamespace(
            column_names=columns, result_rows=rows, first_row=rows[0] if rows else None
        )


def client(fake):
    return TestClient(api.application(fake), raise_server_exceptions=False)


WRONG = [
    (
        "/api/kpis?as_of=99999999999999999999",
        "as_of: Input should be less than or equal to 4102444800000",
    ),
    ("/api/kpis?as_of=-1", "as_of: Input should be greater than or equal to 0"),
    ("/api/kpis?as_of=NaN", "as_of: Input should be a valid integer"),
    (
        "/api/kpis?by=owner",
        "by: no such dimension; ask for one of source, channel, campaign, lead_origin, segment",
    ),
    (
        "/api/kpis?kpi=inflow&kpi=jane@example.com",
        "kpi.1: no such KPI; ask for one of inflow, outflow",
    ),
    ("/api/funnel?owner=" + "x" * 201, "owner: String should have at most 200 characters"),
    ("/api/leads/jane@example.com", "lead: Input should be a valid UUID"),
]


@pytest.mark.parametrize(("path", "hint"), WRONG)
def test_what_there_is_not_is_refused_with_what_there_is_and_without_what_was_typed(path, hint):
    answer = client(Fake()).get(path)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(hint)
    assert "example.com" not in answer.text


def test_an_unknown_lead_is_not_found():
    assert client(Fake()).get(f"/api/leads/{LEAD}").status_code == 404


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
PATHS = [
    "/api/kpis",
    "/api/funnel",
    "/api/flow",
    "/api/stalled",
    "/api/feed",
    "/api/health",
    f"/api/leads/{LEAD}",
    "/readyz",
]


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
    assert answer.json() == {"detail": "ClickHouse does not answer; come back in a moment"}


def test_a_mistake_of_ours_is_no_reason_to_come_back_and_says_nothing_of_itself():
    answer = client(
        failing(DatabaseError("Code: 62. DB::Exception: Syntax error near 'jane@example.com'"))
    ).get("/api/flow")
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
