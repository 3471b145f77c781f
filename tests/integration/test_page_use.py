"""The live page in use: by keyboard, by address, by many at once, while figures change."""

import csv
import io
import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from streams.live.screens import PAGES
from tests.support.jobs import until
from tests.support.live import fresh, serving, settled

pytestmark = pytest.mark.ci
PATIENCE = 60_000  # ms


@pytest.fixture
def page(browser):
    where = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    page = where.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    where.close()


def focused(page):
    return page.evaluate("document.activeElement.innerText || document.activeElement.name")


def test_everything_on_a_page_is_reached_by_the_tab_key_and_seen_where_the_focus_is(base, page):
    page.goto(f"{base}/work")
    settled(page)
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the content"
    wanted = page.eval_on_selector_all(
        "a[href], button, input:not([type=hidden]), select, summary, [tabindex='0']",
        "all => all.filter(one => one.checkVisibility()).length",
    )
    reached, rings = 1, []
    for _ in range(wanted - 1):
        page.keyboard.press("Tab")
        reached += page.evaluate("document.activeElement !== document.body")
        rings.append(page.evaluate("getComputedStyle(document.activeElement).outlineStyle"))
    assert reached == wanted
    assert set(rings) == {"solid"}
    clickable = page.evaluate(
        """() => [...document.querySelectorAll("main *, header *")].filter(one =>
            getComputedStyle(one).cursor === "pointer" &&
            !one.closest("a, button, summary, input, select, label")).length"""
    )
    assert clickable == 0


def test_a_row_opens_by_the_enter_key_and_the_browsers_back_returns(base, page):
    page.goto(f"{base}/work?sort=-late")
    settled(page)
    link = page.locator(".card.stalled tbody a.lead").first
    lead = link.get_attribute("href").partition("?")[0]
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{lead}*")
    page.locator("h1#headline").wait_for()
    page.go_back()
    settled(page)
    assert page.locator('th[aria-sort="descending"]').count() == 1


def test_a_refresh_takes_neither_the_focus_nor_what_was_typed(base, page, market):
    page.goto(f"{base}/work")
    settled(page)
    page.locator("#find").fill("half an add")
    link = page.locator(".card.stalled tbody a.lead").nth(2)
    link.focus()
    name = focused(page)
    for _ in range(3):
        fresh(page)
    assert focused(page) == name
    assert page.locator("#find").input_value() == "half an add"


def test_filters_stand_in_the_address_and_an_address_brings_them_back(base, page):
    page.goto(f"{base}/handoffs")
    settled(page)
    page.get_by_role("link", name="Last week").click()
    page.wait_for_url("**period=last-week*")
    settled(page)
    page.get_by_role("link", name="Channel", exact=True).click()
    page.wait_for_url("**by=channel*")
    settled(page)
    page.get_by_text("More filters").click()
    page.get_by_label("Owner").select_option("owner-2")
    page.get_by_label("From").fill("2026-01-05")
    page.get_by_label("To (not included)").fill("2026-02-02")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**owner=owner-2*")
    settled(page)
    asked = {name: value[0] for name, value in parse_qs(urlsplit(page.url).query).items()}
    assert asked["from"] == "2026-01-05"
    assert asked["to"] == "2026-02-02"
    assert (asked["by"], asked["owner"]) == ("channel", "owner-2")
    assert "period" not in asked
    shown = page.locator(".period").inner_text()
    assert "5 Jan 2026 to 1 Feb 2026, both included" in shown
    page.reload()
    settled(page)
    assert page.get_by_role("link", name="Remove the filter Owner: owner-2").count() == 1
    page.get_by_role("link", name="Remove all filters").click()
    settled(page)
    assert "owner=" not in page.url
    assert "by=channel" in page.url


def test_the_page_and_the_figures_answer_the_same_question_alike(base, page, market, engine):
    from sinks.clickhouse.asking import Asked
    from streams.live.figures import Figures

    page.goto(f"{base}/?period=last-90-days&channel=paid_social")
    settled(page)
    asked = Asked(
        period="last-90-days", where=(("channel", "paid_social"),), kpis=("inflow", "acceptance")
    )
    found = Figures(engine, None, None).report(asked)["figures"]
    inflow = {
        one["dimensions"]["stage"]: int(one["value"]) for one in found if one["kpi"] == "inflow"
    }
    shown = page.eval_on_selector_all(
        "tr[data-stage]",
        """rows => Object.fromEntries(rows.map(row => [row.dataset.stage,
            Number(row.querySelector("[data-entered]").dataset.entered)]))""",
    )
    assert {stage: n for stage, n in shown.items() if n} == inflow
    (share,) = (one for one in found if one["kpi"] == "acceptance")
    tile = page.locator('[data-kpi="acceptance"]').inner_text()
    assert f"{share['value']:.1%}" in tile
    assert f"{share['pending']} pending" in tile


def test_a_search_finds_a_lead_by_its_id_or_its_beginning_and_says_when_there_is_none(
    base, page, market
):
    for text in (market.late, market.late[:8], market.late.upper()):
        page.goto(base)
        settled(page)
        page.get_by_role("searchbox").fill(text)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/leads/{market.late}")
    page.locator("h1#headline").wait_for()
    page.get_by_role("searchbox").fill("nobody@example.com")
    page.get_by_role("button", name="Find").click()
    page.get_by_text("No lead found").wait_for()
    assert "nobody" not in page.url
    page.goto(f"{base}/?lang=fr")
    settled(page)
    page.get_by_role("searchbox").fill(market.late[:8])
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/leads/{market.late}?lang=fr")
    page.get_by_text("de retard", exact=False).first.wait_for()
    page.goto(f"{base}/leads")
    settled(page)
    assert "nobody" not in page.locator("main").inner_text()


def test_a_lead_that_is_late_says_so_first_and_links_to_its_crm_record(base, page, market):
    page.goto(f"{base}/leads/{market.late}")
    settled(page)
    headline = page.locator("h1").inner_text()
    assert re.fullmatch(r"\d+ days late: owner-4 must decide how it goes on", headline)
    assert "Because working in SAL ran out on" in page.locator("article").inner_text()
    record = page.get_by_role("link", name="open")
    assert record.get_attribute("href").startswith("https://crm.example.com/leads/")
    assert page.locator(".timeline time").count() > 4


def test_the_list_is_the_same_as_a_file_with_its_filters_and_names_whose_move_it_is(
    base, page, market
):
    page.goto(f"{base}/work?team=sales")
    settled(page)
    total = int(re.search(r"\d+", page.locator(".card.stalled .total").inner_text())[0])
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download as CSV").click()
    text = waiting.value.path().read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == total
    assert {"Lead", "Whose move", "What", "How late"} <= rows[0].keys()
    assert all(row["How late"].endswith("late") for row in rows)


def test_no_person_stands_on_any_page(base, page, market):
    for path in ("/", "/work", "/handoffs", f"/leads/{market.late}"):
        page.goto(base + path)
        settled(page)
        assert "@" not in page.locator("main").inner_text()


def test_who_hears_the_page_hears_its_state_once_and_not_each_second(base, page, market):
    page.goto(base)
    settled(page)
    page.evaluate(
        """() => {
            window.heard = [];
            new MutationObserver(() => window.heard.push("x")).observe(
                document.querySelector('[role="status"]'),
                {childList: true, subtree: true, characterData: true});
        }"""
    )
    for _ in range(3):
        fresh(page)
    assert page.evaluate("window.heard") == []
    assert page.get_by_role("status").inner_text() == "up to date"
    assert page.get_by_role("banner").count() == 1
    assert page.get_by_role("main").count() == 1
    assert page.locator("h1").count() == 1
    assert page.locator("table").count() == page.locator("table > caption").count()


def test_a_lead_that_comes_shows_without_a_reload(base, page, market):
    from tests.support.market import DAY, E

    page.goto(f"{base}/definition")
    settled(page)
    stage = page.locator('[data-stage="sql"] .count')
    before = int(stage.inner_text())
    market.lead((2 * DAY, E.CREATED, {"kind": "form"}), (DAY, E.STAGE_REPORTED, {"stage": "sql"}))
    market.write()
    until(lambda: int(stage.inner_text()) == before + 1, "the new lead")


def test_ten_visitors_who_ask_the_same_are_shown_the_same(base, browser, market):
    asked = f"{base}/cohorts?campaign=brand"
    where = browser.new_context()
    pages = [where.new_page() for _ in range(10)]
    for page in pages:
        page.goto(asked)
    for page in pages:
        settled(page)
    shown = {page.locator("table").inner_text() for page in pages}
    assert len(shown) == 1
    where.close()


def test_an_address_that_asks_for_nothing_there_is_says_so_to_machines_too(base):
    answer = httpx.get(f"{base}/stalled.csv", params={"zone": "Mars/Olympus"})
    assert (answer.status_code, "Europe/Paris" in answer.text) == (422, True)


def test_a_user_who_may_read_figures_only_sees_every_page_and_whose_move_a_lead_is(
    engine, market, page
):
    viewer = engine.model_copy(update={"clickhouse_password": engine.clickhouse_viewer_password})
    with serving(viewer, clickhouse_user="viewer") as address:
        for path in PAGES:
            page.goto(address + path)
            settled(page)
            assert page.locator('[data-state="error"]').count() == 0, path
        page.goto(f"{address}/leads/{market.late}")
        settled(page)
        assert "owner-4 must decide how it goes on" in page.locator("h1").inner_text()
        assert "may not read events" in page.locator("article").inner_text()
        assert page.locator(".timeline .kind.transition").count() > 2
        assert page.locator(".timeline .kind.event").count() == 0
