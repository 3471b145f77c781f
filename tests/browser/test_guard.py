"""A hostile world in a real Chromium: sources send only text, our policy holds, others stay out."""

import secrets
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import sync_playwright

from streams.embedded.home import free_port
from streams.live.tokens import Tokens
from tests.browser.served import EVIL, LEAD
from tests.conftest import tool
from tests.support.browsers import FLAGS
from tests.support.jobs import until
from tests.support.live import answering

pytestmark = pytest.mark.ci
TOKEN = secrets.token_hex(16)


def served(**environment):
    port = free_port()
    return answering(["tests.browser.served", str(port)], port, 30, **environment)


@pytest.fixture(scope="module")
def base():
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=tool("chromium", "chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """Open a page that keeps the messages of its console."""
    page = chromium.new_page()
    page.messages = []
    page.on("console", lambda message: page.messages.append(message.text))
    page.on("pageerror", lambda error: page.messages.append(str(error)))
    yield page
    page.close()


def drawn(page):
    until(lambda: page.locator("tr[data-stage]").count() == 2, "the figures")


def test_what_a_source_sends_is_text_everywhere_and_the_policy_is_never_met(base, page):
    page.goto(f"{base}/")
    drawn(page)
    assert page.locator("tr[data-stage]").last.locator("th").inner_text() == EVIL
    for chart in page.locator(".chart").all():  # a tooltip of each chart
        box = chart.bounding_box()
        for share in (0.1, 0.5, 0.9):
            page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2, steps=3)
    asked = "?by=segment&compare=1"
    others = ("/work", "/sources", "/targets", "/cohorts", "/definition", "/health")
    leads = (f"/leads?ids={LEAD},{LEAD}", f"/leads/{LEAD}")
    for path in (f"/{asked}", f"/handoffs{asked}", *others, *leads):
        page.goto(f"{base}{path}")
        until(lambda: page.locator(".freshness:not(:empty)").count(), f"the figures of {path}")
        until(lambda: page.locator('[data-state="loading"]').count() == 0, "the answer")
        assert page.locator('[data-state="error"]').count() == 0, path
    assert EVIL in page.locator("article").inner_text()
    assert page.title() == "leadstream"
    page.goto(f"{base}/work?owner={quote(EVIL)}&zone={quote(EVIL)}&lang={quote(EVIL)}")
    until(lambda: page.locator('[data-state="error"]').count(), "the refusal")
    page.goto(f"{base}/work?owner={quote(EVIL)}")
    until(lambda: page.locator("tbody tr").count() >= 3, "the lists")
    assert page.title() == "leadstream"
    assert page.locator("img[src=x]").count() == 0
    assert page.locator('a[href^="javascript"]').count() == 0
    assert not [
        text for text in page.messages if "Content Security Policy" in text or "Refused" in text
    ], page.messages


def test_a_script_that_got_in_all_the_same_does_not_run(base, page):
    page.goto(f"{base}/")
    drawn(page)
    page.evaluate(
        "document.body.insertAdjacentHTML("
        "'beforeend', '<img src=\"data:,\" onerror=\"document.title=`owned`\">')"
    )
    until(lambda: [text for text in page.messages if "script-src" in text], "the policy's refusal")
    assert page.title() == "leadstream"


def test_another_site_reads_nothing_opens_no_websocket_and_no_frame(base, page):
    class Site(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<iframe src='{base}/'></iframe>".encode())

        def log_message(self, *_):
            pass

    site = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    try:
        page.goto(f"http://localhost:{site.server_port}/")
        read = "url => fetch(url).then(answer => answer.text()).catch(() => 'refused')"
        assert page.evaluate(read, f"{base}/api/v1/feed") == "refused"
        assert (
            page.evaluate(read, f"{base}/_nicegui_ws/socket.io/?EIO=4&transport=polling")
            == "refused"
        )
        dial = """url => new Promise(done => { const socket = new WebSocket(url);
            socket.onopen = () => done('open'); socket.onerror = () => done('refused') })"""
        where = f"{base.replace('http', 'ws')}/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
        assert page.evaluate(dial, where) == "refused"
        until(
            lambda: [
                text
                for text in page.messages
                if "frame-ancestors" in text or "X-Frame-Options" in text
            ],
            "the frame's refusal",
        )
    finally:
        site.shutdown()
        site.server_close()


def test_the_same_page_by_a_name_that_is_not_ours_is_refused_as_dns_rebinding_would_ask(base):
    port = base.rpartition(":")[2]
    flags = [*FLAGS, "--host-resolver-rules=MAP rebound.example 127.0.0.1"]
    with subprocess.Popen(
        [
            tool("chromium", "chromium"), "--headless", *flags, "--dump-dom",
            f"http://rebound.example:{port}/api/v1/feed",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as browser:  # fmt: skip
        shown, _ = browser.communicate(timeout=60)
    assert "does not go by that name" in shown
    assert "event_time" not in shown


def test_behind_a_login_the_page_opens_by_its_token_and_closes_for_all_others(chromium):
    with served(live_token=TOKEN) as address:
        context = chromium.new_context()
        page = context.new_page()
        page.goto(f"{address}/")
        assert page.url == f"{address}/login"
        page.get_by_label("Token").fill("not this one, surely")
        page.get_by_role("button").click()
        assert "not the one" in page.get_by_role("status").inner_text()
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button").click()
        drawn(page)
        assert page.evaluate("document.cookie") == ""
        assert httpx.get(f"{address}/api/v1/flow").status_code == 401
        assert (
            httpx.get(
                f"{address}/api/v1/flow", headers={"Authorization": f"Bearer {TOKEN}"}
            ).status_code
            == 200
        )
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(f"{address}/login")
        page.goto(f"{address}/")
        assert page.url == f"{address}/login"
        context.close()


def test_where_nobody_signed_in_nobody_can_sign_out(base, page, chromium):
    page.goto(f"{base}/")
    drawn(page)
    assert page.get_by_role("button", name="Sign out").count() == 0
    with served(live_token=TOKEN) as address:
        machine = chromium.new_context(extra_http_headers={"Authorization": f"Bearer {TOKEN}"})
        shown = machine.new_page()
        shown.goto(f"{address}/")
        drawn(shown)
        assert shown.get_by_role("button", name="Sign out").count() == 0
        machine.close()


def test_what_a_search_found_is_still_there_in_another_language(base, page):
    many = [f"{LEAD[:-2]}{number:02}" for number in range(1, 9)]
    page.goto(f"{base}/leads?ids={','.join(many)}")
    until(lambda: page.locator(".card li").count() == 8, "the leads that were found")
    page.get_by_role("link", name="Français").click()
    until(lambda: page.locator("html").get_attribute("lang") == "fr", "the other language")
    until(lambda: page.locator(".card li").count() == 8, "the same leads")


def test_who_may_see_figures_only_finds_no_lead_and_no_way_to_one(chromium, tmp_path):
    token = Tokens(tmp_path / "tokens").add("ann", "viewer")
    with served(tokens_file=tmp_path / "tokens") as address:
        context = chromium.new_context()
        page = context.new_page()
        page.goto(f"{address}/")
        page.get_by_label("Token").fill(token)
        page.get_by_role("button").click()
        drawn(page)
        until(lambda: page.locator('[data-state="loading"]').count() == 0, "the answer")
        assert page.get_by_role("searchbox").count() == 0
        assert page.locator(".card.feed").count() == 0
        assert page.get_by_role("link", name="To do now").count() == 0
        page.goto(f"{address}/definition")
        until(lambda: page.locator(".ladder").count(), "the ladder")
        assert LEAD not in page.content()
        assert page.locator('a[href*="/leads"], a[href*="/work"]').count() == 0
        assert page.goto(f"{address}/work").status == 403
        assert page.goto(f"{address}/leads/{LEAD}").status == 403
        context.close()
