"""Who may speak to the live page: one ASGI middleware before all else, for HTTP and websockets.

A page on loopback is not out of reach. Any site that a person opens can send requests to 127.0.0.1,
and under a name that it rebinds to 127.0.0.1 it could read the answers too. So the name asked for
(Host) must be one of ours; a request of another origin is refused, whatever it asks; a websocket
and whatever is not a simple GET must name its origin. No answer allows another origin anything,
also where NiceGUI would (its socket.io allows all). Reached from outside of this machine the page
needs a login (login.py).

Whoever is signed in has a role: a viewer sees figures, and neither leads nor owners' lists. The
role stands in the scope (`ROLE`) for whoever draws an answer. On this machine, without a login,
all is shown.

Open without a login are the form itself, /healthz and /readyz (they answer ok or not, whatever name
a probe asks for) and /metrics (numbers by stage and team, no person; Prometheus asks for it by a
name in LEADSTREAM_ALLOWED_HOSTS).
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import secrets
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

from schemas.errors import LeadstreamError
from streams import metrics

from .login import OUT, Login, Proxy, Visitor
from .login import PATH as LOGIN
from .tokens import Tokens

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from streams.settings import Settings

PROBES = ("/healthz", "/readyz")
OPEN = (*PROBES, "/metrics", LOGIN)
ROLE = "leadstream.role"  # in the scope: what whoever asks may see
SESSION = "leadstream.session"  # in the scope: whether they signed in, and so may sign out
# The page's addresses that show leads; the API judges its own routes.
OF_LEADS = ("/leads", "/work", "/stalled.csv", "/find")
LOOK_SECONDS = 5.0  # how often a websocket's session is looked at
NONCE = "leadstream.nonce"  # in the scope: what marks a script as ours
SHORTEST_TOKEN = 16
_HOST = re.compile(
    r"(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)\.?(?::([0-9]{1,5}))?", re.IGNORECASE
)
_PORTS = {"http": 80, "https": 443}
_DIRECTIVES = (
    "default-src 'none'",
    # Inline scripts only of the page itself, each by its nonce. Vue compiles templates, and NiceGUI
    # runs what the server sends, by `new Function`.
    "script-src 'self' 'nonce-{nonce}' 'unsafe-eval'",
    # Quasar and Tailwind set styles of elements, and add style sheets as they meet classes.
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",  # NiceGUI's icons
    "font-src 'self'",
    "connect-src 'self'",  # NiceGUI's websocket
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
)
_POLICY = "; ".join(_DIRECTIVES)
_NO_LEADS = "your token shows figures: leads need one of the role lead_details\n"
_HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # With no-referrer a browser sends the login form's origin as `null`.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Unprotected(LeadstreamError, ValueError):  # noqa: N818 - it names the state that nobody may start
    """The page would be open to others; the text has what to set."""


class _Place(NamedTuple):
    """A host's name and port; None is the scheme's own."""

    name: str
    port: int | None


def _place(text: str) -> _Place | None:
    found = _HOST.fullmatch(text)
    if not found or (found[2] and int(found[2]) > 65_535):
        return None
    name = found[1].lower()
    try:
        name = str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        if name.startswith("["):
            return None
    return _Place(name, int(found[2]) if found[2] else None)


def loopback(name: str) -> bool:
    """Return whether only this machine reaches itself by that name."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _words(text: str) -> list[str]:
    return [word for word in map(str.strip, text.split(",")) if word]


def names(settings: Settings) -> frozenset[str]:
    """Return the page's names besides loopback's: the allowed ones, and the bound address.

    Raises:
        Unprotected: one is no name.

    """
    found = set()
    for word in _words(settings.allowed_hosts):
        place = _place(word if word.count(":") < 2 or word.startswith("[") else f"[{word}]")
        if place is None or place.port is not None:
            raise Unprotected(
                f"LEADSTREAM_ALLOWED_HOSTS: {word!r} is no host name: "
                "write names without ports or *, with commas between"
            )
        found.add(place.name)
    if (bound := _bound(settings)) and not ipaddress.ip_address(bound).is_unspecified:
        found.add(bound)
    return frozenset(name for name in found if not loopback(name))


def _bound(settings: Settings) -> str:
    """Return the address that the page is bound to; empty for a name."""
    try:
        return str(ipaddress.ip_address(settings.host))
    except ValueError:
        return ""


def login(settings: Settings) -> Login | None:
    """Return the login that these settings ask for; None for a page that only this machine reaches.

    Raises:
        Unprotected: others reach the page and no login is set, or one is set that would not hold.

    """
    token = settings.live_token.get_secret_value()
    header, words = settings.trusted_proxy_header.strip(), _words(settings.trusted_proxies)
    tokens = Tokens(settings.tokens_path())
    if token and len(token) < SHORTEST_TOKEN:
        raise Unprotected(
            f"LEADSTREAM_LIVE_TOKEN is shorter than {SHORTEST_TOKEN} characters: "
            "make one by `openssl rand -hex 24`"
        )
    if bool(header) != bool(words):
        raise Unprotected(
            "LEADSTREAM_TRUSTED_PROXY_HEADER and LEADSTREAM_TRUSTED_PROXIES are set together, "
            "or neither is"
        )
    if header and not re.fullmatch(r"[A-Za-z0-9-]+", header):
        raise Unprotected(f"LEADSTREAM_TRUSTED_PROXY_HEADER: {header!r} is no header's name")
    try:
        proxies = tuple(ipaddress.ip_network(word) for word in words)
    except ValueError as error:
        raise Unprotected(
            f"LEADSTREAM_TRUSTED_PROXIES: {error}: write addresses or networks, with commas between"
        ) from error
    if any(not network.prefixlen for network in proxies):
        raise Unprotected(
            "LEADSTREAM_TRUSTED_PROXIES names every address, so anybody could send the header: "
            "name the proxy's"
        )
    try:
        entries = tokens.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Unprotected(f"LEADSTREAM_TOKENS_FILE cannot be read: {error}") from error
    if token or header or entries:
        details = frozenset(_words(settings.trusted_proxy_details))
        return Login(token, Proxy(header, proxies, settings.trusted_proxy_role, details), tokens)
    reached = sorted(names(settings)) or ([] if loopback(settings.host) else [settings.host])
    if reached:
        raise Unprotected(
            f"the live page would be open to whoever reaches {', '.join(reached)}: set "
            f"LEADSTREAM_LIVE_TOKEN (at least {SHORTEST_TOKEN} characters), make tokens by "
            "`leadstream token NAME`, or set LEADSTREAM_TRUSTED_PROXY_HEADER and "
            "LEADSTREAM_TRUSTED_PROXIES; or leave LEADSTREAM_HOST at 127.0.0.1 and "
            "LEADSTREAM_ALLOWED_HOSTS empty"
        )
    return None


def sees_leads(scope: Scope) -> bool:
    """Return whether whoever asks may see leads and whose they are."""
    return scope.get(ROLE) == "lead_details"


def has_session(scope: Scope) -> bool:
    """Return whether whoever asks signed in by the form, and so may sign out."""
    return bool(scope.get(SESSION))


def _of_leads(path: str) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in OF_LEADS)


class Guard:
    """The middleware. What it refuses is counted."""

    def __init__(
        self, app: ASGIApp, allowed: frozenset[str] = frozenset(), login: Login | None = None
    ) -> None:
        """Guard `app`. `allowed` are its names besides loopback's; without a login all pass."""
        self.app, self.allowed, self.login = app, allowed, login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        scope[NONCE] = nonce = secrets.token_urlsafe(16)
        send = _hardened(send, nonce)
        refusal = self._refusal(scope)
        if refusal:
            why, status, text = refusal
            metrics.LIVE_REFUSED.labels(why).inc()
            await _refuse(PlainTextResponse(f"{text}\n", status), scope, receive, send)
            return
        if self.login and scope["path"] == LOGIN and scope["type"] == "http":
            await self.login.form(scope, receive, send)
            return
        if self.login and scope["path"] == OUT and scope["type"] == "http":
            await self.login.out(scope, receive, send)
            return
        visitor = None
        if self.login and scope["path"] not in OPEN:
            visitor = self.login.visitor(scope)
            if visitor is None:
                metrics.LIVE_REFUSED.labels("login").inc()
                answer = (
                    self.login.ask(scope) if scope["type"] == "http" else PlainTextResponse("", 401)
                )
                await _refuse(answer, scope, receive, send)
                return
        scope[SESSION] = bool(visitor and visitor.session)
        scope[ROLE] = visitor.role if visitor else "viewer" if self.login else "lead_details"
        if _of_leads(scope["path"]) and not sees_leads(scope):
            metrics.LIVE_REFUSED.labels("role").inc()
            await _refuse(PlainTextResponse(_NO_LEADS, 403), scope, receive, send)
            return
        if scope["type"] == "websocket" and visitor:
            receive = self._ending(receive, visitor)
        await self.app(scope, receive, send)

    def _ending(self, receive: Receive, visitor: Visitor) -> Receive:
        """End a websocket with its session: the page lives by it, for as long as it is open."""
        coming: asyncio.Future[Message] | None = None

        async def wrapped() -> Message:
            nonlocal coming
            coming = coming or asyncio.ensure_future(receive())
            while self.login and self.login.holds(visitor):
                wait = min(LOOK_SECONDS, max(0.0, visitor.until - time.time()))
                if (await asyncio.wait({coming}, timeout=wait))[0]:
                    done, coming = coming, None
                    return done.result()
            coming.cancel()
            return {"type": "websocket.disconnect", "code": 1008}

        return wrapped

    def _refusal(self, scope: Scope) -> tuple[str, int, str] | None:
        """Return why a request is refused, the status and the text; None where it may go on."""
        if scope["path"] in PROBES:
            return None
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        host = _place(hosts[0]) if len(hosts) == 1 else None
        if host is None:
            return "host", 400, "the request names no host, or several"
        if not loopback(host.name) and host.name not in self.allowed:
            return (
                "host",
                421,
                "this page does not go by that name: add it to LEADSTREAM_ALLOWED_HOSTS",
            )
        if origins and (len(origins) > 1 or not self._same(origins[0], host)):
            return "origin", 403, "another site may not ask this page"
        simple = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        # No browser sends it by itself.
        bearer = headers.get("authorization", "").lower().startswith("bearer ")
        if not origins and not simple and not bearer:
            return "origin", 403, "a request that is not a simple GET says its Origin"
        site, followed = (
            headers.get("sec-fetch-site", "none"),
            headers.get("sec-fetch-mode") == "navigate",
        )
        if not origins and not followed and site not in ("none", "same-origin"):
            return "origin", 403, "another site may link to this page, and not use it"
        return None

    def _same(self, origin: str, host: _Place) -> bool:
        """Return whether an origin is this page.

        It is by the name and port asked for, or by an allowed name on its scheme's own port.
        """
        try:
            url = urlsplit(origin)
        except ValueError:
            return False
        place = _place(url.netloc)
        if url.scheme not in _PORTS or place is None or f"{url.scheme}://{url.netloc}" != origin:
            return False
        own = _PORTS[url.scheme]
        if (place.name, place.port or own) == (host.name, host.port or own):
            return True
        # A proxy asks by another name.
        return place.name in self.allowed and (place.port or own) == own


async def _refuse(
    answer: PlainTextResponse | object, scope: Scope, receive: Receive, send: Send
) -> None:
    if scope["type"] == "websocket":
        await receive()  # the handshake; closed before it was accepted, it is answered by 403
        await send({"type": "websocket.close", "code": 1008})
        return
    await answer(scope, receive, send)  # type: ignore[operator]


def _hardened(send: Send, nonce: str) -> Send:
    """Put our headers on every answer, and take off whatever allows another origin something."""

    async def wrapped(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept"):
            message.setdefault("headers", [])
            headers = MutableHeaders(scope=message)
            for name in set(headers.keys()):
                if name.startswith("access-control-"):
                    del headers[name]
            for name, value in _HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
            headers["Content-Security-Policy"] = _POLICY.format(nonce=nonce)
        await send(message)

    return wrapped


class Nonces:
    """Mark the scripts of the page's own HTML, so that no other runs. Works before compression.

    The HTML holds nothing from outside: figures come later, over the websocket.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap NiceGUI's application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Rewrite HTML, pass all else on."""
        if scope["type"] != "http" or NONCE not in scope:
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def wrapped(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_page(message):
                start = message
            elif start is not None and message["type"] == "http.response.body":
                body += message.get("body", b"")
                if not message.get("more_body"):
                    marked = body.replace(b"<script", f'<script nonce="{scope[NONCE]}"'.encode())
                    headers = MutableHeaders(scope=start)
                    headers["Content-Length"] = str(len(marked))
                    headers["Cache-Control"] = "no-store"
                    await send(start)
                    await send({**message, "body": marked})
            else:
                await send(message)

        await self.app(scope, receive, wrapped)


def _is_page(message: Message) -> bool:
    return Headers(scope=message).get("content-type", "").startswith("text/html")
