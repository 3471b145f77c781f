"""The live page in a real Chromium: it shows what the API and the KPI SQL give at that as-of."""

import os
import signal
import time

import httpx
import pytest
from playwright.sync_api import sync_playwright

from tests.conftest import run_cli, tool
from tests.integration.orders import settled
from tests.support.browsers import FLAGS
from tests.support.jobs import until
from tests.support.posting import PATIENCE, cloudevent, take


@pytest.fixture(scope="module")
def base(stack):
    """Return the live page's address, once the gateway has taken some leads."""
    for number in range(12):
        kind, data = [
            ("lead.created", {"kind": "demo_form"}),
            ("lead.created", {"kind": "form"}),
            ("opportunity.won", {"deal": {"id": f"d{number}"}}),
        ][number % 3]
        body = cloudevent(kind, f"page-{number}", time.time(), f"page{number}@example.com", **data)
        take(stack, body)
    return f"http://127.0.0.1:{stack.ports['live']}"


@pytest.fixture
def page(base):
    chromium = tool("chromium", "chromium")
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page()
        page.goto(f"{base}/")
        yield page
        browser.close()


def shown(page):
    """Return entered and standing by stage; a refresh between two looks changes all at once."""
    return page.eval_on_selector_all(
        "tr[data-stage]",
        """rows => Object.fromEntries(rows.map(row => [row.dataset.stage, [
            Number(row.querySelector("[data-entered]").dataset.entered),
            Number(row.querySelector("[data-standing]").dataset.standing)]]))""",
    )


def test_the_page_shows_the_figures_of_the_api_and_of_the_kpi_sql(stack, base, page, clickhouse):
    def api():
        return {
            row["stage"]: [row["entered"], row["open"]]
            for row in httpx.get(f"{base}/api/v1/funnel", timeout=PATIENCE).json()
        }

    def agree():
        first = api()
        return shown(page) == first == api() and first.get("customer", [0])[0] >= 4

    until(agree, "page and API to agree")
    asof = int(time.time() * 1000)
    figures = httpx.get(f"{base}/api/v1/kpis", params={"as_of": asof}, timeout=PATIENCE).json()[
        "figures"
    ]
    inflow = {f["dimensions"]["stage"]: int(f["value"]) for f in figures if f["kpi"] == "inflow"}
    assert {stage: entered for stage, (entered, _) in shown(page).items() if entered} == inflow
    balance = {f["dimensions"]["stage"]: int(f["value"]) for f in figures if f["kpi"] == "balance"}
    assert {stage: standing for stage, (_, standing) in shown(page).items()} == balance
    from schemas import reading
    from sinks.clickhouse import kpis

    asked = kpis.question(reading.in_force(stack.funnel), 0, asof + 1, asof)
    # Of what arrived, some may still be on its way to the archive.
    assert settled(figures) == settled(kpis.ask(clickhouse, asked))


def test_nothing_on_the_page_is_fetched_from_elsewhere(base, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    until(lambda: shown(page), "the funnel")
    assert all(url.startswith((base, "data:")) for url in asked), asked


def test_the_page_opens_while_clickhouse_does_not_answer_and_shows_the_funnel_once_it_does(
    stack, base, page
):
    clickhouse = stack.processes["clickhouse"].pid
    os.kill(clickhouse, signal.SIGSTOP)
    try:
        page.reload()
        page.get_by_role("navigation", name="Pages").wait_for()
        until(lambda: page.locator('.notice [data-state="error"]').count(), "the notice")
    finally:
        os.kill(clickhouse, signal.SIGCONT)
    until(lambda: not page.locator('.notice [data-state="error"]').count(), "its end")
    until(lambda: shown(page), "the funnel")


def test_no_email_stands_on_the_page(page):
    until(lambda: shown(page), "the funnel")
    assert "@" not in page.locator("body").inner_text()


def test_the_link_of_a_move_opens_the_leads_story_with_what_the_command_line_tells(stack, page):
    until(lambda: page.locator(".card.feed a.lead").count(), "a transition")
    page.locator(".card.feed a.lead").last.click()
    until(lambda: page.locator("article .timeline time").count(), "the story")
    printed = run_cli("explain", page.url.rpartition("/")[2], "--json", home=stack.home)[1]
    days = len(printed["events"]) + len(printed["facts"])
    assert page.locator("article .timeline .what").count() == days
    assert page.locator("#headline").inner_text()
