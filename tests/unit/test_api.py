"""The API without ClickHouse: what it refuses and how, and what a scrape leaves out."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from starlette.testclient import TestClient

from schemas.reading import FUNNELS, load
from streams.live import api, figures, scrape

FUNNEL = load(FUNNELS / "default.yaml")
LEAD = "018f0000-0000-8000-8000-000000000001"


class Fake(figures.Figures):
    """Figures over a client that answers as it is told."""

    funnel = FUNNEL

    def __init__(self, query=None):
        super().__init__(None, lambda _client, _lead: self.stories, None)
        self._client = SimpleNamespace(query=query or self.answer)
        self.standing, self.stalling, self.stories, self.asked = {}, {}, {}, []

    def answer(self, statement, parameters=None, settings=None):
        self.asked.append(statement)
        columns, rows = ("n",), [(0,)]
        if "v_clocks" in statement and "GROUP BY stage" in statement:
            columns, rows = ("stage", "n"), list(self.stalling.items())
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


def test_a_stage_that_emptied_falls_to_zero_and_every_stage_of_the_funnel_has_a_value(monkeypatch):
    monkeypatch.setattr(scrape, "FRESH_SECONDS", 0)
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


def test_stages_of_a_funnel_that_is_shown_no_more_have_no_value(monkeypatch):
    monkeypatch.setattr(scrape, "FRESH_SECONDS", 0)
    fake = Fake()
    page = scrape.Scrape(fake)
    page.page()
    ladder = {name: spec for name, spec in FUNNEL.ladder.items() if name != "sql"}
    fake.funnel = FUNNEL.model_copy(update={"ladder": ladder})
    assert not [name for name in scraped(page.page()) if 'stage="sql"' in name]


def test_a_scrape_while_clickhouse_is_away_says_so_and_shows_no_figure_of_before(monkeypatch):
    monkeypatch.setattr(scrape, "FRESH_SECONDS", 0)
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
    assert not [
        name for name in found if name.startswith(("leadstream_stalled", "leadstream_open"))
    ]
    assert str(found["leadstream_identity_conflicts"]) == "nan"


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
