"""The outermost layer of the application: what is decided by address and headers alone.

Pure ASGI, so that it holds under every server and in tests without one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams import metrics

from .buckets import Buckets, network
from .problems import MEDIA_TYPE, document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from streams.settings import Settings

_PROBES = ("/healthz", "/readyz")  # a flood must not make a supervisor think that we are dead


class Edge:
    """Bounds headers and rates, takes paths with a slash behind them, and counts every answer."""

    def __init__(self, app: ASGIApp, settings: Settings, sources: Mapping[str, str]) -> None:
        """Wrap an application; `sources` are the names of sources by path."""
        self.app, self.settings, self.sources = app, settings, sources
        self.addresses = Buckets(settings.address_rate, settings.address_burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what goes no further, else call the application."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        if len(path) > 1 and path.endswith("/"):
            path = scope["path"] = path.rstrip("/") or "/"
        source = self.sources.get(path) if scope["method"] == "POST" else None
        status = 0

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal:
                await _answer(counted, *refusal)
            else:
                await self.app(scope, _watched(receive, scope), counted)
        finally:
            if source:
                hung_up = scope.get("leadstream.hung_up") or not status
                metrics.ACCEPTED.labels(source, "disconnected" if hung_up else str(status)).inc()

    def _refusal(self, scope: Scope) -> tuple[int, str, int] | None:
        """Return status, detail and seconds to wait, where a request goes no further."""
        wait = 0
        if scope["path"] not in _PROBES:
            client = scope.get("client") or ("",)
            wait = self.addresses.wait(network(str(client[0])))
        if wait:
            metrics.TURNED_AWAY.labels("address_rate").inc()
            return 429, f"too many requests of this address; come back in {wait} s", wait
        headers = scope["headers"]
        size = len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"")
        size += sum(len(name) + len(value) for name, value in headers)
        most, many = self.settings.max_header_bytes, self.settings.max_headers
        if size > most or len(headers) > many:
            metrics.TURNED_AWAY.labels("header_bytes").inc()
            return 431, f"at most {many} headers of {most} bytes together, address included", 0
        return None


def _watched(receive: Receive, scope: Scope) -> Receive:
    """Return a `receive` that notes in the scope when the client hangs up."""

    async def watched() -> Message:
        message = await receive()
        if message["type"] == "http.disconnect":
            scope["leadstream.hung_up"] = True
        return message

    return watched


async def _answer(send: Send, status: int, detail: str, wait: int) -> None:
    content = document(status, detail)
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(content)).encode()),
    ]
    if wait:
        headers.append((b"retry-after", str(wait).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
