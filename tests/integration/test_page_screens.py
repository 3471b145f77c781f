"""Every page and state of the live page, seen: light, dark, on a phone, in each language.

axe-core finds nothing serious on any. LEADSTREAM_SCREENS=write keeps the pictures in docs/screens.
"""

import pytest

from streams.live.screens import PAGES
from streams.live.wording import LANGUAGES
from tests.support.live import SCREENS, WRITES, Looks, Road, serving, settled

pytestmark = pytest.mark.ci
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
# By the name of its picture; {late} is a lead that is late.
STATES = {
    "lead": "/leads/{late}",
    "found-none": "/leads",
    "nothing-late": "/work?owner=nobody-of-ours",
    "compared": "/?period=this-week&compare=1&by=team",
    "unclear": "/?period=next-week",
}
SHOWN = {path.strip("/") or "funnel": path for path in PAGES} | STATES


@pytest.fixture(scope="module")
def looks(browser, tmp_path_factory):
    return Looks(browser, tmp_path_factory.mktemp("screens"))


def seen(browser, address, **context):
    where = browser.new_context(**{"viewport": WIDE, "locale": "en-GB", **context})
    page = where.new_page()
    page.goto(address)
    return page


@pytest.mark.parametrize("name", SHOWN)
def test_each_page_and_state_is_readable_light_dark_and_on_a_phone(
    base,
    browser,
    market,
    looks,
    name,
):
    address = base + SHOWN[name].format(late=market.late)
    for look, context in (
        ("light", {}),
        ("dark", {"color_scheme": "dark"}),
        ("phone", {"viewport": PHONE}),
    ):
        page = seen(browser, address, **context)
        settled(page)
        assert looks.faults(page) == [], f"{name}, {look}"
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{name}, {look}: the page is wider than the screen"
        looks.keep(page, f"{name}-{look}", whole=look == "light")
        page.context.close()


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
def test_each_page_is_there_in_each_language(base, browser, market, looks, language):
    pages = [*PAGES, f"/leads/{market.late}"]
    for path in pages:
        name = "lead" if path.startswith("/leads") else path.strip("/") or "funnel"
        page = seen(browser, base + path, locale=language)
        settled(page)
        assert page.locator("html").get_attribute("lang") == language
        assert looks.faults(page) == [], f"{path} in {language}"
        looks.keep(page, f"{name}-{language}")
        page.context.close()


def test_a_page_that_has_no_answer_yet_says_that_it_loads(base, browser, looks):
    where = browser.new_context(viewport=WIDE, locale="en-GB")
    page = where.new_page()
    page.route_web_socket("**/*", lambda socket: None)  # the answer comes by it, and never does
    page.route("**/socket.io/**", lambda route: route.abort())
    page.goto(base)
    page.locator('[data-state="loading"]').first.wait_for()
    assert "Loading figures" in page.locator(".notice").inner_text()
    assert looks.faults(page) == []
    looks.keep(page, "loading-light")
    where.close()


def test_clickhouse_that_does_not_answer_is_an_error_and_no_empty_page(engine, browser, looks):
    road = Road(int(engine.clickhouse_url.rpartition(":")[2]))
    through = engine.model_copy(
        update={"clickhouse_url": f"http://127.0.0.1:{road.server_address[1]}"}
    )
    with road, serving(through) as address:
        shown = seen(browser, f"{address}/definition")
        settled(shown)
        road.cut()
        shown.locator('.notice [data-state="error"]').wait_for(timeout=60_000)
        for look, context in (("light", {}), ("dark", {"color_scheme": "dark"})):
            page = seen(browser, address, **context)
            page.locator('.notice [data-state="error"]').wait_for(timeout=60_000)
            assert "ClickHouse does not answer" in page.locator(".notice").inner_text()
            assert page.get_by_role("status").inner_text() == "ClickHouse does not answer"
            assert page.locator("table").count() == 0
            assert looks.faults(page) == []
            looks.keep(page, f"error-{look}")
            page.context.close()
        shown.context.close()
        road.shutdown()


def test_a_home_without_leads_shows_how_to_send_a_first_event_to_its_gateway(
    engine,
    browser,
    market,
    looks,
):
    """Comes last: it empties the tables that the others look at."""
    from streams.connections import clickhouse_client

    client = clickhouse_client(engine)
    client.command("TRUNCATE TABLE lead_state")
    with serving(engine, gateway_url="http://127.0.0.1:18381") as address:
        for look, context in (
            ("light", {}),
            ("dark", {"color_scheme": "dark"}),
            ("phone", {"viewport": PHONE}),
        ):
            page = seen(browser, address, **context)
            page.locator('[data-state="empty"]').wait_for(timeout=60_000)
            assert "http://127.0.0.1:18381/v1/events" in page.locator("pre").inner_text()
            assert looks.faults(page) == []
            looks.keep(page, f"empty-{look}", whole=True)
            page.context.close()


@pytest.mark.skipif(not WRITES, reason="LEADSTREAM_SCREENS=write writes them")
def test_all_pictures_together_stay_small():
    assert sum(path.stat().st_size for path in SCREENS.glob("*.png")) < 4_000_000
