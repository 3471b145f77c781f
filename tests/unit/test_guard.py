"""Who may speak to the page, without a browser: names, origins, tokens, sessions, proxies."""

import asyncio
import hmac
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
from streams.live.tokens import BadTokens, Tokens, match, parse
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
        for path in ("/", "/api/v1/feed", "/healthz", "/metrics", "/leads/{lead}", "/stalled.csv")
    ]
    routes.append(WebSocketRoute("/socket", _socket))
    # As NiceGUI's socket.io does.
    cors = Middleware(CORSMiddleware, allow_origins=["*"])
    return Starlette(routes=routes, middleware=[cors])


def client(peer="127.0.0.1", base=OURS, **settings):
    asked = Settings(**{"home": "/nowhere", **settings})
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
    assert client().get("/api/v1/feed", headers={"Host": host}).status_code == 200


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
@pytest.mark.parametrize("path", ["/", "/api/v1/feed", "/metrics"])
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
    answer = client().request(method, "/api/v1/feed", headers={"Origin": origin})
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_page_itself_asks_and_no_answer_allows_any_origin():
    for method, origin in (("GET", OURS), ("POST", OURS), ("GET", None)):
        answer = client().request(
            method, "/api/v1/feed", headers={"Origin": origin} if origin else {}
        )
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert client().post("/api/v1/feed").status_code == 403  # whoever posts says its origin
    fetch = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}
    assert client().get("/api/v1/feed", headers=fetch).status_code == 403
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
    assert client().get("/api/v1/feed").status_code == 200
    assert client(allowed_hosts="localhost, ::1").get("/api/v1/feed").status_code == 200
    assert client(live_token=TOKEN).get("/api/v1/feed").status_code == 401


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
    assert outside.get("/api/v1/feed").status_code == 200
    with outside.websocket_connect("wss://leads.example.com/socket", headers=origin) as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "hello"


def test_without_a_session_there_are_only_the_form_probes_and_metrics():
    outside = client(**NAMED)
    statuses = {
        path: outside.get(path).status_code
        for path in (
            "/",
            "/api/v1/feed",
            "/login",
            "/healthz",
            "/metrics",
            "/loginx",
            "/openapi.json",
        )
    }
    assert statuses == {
        "/": 401,
        "/api/v1/feed": 401,
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
            .get("/api/v1/feed", headers={"Cookie": f"{login.COOKIE}={cookie}"})
            .status_code
        )

    assert status(value) == 200
    assert status(value, live_token=TOKEN[::-1]) == 401
    for changed in (value[:-1], value + "x", "x" + value, value.replace(".", "", 1), TOKEN, ""):
        assert status(changed) == 401
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + login.SESSION_SECONDS + 2)
    assert status(value) == 401


@pytest.mark.parametrize("how", ["time", "out", "withdrawn"])
def test_a_websocket_ends_with_the_session_that_opened_it(monkeypatch, tmp_path, how):
    monkeypatch.setattr(guard, "LOOK_SECONDS", 0.01)
    tokens = Tokens(tmp_path / "tokens")
    tokens.add("ann", "viewer")
    made = login.Login("", login.Proxy(), tokens)
    (ann,) = tokens.entries()
    session = f"{ann.key}:1"
    until = time.time() + (0.05 if how == "time" else 1_000)

    async def run():
        waiting = asyncio.Event()
        ended = Guard(_inner(), login=made)._ending(
            waiting.wait, login.Visitor("ann", "viewer", until, session)
        )
        coming = asyncio.ensure_future(ended())
        await asyncio.sleep(0)
        if how == "out":
            made._ended[session] = None
        if how == "withdrawn":
            tokens.remove("ann")
        return await asyncio.wait_for(coming, 10)

    assert asyncio.run(run())["type"] == "websocket.disconnect"


def test_a_websocket_that_is_looked_at_loses_no_message(monkeypatch, tmp_path):
    monkeypatch.setattr(guard, "LOOK_SECONDS", 0.001)
    made = login.Login("", login.Proxy(), Tokens(tmp_path / "tokens"))
    sent = [{"type": "websocket.receive", "text": str(number)} for number in range(20)]

    async def run():
        queue = asyncio.Queue()
        visitor = login.Visitor("ann", "viewer", float("inf"))
        receive = Guard(_inner(), login=made)._ending(queue.get, visitor)

        async def send():
            for message in sent:
                await asyncio.sleep(0.003)
                await queue.put(message)

        sending = asyncio.ensure_future(send())
        got = [await asyncio.wait_for(receive(), 10) for _ in sent]
        await sending
        return got

    assert asyncio.run(run()) == sent


def test_a_machine_sends_the_token_as_bearer_and_another_scheme_is_no_reason_to_refuse_a_session():
    outside = client(**NAMED)
    assert (
        outside.get("/api/v1/feed", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200
    )
    refused = outside.get("/api/v1/feed", headers={"Authorization": "Bearer wrong"})
    answer = (refused.status_code, refused.headers["www-authenticate"])
    assert answer == (401, 'Bearer realm="leadstream"')
    bearer, basic = {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Basic eDp5"}
    assert outside.post("/api/v1/feed", headers=bearer).status_code == 200
    # A browser sends this by itself.
    assert outside.post("/api/v1/feed", headers=basic).status_code == 403


def counted(result):
    from streams import metrics

    return metrics.LOGINS.labels(result)._value.get()


def test_after_ten_wrong_tokens_an_address_waits_also_with_the_right_one_and_others_do_not():
    before = counted("refused"), counted("limited")
    asked = Settings(home="/nowhere", **OUTSIDE)
    app = Guard(_inner(), guard.names(asked), guard.login(asked))
    one, other = (
        TestClient(app, base_url="https://live", client=(peer, 5))
        for peer in ("10.0.0.8", "10.0.0.9")
    )
    for _ in range(login.FAILURES):
        assert one.get("/api/v1/feed", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert one.get("/api/v1/feed", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 401
    limited = one.post("/login", data={"token": TOKEN}, headers={"Origin": "https://live"})
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "60")
    assert (
        other.get("/api/v1/feed", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    )
    assert (counted("refused") - before[0], counted("limited") - before[1]) == (login.FAILURES, 2)


def test_addresses_that_fail_are_forgotten_before_they_fill_the_memory(monkeypatch):
    monkeypatch.setattr(login, "_REMEMBERED", 5)
    asked = Settings(home="/nowhere", **OUTSIDE)
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
    assert client("10.0.0.7", **behind).get("/api/v1/feed", headers=ann).status_code == 200
    assert client("10.0.1.7", **behind).get("/api/v1/feed", headers=ann).status_code == 401
    assert client("10.0.0.7", **behind).get("/api/v1/feed").status_code == 401
    assert client("10.0.0.7", **behind).get("/api/v1/feed", headers=nobody).status_code == 401
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


# --- roles --------------------------------------------------------------------------------------


@pytest.fixture
def tokens(tmp_path):
    return Tokens(tmp_path / "tokens")


def named(tokens, peer="127.0.0.1", base="https://live", **settings):
    """Return a client of a page whose tokens are those of a file, and of no other."""
    asked = {"host": "0.0.0.0", "allowed_hosts": "live", "tokens_file": tokens.path}
    return client(peer, base, **{**asked, **settings})


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


# What each role sees of the page; the API's routes are in test_api.
ROUTES = [
    ("/", True, True),
    ("/api/v1/feed", True, True),  # the API judges for itself
    ("/leads/1", False, True),
    ("/stalled.csv", False, True),
    ("/leads", False, True),
    ("/find", False, True),
    ("/work", False, True),
]


@pytest.mark.parametrize(("path", "viewer", "details"), ROUTES)
def test_a_viewer_sees_no_leads_and_whoever_has_lead_details_sees_all(
    tokens, path, viewer, details
):
    made = {role: tokens.add(role, role) for role in ("viewer", "lead_details")}
    page = named(tokens)
    for role, sees in (("viewer", viewer), ("lead_details", details)):
        answer = page.get(path, headers=bearer(made[role]))
        assert (answer.status_code != 403) is sees
        assert sees or "lead_details" in answer.text
    assert page.get(path).status_code == 401


def test_a_session_has_the_role_of_its_token_and_ends_when_the_token_is_withdrawn(tokens):
    page = named(tokens, live_token=TOKEN)
    token = tokens.add("ann", "viewer")  # no restart: the file is read again
    origin = {"Origin": "https://live"}
    assert page.post("/login", data={"token": token}, headers=origin).status_code == 303
    assert page.get("/").status_code == 200
    assert page.get("/leads/1").status_code == 403
    tokens.add("bob", "viewer")
    assert page.get("/").status_code == 200
    tokens.add("ann", "lead_details")  # another token of the same name
    assert page.get("/").status_code == 401


def test_signing_out_ends_the_session_for_whoever_kept_its_cookie(tokens):
    token = tokens.add("ann", "lead_details")
    page, origin = named(tokens), {"Origin": "https://live"}
    page.post("/login", data={"token": token}, headers=origin)
    kept = {"Cookie": f"{login.COOKIE}={page.cookies[login.COOKIE]}"}
    assert page.get("/logout").status_code == 405
    assert page.post("/logout").status_code == 403  # another site's form has another origin
    evil = {"Origin": "https://evil.example"}
    assert page.post("/logout", headers=evil).status_code == 403
    assert page.get("/", headers=kept).status_code == 200
    out = page.post("/logout", headers=origin)
    assert (out.status_code, out.headers["location"]) == (303, "/login")
    assert page.get("/", headers=kept).status_code == 401


def test_another_sites_form_signs_nobody_in_with_a_token_of_its_own(tokens):
    token = tokens.add("eve", "viewer")
    page = named(tokens)
    for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        answer = page.post("/login", data={"token": token}, headers=headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


def test_a_role_in_a_cookie_or_header_of_ones_own_is_nobodys_word(tokens):
    token = tokens.add("ann", "viewer")
    page, origin = named(tokens), {"Origin": "https://live"}
    page.post("/login", data={"token": token}, headers=origin)
    value = page.cookies.pop(login.COOKIE)
    (ann,) = tokens.entries()
    tokens.add("bob", "lead_details")
    bob = next(one for one in tokens.entries() if one.name == "bob")
    for forged in (value.replace(ann.key, bob.key), f"{bob.key}:x.y.z", value[::-1]):
        cookie = {"Cookie": f"{login.COOKIE}={forged}"}
        assert page.get("/leads/1", headers=cookie).status_code == 401
    for name in ("leadstream.role", "X-Role", "X-Forwarded-User"):
        headers = {**bearer(token), name: "lead_details"}
        assert page.get("/leads/1", headers=headers).status_code == 403


def test_whom_a_proxy_names_has_the_role_that_settings_give_and_only_from_the_proxy(tokens):
    behind = {"trusted_proxy_header": "X-User", "trusted_proxies": "10.0.0.0/24"}
    behind["trusted_proxy_details"] = "ann, eve"
    ann, bob = {"X-User": "ann"}, {"X-User": "bob"}
    page = named(tokens, "10.0.0.7", **behind)
    assert page.get("/leads/1", headers=ann).status_code == 200
    assert (
        page.get("/leads/1", headers=bob).status_code,
        page.get("/", headers=bob).status_code,
    ) == (403, 200)
    assert page.get("/leads/1", headers=[*ann.items(), *bob.items()]).status_code == 401
    assert named(tokens, "10.0.1.7", **behind).get("/leads/1", headers=ann).status_code == 401
    all_of_them = named(tokens, "10.0.0.7", **behind, trusted_proxy_role="lead_details")
    assert all_of_them.get("/leads/1", headers=bob).status_code == 200


def test_a_token_is_compared_with_every_entry_in_constant_time_and_never_kept(tokens, monkeypatch):
    token = tokens.add("ann", "viewer")
    for name in ("bob", "cid"):
        tokens.add(name, "viewer")
    assert token not in tokens.path.read_text()
    assert tokens.path.stat().st_mode & 0o077 == 0
    compared = []
    real = hmac.compare_digest

    def compare(one, other):
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert match(tokens.entries(), token).name == "ann"
    assert match(tokens.entries(), "wrong" * 100) is None
    assert compared == [(64, 64)] * 6  # all entries, hashes of one length: right and wrong alike


def test_a_name_has_one_token_and_one_that_is_taken_out_opens_nothing(tokens):
    first, second = tokens.add("ann", "viewer"), tokens.add("ann", "lead_details")
    assert match(tokens.entries(), first) is None
    assert match(tokens.entries(), second).role == "lead_details"
    assert tokens.remove("ann")
    assert not tokens.remove("ann")
    assert tokens.entries() == ()


@pytest.mark.parametrize("name", ["", "a b", "a\nb viewer", "x" * 65, "ünal"])
def test_a_name_that_would_break_the_file_is_refused(tokens, name):
    with pytest.raises(BadTokens, match="like ann"):
        tokens.add(name, "viewer")


@pytest.mark.parametrize(
    "text",
    ["ann viewer secret", "ann boss " + "0" * 64, f"ann viewer {'0' * 64}\nann viewer {'1' * 64}"],
)
def test_a_file_that_is_none_is_refused_at_the_start_and_admits_nobody_later(tokens, text):
    with pytest.raises(BadTokens, match=r"line [12]") as refused:
        parse(text)
    assert "secret" not in str(refused.value)
    page = named(tokens, live_token=TOKEN)
    tokens.path.write_text(text)
    assert page.get("/", headers=bearer("0")).status_code == 401
    assert page.get("/", headers=bearer(TOKEN)).status_code == 200
    with pytest.raises(BadTokens):
        named(tokens)


def test_tokens_alone_are_a_login_outside_of_this_machine(tokens):
    with pytest.raises(Unprotected, match="leadstream token"):
        named(tokens)
    token = tokens.add("ann", "viewer")
    assert named(tokens).get("/", headers=bearer(token)).status_code == 200


def test_the_command_makes_a_token_shows_it_once_lists_names_and_takes_one_out(tmp_path):
    from typer.testing import CliRunner

    from streams.cli import main

    def run(*arguments):
        done = CliRunner().invoke(main.app, ["token", *arguments, "--home", str(tmp_path)])
        return done.exit_code, done.stdout

    tokens = Tokens(tmp_path / "tokens")
    assert "there are no tokens" in run()[1]
    token = run("ann")[1].splitlines()[0]
    assert match(tokens.entries(), token)[:2] == ("ann", "viewer")
    run("bob", "--role", "lead_details")
    code, listed = run()
    assert (code, listed.split()) == (0, ["viewer", "ann", "lead_details", "bob"])
    assert token not in listed
    assert run("cid", "--role", "boss")[0] == 2
    assert "opens nothing any more" in run("ann", "--revoke")[1]
    assert match(tokens.entries(), token) is None
    assert run("ann", "--revoke")[0] == 1
