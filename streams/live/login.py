"""The live page's login: one token, typed once a session or sent as a bearer, or a trusted proxy.

There are no accounts: whoever has the token may see the page, and the page changes nothing. A
trusted proxy that knows who asks states it in a header. A session is a signed time in a cookie, so
nothing is kept here, and another token ends all sessions.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import secrets
import time
from collections import OrderedDict
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from itsdangerous import BadSignature, TimestampSigner
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from streams import metrics

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PATH = "/login"
COOKIE = "leadstream_session"
SESSION_SECONDS = 12 * 3_600
FAILURES, WINDOW_SECONDS = 10, 60.0  # wrong tokens from one address before it has to wait
_REMEMBERED = 10_000  # addresses
_FORM_BYTES = 4_096
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>leadstream: sign in</title><style>:root{color-scheme:light dark;font-family:sans-serif}
body{display:grid;place-items:center;min-height:90vh}form{display:grid;gap:1em;width:20em}</style>
<form method="post" action="/login"><h1>leadstream</h1><p role="status">%s</p>
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" autofocus required>
<button>Sign in</button></form></html>"""
_AGAIN = "That token is not the one that LEADSTREAM_LIVE_TOKEN holds."
_WAIT = "Too many wrong tokens came from your address: wait a minute."


class Login:
    """Decides whether a request may see the page. Pure but for the count of failures."""

    def __init__(self, token: str, header: str = "", proxies: tuple[Network, ...] = ()) -> None:
        """`header` is believed from `proxies` only; an empty token or header admits nobody."""
        self._token, self._header, self._proxies = token, header.lower(), proxies
        self._signer = (
            TimestampSigner(token, salt="leadstream live session", digest_method=hashlib.sha256)
            if token
            else None
        )
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def until(self, scope: Scope) -> float | None:
        """Return until when (unix seconds) a request may go on, None if it may not."""
        connection = HTTPConnection(scope)
        if self._by_proxy(connection):
            return math.inf
        kind, _, token = connection.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return math.inf if self._check(token.strip(), connection) == "accepted" else None
        return self._session(connection.cookies.get(COOKIE, ""))

    def _by_proxy(self, connection: HTTPConnection) -> bool:
        if not self._header or not self._trusted(_peer(connection)):
            return False
        found = connection.headers.getlist(self._header)
        return len(found) == 1 and bool(found[0].strip())

    def _trusted(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._proxies)

    def _session(self, cookie: str) -> float | None:
        if not self._signer or not cookie:
            return None
        try:
            _, since = self._signer.unsign(cookie, max_age=SESSION_SECONDS, return_timestamp=True)
        except BadSignature:
            return None
        return since.timestamp() + SESSION_SECONDS

    def _check(self, token: str, connection: HTTPConnection) -> str:
        """Compare a token; after too many wrong ones it is `limited`, without a look at it."""
        address, now = self._address(connection), time.monotonic()
        count, since = self._failures.get(address, (0, now))
        if now - since > WINDOW_SECONDS:
            count, since = 0, now
        if count >= FAILURES:
            result = "limited"
        else:
            made, given = (
                hashlib.sha256(text.encode(errors="replace")).digest()
                for text in (self._token, token)
            )
            result = "accepted" if self._token and hmac.compare_digest(made, given) else "refused"
        if result == "refused":
            self._failures[address] = (count + 1, since)
            self._failures.move_to_end(address)
            while len(self._failures) > _REMEMBERED:
                self._failures.popitem(last=False)
        metrics.LOGINS.labels(result).inc()
        return result

    def _address(self, connection: HTTPConnection) -> str:
        """Return the client's address, by a trusted proxy if there is one; of IPv6 the network."""
        peer = _peer(connection)
        if self._trusted(peer):
            peer = connection.headers.get("x-forwarded-for", peer).rpartition(",")[2].strip()
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return "unknown"
        return (
            str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else peer
        )

    def ask(self, scope: Scope) -> Response:
        """Answer a request that may not go on: people get the form, machines what they lack."""
        connection = HTTPConnection(scope)
        wants_page = scope["method"] == "GET" and "text/html" in connection.headers.get(
            "accept", ""
        )
        if self._token and wants_page:
            return RedirectResponse(PATH, 303)
        how = (
            "send `Authorization: Bearer <LEADSTREAM_LIVE_TOKEN>`"
            if self._token
            else "come through the proxy that signs you in"
        )
        return PlainTextResponse(
            f"sign in first: {how}\n", 401, {"WWW-Authenticate": 'Bearer realm="leadstream"'}
        )

    async def form(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the form, and take what was typed into it."""
        request = Request(scope, receive)
        if not self._token or request.method not in ("GET", "HEAD", "POST"):
            answer: Response = PlainTextResponse(
                "there is no form here\n", 405 if self._token else 404
            )
        elif request.method == "POST":
            answer = await self._typed(request)
        else:
            answer = HTMLResponse(_PAGE % "Figures of people's work: sign in to see them.")
        answer.headers["Cache-Control"] = "no-store"
        await answer(scope, receive, send)

    async def _typed(self, request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _FORM_BYTES:
                return PlainTextResponse("that is no token\n", 413)
        try:
            token = parse_qs(body.decode("ascii"), max_num_fields=5).get("token", [""])[0]
        except ValueError:
            return PlainTextResponse("that is no form\n", 400)
        match self._check(token, request):
            case "accepted" if self._signer:
                answer: Response = RedirectResponse("/", 303)
                value = self._signer.sign(secrets.token_urlsafe(12)).decode()
                answer.set_cookie(
                    COOKIE,
                    value,
                    SESSION_SECONDS,
                    httponly=True,
                    samesite="strict",
                    secure=self._encrypted(request),
                )
                return answer
            case "limited":
                return HTMLResponse(_PAGE % _WAIT, 429, {"Retry-After": str(int(WINDOW_SECONDS))})
            case _:
                return HTMLResponse(_PAGE % _AGAIN, 401)

    def _encrypted(self, request: Request) -> bool:
        forwarded = (
            request.headers.get("x-forwarded-proto", "") if self._trusted(_peer(request)) else ""
        )
        return "https" in (request.url.scheme, forwarded.rpartition(",")[2].strip().lower())


def _peer(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client else ""
