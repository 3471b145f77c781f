"""Who may speak to the page, without a browser: names, origins, tokens, sessions, proxies."""

import asyncio
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from streams.live import guard, login
from streams.live.guard import Guard, Unprotected
from streams.settings import Settings

TOKEN = "0123456789abcdef0123"
OURS = "http://127.0.0.1:8380"


async def _page(request):
    return PlainTextResponse("figures")


async def _socket(websocket):
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.receive()


def _inner():
    routes = [
        Route(path, _page, methods=["GET", "POST"])
        for path in ("/", "/api/feed", "/healthz", "/metrics")
    ]
    routes.append(WebSocketRoute("/socket", _socket))
    # As NiceGUI's socket.io does.
    cors = Middleware(CORSMiddleware, allow_origins=["*"])
    return Starlette(routes=routes, middleware=[cors])


def client(peer="127.0.0.1", base=OURS, **settings):
    asked = Settings(**settings)
    app = Guard(_inner(), guard.names(asked), guard.login(asked))
    return TestClient(app, base_url=base, client=(peer, 5), follow_redirects=False)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8380",
        "127.0.0.1",
        "localhost:1",
        "LOCALHOST",
        "localhost.",
        "[::1]:8380",
        "127.9.9.9",
    ],
)
def test_loopback_answers_to_its_names(host):
    assert client().get("/api/feed", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "[::2]",
        "0.0.0.0:8380",
        "evil.example:8380",
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/feed", "/metrics"])
def test_a_name_that_is_not_ours_is_refused_as_a_rebound_one_would_be(host, path):
    answer = client().get(path, headers={"Host": host})
    assert answer.status_code == 421
    assert "figures" not in answer.text


@given(st.text(alphabet="abz019.-_:[]@/% \\?#*", max_size=24))
def test_no_way_of_writing_a_host_gets_by(host):
    place = guard._place(host)
    assert place is None or re.fullmatch(r"[a-z0-9._:-]+", place.name)


def test_probes_ask_by_any_name():
    assert client().get("/healthz", headers={"Host": "10.1.2.3:8080"}).status_code == 200


STRANGERS = [
    "http://evil.example",
    "http://127.0.0.1:9999",
    "https://127.0.0.1",
    "null",
    "http://127.0.0.1:8380.evil.example",
    "file://",
    "http://127.0.0.1:8380/x",
    "http://u@127.0.0.1:8380",
    "",
]


@pytest.mark.parametrize("origin", STRANGERS)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_another_origin_is_refused_with_nothing_that_a_browser_would_let_it_read(origin, method):
    answer = client().request(method, "/api/feed", headers={"Origin": origin})
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_page_itself_asks_and_no_answer_allows_any_origin():
    for method, origin in (("GET", OURS), ("POST", OURS), ("GET", None)):
        answer = client().request(method, "/api/feed", headers={"Origin": origin} if origin else {})
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert client().post("/api/feed").status_code == 403  # whoever posts says its origin
    fetch = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}
    assert client().get("/api/feed", headers=fetch).status_code == 403
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client().get("/", headers=link).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {},
        {"Origin": OURS, "Host": "evil.example"},
        {"Origin": "http://evil.example", "Host": "evil.example"},
    ],
)
def test_a_websocket_of_another_name_or_origin_is_refused_before_it_opens(headers):
    with (
        pytest.raises(WebSocketDisconnect),
        client().websocket_connect("/socket", headers={"Host": "127.0.0.1:8380", **headers}),
    ):
        pass


def test_a_websocket_of_the_page_opens():
    with client().websocket_connect(
        "/socket", headers={"Host": "127.0.0.1:8380", "Origin": OURS}
    ) as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "hello"


def test_every_answer_has_the_headers_refusals_too():
    for answer in (
        client().get("/"),
        client().get("/", headers={"Host": "evil.example"}),
        client(live_token=TOKEN).get("/login"),
    ):
        policy = answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "script-src 'self' 'nonce-" in policy
        assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == "no-store"
    first, second = (client().get("/").headers["Content-Security-Policy"] for _ in range(2))
    assert first != second  # a nonce is used once


OPEN = [
    {"host": "0.0.0.0"},
    {"host": "::"},
    {"host": "10.0.0.5"},
    {"host": "live"},
    {"allowed_hosts": "leads.example.com"},
    {"host": "0.0.0.0", "live_token": "short"},
    {"host": "0.0.0.0", "trusted_proxy_header": "X-User"},
    {"trusted_proxies": "10.0.0.1"},
    {"trusted_proxy_header": "X-User", "trusted_proxies": "0.0.0.0/0"},
    {"trusted_proxy_header": "X-User", "trusted_proxies": "proxy.example"},
    {"live_token": TOKEN, "allowed_hosts": "*"},
    {"live_token": TOKEN, "allowed_hosts": "leads.example.com:443"},
]


@pytest.mark.parametrize("settings", OPEN)
def test_a_page_that_others_reach_does_not_start_without_a_login_that_holds(settings):
    with pytest.raises(Unprotected, match="LEADSTREAM_"):
        client(**settings)


def test_on_loopback_no_login_is_needed_and_one_that_is_set_holds():
    assert client().get("/api/feed").status_code == 200
    assert client(allowed_hosts="localhost, ::1").get("/api/feed").status_code == 200
    assert client(live_token=TOKEN).get("/api/feed").status_code == 401


OUTSIDE = {"host": "0.0.0.0", "allowed_hosts": "leads.example.com, live", "live_token": TOKEN}
NAMED = {"base": "https://leads.example.com", **OUTSIDE}


def test_outside_a_session_begins_with_the_token_and_no_script_or_other_site_has_its_cookie():
    outside = client(**NAMED)
    asked = outside.get("/", headers={"Accept": "text/html"})
    assert (asked.status_code, asked.headers["location"]) == (303, "/login")
    assert 'type="password"' in outside.get("/login").text
    # Of no origin: a form elsewhere.
    assert outside.post("/login", data={"token": TOKEN}).status_code == 403
    origin = {"Origin": "https://leads.example.com"}
    assert outside.post("/login", data={"token": "x" * 20}, headers=origin).status_code == 401
    opened = outside.post("/login", data={"token": TOKEN}, headers=origin)
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    attributes = opened.headers["set-cookie"].lower()
    assert all(
        name in attributes for name in ("httponly", "samesite=strict", "secure", "max-age=43200")
    )
    assert TOKEN not in attributes
    assert outside.get("/api/feed").status_code == 200
    with outside.websocket_connect("wss://leads.example.com/socket", headers=origin) as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "hello"


def test_without_a_session_there_are_only_the_form_probes_and_metrics():
    outside = client(**NAMED)
    statuses = {
        path: outside.get(path).status_code
        for path in ("/", "/api/feed", "/login", "/healthz", "/metrics", "/loginx", "/openapi.json")
    }
    assert statuses == {
        "/": 401,
        "/api/feed": 401,
        "/login": 200,
        "/healthz": 200,
        "/metrics": 200,
        "/loginx": 401,
        "/openapi.json": 401,
    }
    with (
        pytest.raises(WebSocketDisconnect),
        outside.websocket_connect(
            "/socket", headers={"Host": "leads.example.com", "Origin": "https://leads.example.com"}
        ),
    ):
        pass


def test_a_session_ends_with_its_time_its_token_and_any_change_of_its_cookie(monkeypatch):
    outside = client(**NAMED)
    outside.post("/login", data={"token": TOKEN}, headers={"Origin": "https://leads.example.com"})
    value = outside.cookies[login.COOKIE]

    def status(cookie, **settings):
        return (
            client(**{**NAMED, **settings})
            .get("/api/feed", headers={"Cookie": f"{login.COOKIE}={cookie}"})
            .status_code
        )

    assert status(value) == 200
    assert status(value, live_token=TOKEN[::-1]) == 401
    for changed in (value[:-1], value + "x", "x" + value, value.replace(".", "", 1), TOKEN, ""):
        assert status(changed) == 401
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + login.SESSION_SECONDS + 2)
    assert status(value) == 401


def test_a_websocket_ends_with_the_session_that_opened_it():
    async def run():
        waiting = asyncio.Event()
        ended = guard._ending(waiting.wait, time.time() + 0.05)
        return await asyncio.wait_for(ended(), 10)

    assert asyncio.run(run())["type"] == "websocket.disconnect"


def test_a_machine_sends_the_token_as_bearer_and_another_scheme_is_no_reason_to_refuse_a_session():
    outside = client(**NAMED)
    assert outside.get("/api/feed", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200
    refused = outside.get("/api/feed", headers={"Authorization": "Bearer wrong"})
    answer = (refused.status_code, refused.headers["www-authenticate"])
    assert answer == (401, 'Bearer realm="leadstream"')
    bearer, basic = {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Basic eDp5"}
    assert outside.post("/api/feed", headers=bearer).status_code == 200
    # A browser sends this by itself.
    assert outside.post("/api/feed", headers=basic).status_code == 403


def counted(result):
    from streams import metrics

    return metrics.LOGINS.labels(result)._value.get()


def test_after_ten_wrong_tokens_an_address_waits_also_with_the_right_one_and_others_do_not():
    before = counted("refused"), counted("limited")
    asked = Settings(**OUTSIDE)
    app = Guard(_inner(), guard.names(asked), guard.login(asked))
    one, other = (
        TestClient(app, base_url="https://live", client=(peer, 5))
        for peer in ("10.0.0.8", "10.0.0.9")
    )
    for _ in range(login.FAILURES):
        assert one.get("/api/feed", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert one.get("/api/feed", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 401
    limited = one.post("/login", data={"token": TOKEN}, headers={"Origin": "https://live"})
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "60")
    assert other.get("/api/feed", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert (counted("refused") - before[0], counted("limited") - before[1]) == (login.FAILURES, 2)


def test_addresses_that_fail_are_forgotten_before_they_fill_the_memory(monkeypatch):
    monkeypatch.setattr(login, "_REMEMBERED", 5)
    asked = Settings(**OUTSIDE)
    made = guard.login(asked)
    for number in range(20):
        TestClient(
            Guard(_inner(), guard.names(asked), made),
            base_url="https://live",
            client=(f"10.0.0.{number}", 5),
        ).get("/", headers={"Authorization": "Bearer x"})
    assert len(made._failures) == 5


def test_a_proxys_word_is_believed_from_the_proxy_only():
    behind = {
        "base": "https://leads.example.com",
        "host": "0.0.0.0",
        "allowed_hosts": "leads.example.com",
    }
    behind |= {"trusted_proxy_header": "X-Forwarded-User", "trusted_proxies": "10.0.0.0/24, ::1"}
    ann, nobody = {"X-Forwarded-User": "ann"}, {"X-Forwarded-User": " "}
    assert client("10.0.0.7", **behind).get("/api/feed", headers=ann).status_code == 200
    assert client("10.0.1.7", **behind).get("/api/feed", headers=ann).status_code == 401
    assert client("10.0.0.7", **behind).get("/api/feed").status_code == 401
    assert client("10.0.0.7", **behind).get("/api/feed", headers=nobody).status_code == 401
    # There is no token to type.
    assert client("10.0.0.7", **behind).get("/login").status_code == 404


@pytest.mark.parametrize("body", [b"token=" + b"x" * 10_000, b"\xff\xfe", b"a=1&" * 100])
def test_no_form_makes_the_login_fail_otherwise_than_by_a_status(body):
    headers = {
        "Origin": "https://leads.example.com",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    answer = client(**NAMED).post("/login", content=body, headers=headers).status_code
    assert answer in (400, 401, 413)


@pytest.mark.parametrize(
    ("peer", "scheme", "secure"),
    [("10.0.0.7", "https", True), ("10.0.0.7", "http", False), ("10.0.1.7", "https", False)],
)
def test_a_cookie_is_for_encrypted_connections_where_the_proxy_says_that_this_is_one(
    peer, scheme, secure
):
    behind = client(
        peer,
        "http://live",
        **{**OUTSIDE, "trusted_proxy_header": "X-User", "trusted_proxies": "10.0.0.0/24"},
    )
    opened = behind.post(
        "/login",
        data={"token": TOKEN},
        headers={"Origin": "http://live", "X-Forwarded-Proto": scheme},
    )
    assert opened.status_code == 303
    assert ("secure" in opened.headers["set-cookie"].lower()) == secure


def test_the_command_says_what_to_set(monkeypatch):
    from typer.testing import CliRunner

    from schemas.errors import LeadstreamError
    from streams.cli import main

    monkeypatch.setenv("LEADSTREAM_HOST", "0.0.0.0")
    done = CliRunner().invoke(main.app, ["live"])
    assert isinstance(done.exception, LeadstreamError)
    assert "set LEADSTREAM_LIVE_TOKEN" in str(done.exception)
