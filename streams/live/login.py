"""The live page's login: a token, typed once a session or sent as a bearer, or a trusted proxy.

There are no accounts and no passwords. The installation's own token (LEADSTREAM_LIVE_TOKEN) shows
all; `leadstream token` makes others, each with a name and a role (tokens.py). A trusted proxy that
knows who asks states the name in a header, and settings say what such a name may see.

A session is a signed cookie that names its token's entry: it ends after its time, by signing out,
and when the token is withdrawn or replaced. Only what was signed out is kept here.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import secrets
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs

from itsdangerous import BadSignature, TimestampSigner
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from streams import metrics

from .tokens import Entry, Role, Tokens, entry, match

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PATH = "/login"
OUT = "/logout"
COOKIE = "leadstream_session"
SESSION_SECONDS = 12 * 3_600
FAILURES, WINDOW_SECONDS = 10, 60.0  # wrong tokens from one address before it has to wait
_REMEMBERED = 10_000  # addresses, and sessions that were signed out
OWN = "leadstream"  # the name of the installation's own token
_FORM_BYTES = 4_096
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>leadstream: sign in</title><style>:root{color-scheme:light dark;font-family:sans-serif}
body{display:grid;place-items:center;min-height:90vh}form{display:grid;gap:1em;width:20em}</style>
<form method="post" action="/login"><h1>leadstream</h1><p role="status">%s</p>
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" autofocus required>
<button>Sign in</button></form></html>"""
_AGAIN = "That token is not the one: ask whoever runs leadstream for yours."
_WAIT = "Too many wrong tokens came from your address: wait a minute."


class Visitor(NamedTuple):
    """Who asks, what they may see, and until when (unix seconds)."""

    name: str
    role: Role
    until: float
    session: str = ""  # of a session: what names it


class Proxy(NamedTuple):
    """A proxy of one's own that states who asks, in a header that is believed from `networks` only.

    Whoever it names has `role`; those in `details` have lead details.
    """

    header: str = ""
    networks: tuple[Network, ...] = ()
    role: Role = "viewer"
    details: frozenset[str] = frozenset()


class Login:
    """Decides who asks. It keeps the count of failures, and which sessions were signed out."""

    def __init__(self, token: str, proxy: Proxy, tokens: Tokens) -> None:
        """Take the installation's own token, its proxy, and others' tokens; each may be empty."""
        self._proxy, self._tokens = proxy, tokens
        self._own = (entry(OWN, "lead_details", token),) if token else ()
        # Without a token of its own the installation's sessions end with the process.
        secret = token or secrets.token_urlsafe(32)
        self._signer = TimestampSigner(
            secret, salt="leadstream live session", digest_method=hashlib.sha256
        )
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()

    def _entries(self) -> tuple[Entry, ...]:
        return (*self._own, *self._tokens.entries())

    def visitor(self, scope: Scope) -> Visitor | None:
        """Return who asks, None for whoever did not sign in."""
        connection = HTTPConnection(scope)
        if visitor := self._by_proxy(connection):
            return visitor
        kind, _, token = connection.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            _, found = self._check(token.strip(), connection)
            return Visitor(found.name, found.role, math.inf) if found else None
        return self._session(connection.cookies.get(COOKIE, ""))

    def holds(self, visitor: Visitor) -> bool:
        """Return whether a session that began goes on: for a websocket, which asks only once."""
        if not visitor.session:
            return True
        goes_on = visitor.session not in self._ended and time.time() < visitor.until
        return goes_on and self._entry(visitor.session) is not None

    def _by_proxy(self, connection: HTTPConnection) -> Visitor | None:
        proxy = self._proxy
        if not proxy.header or not self._trusted(_peer(connection)):
            return None
        found = [one.strip() for one in connection.headers.getlist(proxy.header)]
        if len(found) != 1 or not found[0]:
            return None
        role: Role = "lead_details" if found[0] in proxy.details else proxy.role
        return Visitor(found[0], role, math.inf)

    def _trusted(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._proxy.networks)

    def _session(self, cookie: str) -> Visitor | None:
        if not cookie:
            return None
        try:
            signed, since = self._signer.unsign(
                cookie, max_age=SESSION_SECONDS, return_timestamp=True
            )
            session = signed.decode("ascii")
        except (BadSignature, UnicodeDecodeError):
            return None
        found = None if session in self._ended else self._entry(session)
        if found is None:
            return None
        return Visitor(found.name, found.role, since.timestamp() + SESSION_SECONDS, session)

    def _entry(self, session: str) -> Entry | None:
        key = session.partition(":")[0]
        return next((one for one in self._entries() if one.key == key), None)

    def _check(self, token: str, connection: HTTPConnection) -> tuple[str, Entry | None]:
        """Compare a token; after too many wrong ones it is `limited`, without a look at it."""
        address, now = self._address(connection), time.monotonic()
        count, since = self._failures.get(address, (0, now))
        if now - since > WINDOW_SECONDS:
            count, since = 0, now
        found = None
        if count >= FAILURES:
            result = "limited"
        else:
            found = match(self._entries(), token)
            result = "accepted" if found else "refused"
        if result == "refused":
            self._failures[address] = (count + 1, since)
            self._failures.move_to_end(address)
            while len(self._failures) > _REMEMBERED:
                self._failures.popitem(last=False)
        metrics.LOGINS.labels(result).inc()
        return result, found

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
        by_token = bool(self._entries())
        if by_token and wants_page:
            return RedirectResponse(PATH, 303)
        how = (
            "send `Authorization: Bearer <your token>`"
            if by_token
            else "come through the proxy that signs you in"
        )
        return PlainTextResponse(
            f"sign in first: {how}\n", 401, {"WWW-Authenticate": 'Bearer realm="leadstream"'}
        )

    async def form(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the form, and take what was typed into it."""
        request = Request(scope, receive)
        by_token = bool(self._entries())
        if not by_token or request.method not in ("GET", "HEAD", "POST"):
            answer: Response = PlainTextResponse(
                "there is no form here\n", 405 if by_token else 404
            )
        elif request.method == "POST":
            answer = await self._typed(request)
        else:
            answer = HTMLResponse(_PAGE % "Figures of people's work: sign in to see them.")
        answer.headers["Cache-Control"] = "no-store"
        await answer(scope, receive, send)

    async def out(self, scope: Scope, receive: Receive, send: Send) -> None:
        """End a session, and everything that it opened."""
        request = Request(scope, receive)
        if request.method == "POST":
            visitor = self._session(request.cookies.get(COOKIE, ""))
            if visitor:
                self._ended[visitor.session] = None
                while len(self._ended) > _REMEMBERED:
                    self._ended.popitem(last=False)
            answer: Response = RedirectResponse(PATH, 303)
            answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        else:
            answer = PlainTextResponse("post here to sign out\n", 405, {"Allow": "POST"})
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
        result, found = self._check(token, request)
        if found is None:
            if result == "limited":
                return HTMLResponse(_PAGE % _WAIT, 429, {"Retry-After": str(int(WINDOW_SECONDS))})
            return HTMLResponse(_PAGE % _AGAIN, 401)
        answer: Response = RedirectResponse("/", 303)
        value = self._signer.sign(f"{found.key}:{secrets.token_urlsafe(12)}").decode()
        answer.set_cookie(
            COOKIE,
            value,
            SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            secure=self._encrypted(request),
        )
        return answer

    def _encrypted(self, request: Request) -> bool:
        forwarded = (
            request.headers.get("x-forwarded-proto", "") if self._trusted(_peer(request)) else ""
        )
        return "https" in (request.url.scheme, forwarded.rpartition(",")[2].strip().lower())


def _peer(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client else ""
