"""The gateway as a process, met by raw sockets: what holds before a request, and a fuzzer's finds.

No broker: the producer acknowledges at once (tests/attack/server.py). All bounds are small, so that
nobody waits.
"""

import contextlib
import gzip
import http.client
import json
import re
import signal
import socket

import httpx
import pytest

from streams.embedded.home import free_port
from tests.attack.server import SECRETS
from tests.support.gateway_process import LIMIT, Server

HEAD_SECONDS, BODY_SECONDS, IDLE_SECONDS, EACH = 0.6, 0.6, 1, 8
BOUNDS = {
    "LEADSTREAM_HEADER_SECONDS": str(HEAD_SECONDS),
    "LEADSTREAM_BODY_SECONDS": str(BODY_SECONDS),
    "LEADSTREAM_KEEP_ALIVE_SECONDS": str(IDLE_SECONDS),
    "LEADSTREAM_MAX_CONNECTIONS": "12",
    "LEADSTREAM_MAX_CONNECTIONS_PER_ADDRESS": str(EACH),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(
        tmp_path_factory.mktemp("gateway"), "-m", "tests.attack.server", "0.3", **BOUNDS
    )
    yield running
    running.end()
    assert "Traceback" not in running.log
    assert not re.search("WARNING|ERROR", running.log), running.log  # no stranger makes it log


def answer(connection):
    """Read until the other side closes; return the first answer's status, and all that came."""
    found = b""
    try:
        while chunk := connection.recv(65536):
            found += chunk
    except ConnectionResetError:
        pass
    return int(found.split()[1]) if found.startswith(b"HTTP/") else 0, found


def sent(server, raw, source="127.0.0.1"):
    """Send bytes; return the status of the first answer, and all of that answer."""
    with server.connect(source) as connection:
        connection.sendall(raw)
        found = http.client.HTTPResponse(connection)
        found.begin()
        return found.status, found.headers["content-type"], found.read()


def drip(server, start, more):
    """Send a start, then a byte each tenth of a second until the other side has enough."""
    with server.connect() as connection:
        connection.sendall(start)
        connection.settimeout(0.1)
        found = b""
        for _ in range(LIMIT * 10):
            try:
                chunk = connection.recv(65536)
                if not chunk:
                    return found
                found += chunk
            except TimeoutError:
                pass
            except OSError:
                return found
            with contextlib.suppress(OSError):
                connection.sendall(more)
    raise AssertionError("it drips for ever")


@pytest.mark.parametrize(("start", "more", "reason"), [
    (b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ", b"x", "header_seconds"),
    (b"", b"G", "header_seconds"),
    (b"POST /v1/segment HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", b"x", ""),
    (
        b"POST /v1/segment HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1\r\nx\r\n", "",
    ),
])  # fmt: skip
def test_what_drips_is_cut_with_408(server, start, more, reason):
    before = server.turned_away(reason)
    found = drip(server, start, more)
    assert found.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in found
    assert not reason or server.turned_away(reason) == before + 1


@pytest.mark.parametrize("start", [b"", b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_a_connection_that_says_nothing_is_closed(server, start):
    with server.connect() as connection:
        connection.sendall(start)
        assert answer(connection)[0] == (200 if start else 0)


def test_a_body_that_nobody_reads_is_not_read_for_ever(server):
    before = server.turned_away("unread_body")
    found = drip(
        server, b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", b"x"
    )
    assert found.startswith(b"HTTP/1.1 404 ")
    assert server.turned_away("unread_body") == before + 1


def test_a_large_body_is_answered_before_it_is_sent(server):
    with server.connect() as connection:
        connection.sendall(
            b"POST /v1/segment HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
            b"Content-Length: 9999999\r\n\r\n"
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
    with server.connect() as connection:
        chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
        connection.sendall(
            b"POST /v1/segment HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunk * 20
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_connections_are_bounded_for_an_address_and_in_all(server):
    def fill(source, many):
        made = [server.connect(source) for _ in range(many)]
        for one in made:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        return made, [one.recv(65536)[:12] for one in made]

    made, answers = fill("127.0.0.2", EACH + 2)
    others, other_answers = fill("127.0.0.3", 6)
    assert answers == [b"HTTP/1.1 200"] * EACH + [b"HTTP/1.1 429"] * 2
    assert other_answers == [b"HTTP/1.1 200"] * 4 + [b"HTTP/1.1 503"] * 2
    for one in made + others:
        one.close()
    Server.until(
        lambda: (
            sent(
                server,
                b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                "127.0.0.2",
            )[0]
            == 200
        ),
        "room",
    )


HTTP = b"POST /v1/segment HTTP/1.1\r\nHost: a\r\n"
MALFORMED = [
    (b"\x00" * 100 + b"\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n", 400),  # TLS
    (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 404),
    (HTTP + b"Content-Length: -5\r\n\r\n", 400),
    (HTTP + b"Content-Length: \xb2\r\n\r\n", 400),
    (HTTP + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
    (HTTP + b"Content-Length: " + b"9" * 20 + b"\r\n\r\n", 413),
    (HTTP + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    (HTTP + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 400),
    (HTTP + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (HTTP + b"X: " + b"x" * 20_000, 431),
    (HTTP + b"X: " + b"x" * 200_000 + b"\r\n\r\n", 431),
    (HTTP + b"".join(b"X-%d: 1\r\n" % n for n in range(150)) + b"Content-Length: 0\r\n\r\n", 431),
    (
        HTTP
        + b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n"
        + b"Content-Length: 0\r\n\r\n",
        401,
    ),
    (b"BREW /v1/segment HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    (b"GET http://b/healthz HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    (b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    (b"GET //evil.example/%2e%2e/ HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    (
        b"POST /v1/hubspot HTTP/1.1\r\nHost: [\xff]:x\r\n"
        b"X-HubSpot-Request-Timestamp: \xb2\r\nContent-Length: 0\r\n\r\n",
        401,
    ),
    (b"POST /v1/hubspot?\x80 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 400),
    (
        b"POST /v1/events HTTP/1.1\r\nHost: a\r\n"
        b"Authorization: Bearer \xff\xb2\r\nContent-Length: 0\r\n\r\n",
        401,
    ),
    (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 500, 200),  # pipelined, and answered one by one
]


@pytest.mark.parametrize(("raw", "status"), MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_request_of_ours_is_a_refusal_that_can_be_read(server, raw, status):
    found, kind, answered = sent(server, raw)
    assert found == status, answered[:300]
    if status != 200:
        assert kind == "application/problem+json"
        assert json.loads(answered)["status"] == status


def test_a_client_that_does_not_read_or_hangs_up_holds_nothing(server):
    with server.connect() as connection:
        connection.sendall(HTTP + b"Content-Length: 1000\r\n\r\nhalf")
    many = server.connect()
    many.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    many.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 50)
    many.close()
    Server.until(
        lambda: (
            'bodies_total{source="segment",status="disconnected"}'
            in httpx.get(f"{server.base}/metrics").text
        ),
        "the count",
    )
    assert server.lives()


def test_garbage_behind_an_early_answer_ends_the_connection_and_nothing_else(server):
    with server.connect() as connection:
        connection.sendall(
            b"POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 404")
        connection.sendall(b"zz\r\n\r\n")
        answer(connection)
    assert server.lives()


def test_a_gzip_bomb_is_refused_before_and_after_its_sender_is_known(server):
    bomb = gzip.compress(bytes(30_000_000))
    for headers, path in (
        ({}, "/v1/google"),
        ({"Authorization": f"Bearer {SECRETS['LEADSTREAM_INGEST_TOKEN']}"}, "/v1/events"),
    ):
        found = httpx.post(
            f"{server.base}{path}", content=bomb, headers={**headers, "Content-Encoding": "gzip"}
        )
        assert found.status_code == 413


def test_the_real_command_answers_while_no_broker_is_there_and_says_so(tmp_path):
    running = Server(
        tmp_path, "-m", "streams.cli.main", "gateway", LEADSTREAM_BROKERS=f"127.0.0.1:{free_port()}"
    )
    try:
        assert httpx.get(f"{running.base}/readyz").status_code == 503
        token = {"Authorization": f"Bearer {SECRETS['LEADSTREAM_INGEST_TOKEN']}"}
        found = httpx.post(f"{running.base}/v1/salesforce", content=b"{}", headers=token)
        assert (found.status_code, found.headers["retry-after"]) == (503, "2")
    finally:
        running.end()
    assert running.process.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in running.log
