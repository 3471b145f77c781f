"""The live page where ClickHouse is away, or not set up, when it starts: it waits for it."""

import httpx
import pytest
from pydantic import SecretStr

from schemas.reading import FUNNELS
from streams.live.figures import NO_ANSWER, NOT_SET_UP
from tests.support.jobs import until
from tests.support.live import Road, serving

pytestmark = pytest.mark.ci
FUNNEL = FUNNELS / "default.yaml"
PATHS = ("/readyz", "/api/v1/health", "/api/v1/funnel", "/api/v1/kpis", "/api/v1/stalled")


def refused(address, path):
    answer = httpx.get(f"{address}{path}", timeout=30)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), path
    return answer.json()["detail"]


def test_a_page_that_starts_before_clickhouse_says_so_and_has_figures_once_it_is_there(engine):
    road = Road(int(engine.clickhouse_url.rpartition(":")[2]))
    road.cut()
    there = {"clickhouse_url": f"http://127.0.0.1:{road.server_address[1]}"}
    with road, serving(engine.model_copy(update=there), funnel=str(FUNNEL)) as address:
        assert {path: refused(address, path) for path in PATHS} == dict.fromkeys(PATHS, NO_ANSWER)
        file = httpx.get(f"{address}/stalled.csv", timeout=30)
        assert (file.status_code, NO_ANSWER in file.text) == (503, True)
        assert httpx.get(f"{address}/").status_code == 200
        assert httpx.get(f"{address}/healthz").status_code == 200
        up = "leadstream_live_clickhouse_up"
        assert f"{up} 0.0" in httpx.get(f"{address}/metrics").text
        road.open = True
        until(lambda: httpx.get(f"{address}/readyz", timeout=30).status_code == 200, "ClickHouse")
        answers = {path: httpx.get(f"{address}{path}", timeout=30).status_code for path in PATHS}
        assert answers == dict.fromkeys(PATHS, 200)
        until(lambda: f"{up} 1.0" in httpx.get(f"{address}/metrics").text, "the scrape's answer")
        road.shutdown()


def test_a_page_whose_password_or_database_is_not_there_says_whose_move_it_is(engine):
    for wrong in ({"clickhouse_password": SecretStr("w")}, {"clickhouse_database": "nowhere"}):
        settings = engine.model_copy(update=wrong)
        database = settings.clickhouse_database
        with serving(settings, clickhouse_database=database) as address:
            assert {refused(address, path) for path in PATHS} == {NOT_SET_UP}
