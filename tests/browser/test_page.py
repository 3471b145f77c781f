"""The live page in a real Chromium: it shows what the API and the KPI SQL give at that as-of."""

import os
import signal
import time
from graphlib import TopologicalSorter

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import sync_playwright

from schemas.reading import FUNNELS, load
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
    rows = page.locator("tr[data-stage]")
    return {
        row.get_attribute("data-stage"): (
            int(row.locator(".entered").inner_text()),
            int(row.locator(".open").inner_text()),
        )
        for row in rows.all()
    }


def test_the_page_shows_the_figures_of_the_api_and_of_the_kpi_sql(stack, base, page, clickhouse):
    def api():
        return {
            row["stage"]: (row["entered"], row["open"])
            for row in httpx.get(f"{base}/api/v1/funnel", timeout=PATIENCE).json()
        }

    def agree():
        first = api()
        return shown(page) == first == api() and first.get("customer", (0,))[0] >= 4

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


def test_clocks_that_nobody_can_stop_are_named_so_that_an_empty_list_is_no_good_news():
    from schemas.reading import FUNNELS, load
    from streams.live.page import unmeasured

    funnel = load(FUNNELS / "default.yaml")
    some, all_of_them = (
        funnel.model_copy(update={"enabled_sources": (name,)}) for name in ("salesforce", "segment")
    )
    assert "customer.onboarding" in unmeasured(some)
    assert "sal.working" not in unmeasured(some)
    assert "mql.decision" in unmeasured(all_of_them)
    assert unmeasured(funnel) == ""


SHAPE = load(FUNNELS / "default.yaml").shape()


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")).filter(
            lambda move: move[0] != move[1]
        ),
        unique=True,
    ),
    st.permutations("abc"),
)
def test_the_flow_has_every_move_and_no_circle_also_of_stages_that_no_definition_has_any_more(
    moves, stages
):
    from streams.live.page import _sankey

    links = _sankey(
        [{"from_stage": one, "to_stage": two, "n": 1} for one, two in moves],
        dict(zip(stages, stages, strict=True)),
        SHAPE,
    )["series"][0]["links"]
    assert [(link["source"], link["target"].removesuffix(" again")) for link in links] == moves
    list(
        TopologicalSorter(
            {
                target: [link["source"] for link in links if link["target"] == target]
                for target in {link["target"] for link in links}
            }
        ).static_order()
    )


def test_stages_are_shown_by_the_titles_of_the_firm():
    from streams.live.page import _acceptance, _funnel_html, _sankey

    funnel = load(FUNNELS / "examples" / "japanese.yaml")
    titles, shape = funnel.titles(), funnel.shape()
    table = _funnel_html([{"stage": "見込み", "entered": 3, "open": 1}], [], shape, titles)
    assert '<tr data-stage="見込み"><td>見込み客</td>' in table
    (link,) = _sankey([{"from_stage": "問合せ", "to_stage": "見込み", "n": 2}], titles, shape)[
        "series"
    ][0]["links"]
    assert (link["source"], link["target"]) == ("お問い合わせ", "見込み客")
    share = {"kpi": "acceptance", "value": 0.5, "numerator": 1, "denominator": 2, "pending": 0}
    assert _acceptance([{**share, "dimensions": {"handoff": "見込み"}}], titles).startswith(
        "acceptance 見込み客 50.0% (1 of 2, 0 pending)"
    )


def test_a_funnel_that_hands_nobody_off_says_so_in_place_of_a_share():
    from streams.live.page import _acceptance

    nothing = {"kpi": "acceptance", "value": None, "dimensions": {"why": "no stage hands off"}}
    assert _acceptance([nothing], {}).startswith("acceptance no stage hands off — firms:")


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
        assert page.get_by_text("Flow between stages").is_visible()
        until(lambda: page.get_by_text("ClickHouse does not answer").is_visible(), "the notice")
        assert shown(page) == {}
    finally:
        os.kill(clickhouse, signal.SIGCONT)
    until(lambda: shown(page), "the funnel")


def test_no_email_stands_on_the_page(page):
    until(lambda: shown(page), "the funnel")
    assert "@" not in page.locator("body").inner_text()


def test_a_click_on_a_transition_tells_the_leads_story_as_the_command_line_does(stack, page):
    until(
        lambda: (
            page.locator("tbody tr").count() > 0 and page.locator(".q-table tbody tr").count() > 0
        ),
        "a transition",
    )
    page.locator(".q-table tbody tr").last.click()
    story = until(
        lambda: page.locator("pre.story").count() and page.locator("pre.story").inner_text(),
        "the story",
    )
    lead = story.splitlines()[0].removeprefix("Lead ")
    printed = run_cli("explain", lead, home=stack.home)[1]
    assert story.split("What is ahead")[0].split() == printed.split("What is ahead")[0].split()
    assert "What happened, and when we learned it" in story
