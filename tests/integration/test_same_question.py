"""One question, asked at once of command line, API, page, panel and report: one figure.

It is the one that a person gets by hand from what each lead folded to.
"""

import re

import httpx
import orjson
import pytest
from typer.testing import CliRunner

from schemas.facts import FactKind
from tests.support import panels
from tests.support.live import settled

pytestmark = pytest.mark.ci
DAY = 86_400_000
PERIOD = "last-90-days"


@pytest.fixture
def by_hand(market):
    """Return [accepted, mature, pending] of the market's hand-offs, one lead at a time."""
    accepted = mature = pending = 0
    window = 14 * DAY
    for lead in market.folded.values():
        for fact in lead.facts.values():
            body = orjson.loads(fact.content)
            if fact.kind != FactKind.HANDOFF or body["test"]:
                continue
            ripe = fact.at + window <= market.now
            decided = body["decided_at"]
            in_time = decided is not None and decided <= fact.at + window
            mature += ripe
            accepted += ripe and in_time and body["outcome"] == "accepted"
            pending += not ripe and body["outcome"] == "pending"
    return accepted, mature, pending


def of_acceptance(figures):
    (one,) = (figure for figure in figures if figure["kpi"] == "acceptance")
    return one["numerator"], one["mature"], one["pending"]


@pytest.fixture
def environment(engine, monkeypatch):
    """Let the command line ask the engine of the tests, as any installation's."""
    monkeypatch.setenv("LEADSTREAM_CLICKHOUSE_URL", engine.clickhouse_url)
    monkeypatch.setenv(
        "LEADSTREAM_CLICKHOUSE_PASSWORD", engine.clickhouse_password.get_secret_value()
    )
    monkeypatch.setenv("LEADSTREAM_BROKERS", "127.0.0.1:1")


@pytest.mark.usefixtures("environment")
def test_acceptance_is_the_same_wherever_it_is_asked(
    base, browser, market, engine, by_hand, tmp_path
):
    from streams.cli import main
    from streams.connections import clickhouse_client

    run = CliRunner().invoke
    asked = ["--period", PERIOD, "--kpi", "acceptance"]
    printed = run(main.app, ["kpis", *asked, "--json"])
    assert of_acceptance(orjson.loads(printed.stdout)) == by_hand

    query = {"period": PERIOD, "kpi": "acceptance"}
    answered = httpx.get(f"{base}/api/v1/kpis", params=query, timeout=60).json()
    assert of_acceptance(answered["figures"]) == by_hand

    accepted, mature, pending = by_hand
    share = f"{accepted / mature:.1%}"
    where = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    page = where.new_page()
    page.goto(f"{base}/?period={PERIOD}")
    settled(page)
    tile = page.locator('[data-kpi="acceptance"]').inner_text()
    assert share in tile
    assert f"{pending} pending" in tile
    where.close()

    start, end = (market.now - 90 * DAY, market.now)
    (panel,) = (
        one
        for _, one in panels.panels()
        if one.shown and one.shown.kpi == "acceptance" and not one.shown.trend and not one.shown.by
    )
    sql = panels.expanded(panel.statement, start, end, now=end)
    rows = [*clickhouse_client(engine).query(sql).named_results()]
    numbers = panel.shown.numbers
    heads = {number: head for head, number in numbers.items()}
    assert [row[heads["value"]] for row in rows] == [pytest.approx(accepted / mature)]

    file = tmp_path / "report.html"
    done = run(main.app, ["report", str(file), "--period", PERIOD])
    assert done.exit_code == 0, done.exception
    text = file.read_text()
    assert re.search(rf'data-of="[^"]*acceptance[^"]*"[^>]*>\s*{re.escape(share)}', text)
