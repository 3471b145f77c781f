"""The gateway's side of a connection: bounds that hold before there is a request.

uvicorn speaks HTTP by h11 and leaves a connection that sends nothing, or a header a minute, open
for as long as it likes. Here every phase has an end:

    phase     what is awaited                          ends after          by
    HEAD      the rest of a request line and headers   header_seconds      408, or silence
    (body)    the rest of a body that a route reads    body_seconds        408, by bodies.py
    (answer)  Kafka                                    publishing.py       202, 503
    DRAIN     the rest of a body that nobody reads     DRAIN_SECONDS       closing
    IDLE      the next request                         keep_alive_seconds  closing
    (writing) the client that does not read            WRITE_SECONDS       aborting

A refusal is written, our side is closed, and what still arrives is thrown away for DRAIN_SECONDS:
closing at once would reset the connection, and the client would never read why. No client can make
this module log: what is turned away is counted.

h11 is chosen over httptools, which is faster by 0.1 ms a request, because it is strict, buffers no
pipelined requests, and is always installed.
"""

from __future__ import annotations

import enum
import sys
from typing import TYPE_CHECKING, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from streams import metrics

from .buckets import network
from .problems import MEDIA_TYPE, document

if TYPE_CHECKING:
    import asyncio

    from streams.settings import Settings

DRAIN_SECONDS = 3.0
WRITE_SECONDS = 10.0
_REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


class Phase(enum.Enum):
    """What a connection waits for, as far as this module ends it."""

    BUSY = enum.auto()
    HEAD = enum.auto()
    IDLE = enum.auto()
    DRAIN = enum.auto()


class Clients:
    """Open connections, in all and by client."""

    def __init__(self, most: int, most_each: int) -> None:
        """Start with none."""
        self.most, self.most_each = most, most_each
        self.total = 0
        self.by_client: dict[str, int] = {}

    def enter(self, client: str) -> str:
        """Count a connection and return "", or return the name of the bound that it would break."""
        if self.total >= self.most:
            return "connections"
        if self.by_client.get(client, 0) >= self.most_each:
            return "connections_per_address"
        self.total += 1
        self.by_client[client] = self.by_client.get(client, 0) + 1
        return ""

    def leave(self, client: str) -> None:
        """Count a connection as closed."""
        self.total -= 1
        self.by_client[client] -= 1
        if not self.by_client[client]:
            del self.by_client[client]


class Connection(H11Protocol):
    """One connection. `bounded` makes the class for the settings of a process."""

    settings: ClassVar[Settings]
    clients: ClassVar[Clients]

    _phase = Phase.BUSY
    _timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None
    _client: str | None = None  # set while the connection is counted
    _ended = False  # refused or closing: what arrives is thrown away
    _heard = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, or turn it away."""
        super().connection_made(transport)
        client = network(self.client[0] if self.client else "")
        bound = self.clients.enter(client)
        if bound:
            alone = bound == "connections_per_address"
            detail = "too many connections of this address" if alone else "too many connections"
            self._refuse(429 if alone else 503, bound, f"{detail}; close some, or come back")
            self._close()
            return
        self._client = client
        self._enter(Phase.HEAD, self.settings.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        for timer in (self._timer, self._write_timer):
            if timer:
                timer.cancel()
        if self._client is not None:
            self.clients.leave(self._client)
            self._client = None
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, but not for whoever was refused."""
        if self._ended:
            return
        self._heard = True
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Start to wait for the next request, or for the end of a body that nobody reads."""
        super().on_response_complete()
        self._watch()

    # ---------------------------------------------------------------- phases
    def _watch(self) -> None:
        if self._ended:
            return
        if self.transport.is_closing():  # uvicorn closed it, and waits for what is unwritten
            self._close()
        elif self.cycle is not None and not self.cycle.response_complete:
            self._enter(Phase.BUSY, None)
        elif self.conn.their_state is h11.SEND_BODY:
            self._enter(Phase.DRAIN, DRAIN_SECONDS)
        elif self.conn.trailing_data[0] or self.cycle is None:
            self._enter(Phase.HEAD, self.settings.header_seconds)
        else:
            self._enter(Phase.IDLE, self.settings.keep_alive_seconds)

    def _enter(self, phase: Phase, seconds: float | None) -> None:
        if phase is self._phase:
            return  # a phase ends by its first moment, however often something arrives in it
        self._phase = phase
        if self._timer:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._expire) if seconds else None

    def _expire(self) -> None:
        if self._phase is Phase.HEAD and self._heard:
            seconds = f"{self.settings.header_seconds:g}"
            self._refuse(408, "header_seconds", f"the headers did not arrive within {seconds} s")
            return
        if self._phase is Phase.DRAIN and not self._ended:
            metrics.TURNED_AWAY.labels("unread_body").inc()
        self._close()

    # ---------------------------------------------------------------- ends
    def _refuse(self, status: int, reason: str, detail: str) -> None:
        """Write a refusal where no answer was begun, then throw away what still arrives."""
        metrics.TURNED_AWAY.labels(reason).inc()
        answering = self.cycle is not None and not self.cycle.response_complete
        self._end_cycle()
        self._ended = True
        if answering and self.cycle.response_started:
            self._close()
            return
        content = document(status, detail)
        retry = "retry-after: 2\r\n" if status in (429, 503) else ""
        self.transport.write(
            f"HTTP/1.1 {status} {_REASONS.get(status, 'Refused')}\r\n"
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(content)}\r\n"
            f"{retry}connection: close\r\n\r\n".encode()
            + content
        )
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._phase = Phase.BUSY
        self._enter(Phase.DRAIN, DRAIN_SECONDS)

    def _end_cycle(self) -> None:
        """Let the application see the end now: what it would still write must not reach h11."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _close(self) -> None:
        """Close, and do not wait for a client that reads nothing."""
        self._ended = True
        self._end_cycle()
        self.transport.close()
        if self._timer:
            self._timer.cancel()
        self._timer = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own text says nothing
        """Refuse what is no HTTP; h11 knows whether it is the size or the shape."""
        if getattr(sys.exc_info()[1], "error_status_hint", 400) == 431:
            most = self.settings.max_header_bytes
            self._refuse(431, "header_bytes", f"the headers are larger than {most} bytes")
        else:  # also an unknown Transfer-Encoding, h11's 501: it is the sender's to change
            self._refuse(400, "malformed", "this is no HTTP request that can be read")

    def timeout_keep_alive_handler(self) -> None:
        """Leave it to the phases: uvicorn's timer is put off by every byte."""

    def shutdown(self) -> None:
        """End between two requests, or after the one that is answered."""
        if self.cycle is None or self.cycle.response_complete:
            self._close()
        else:
            self.cycle.keep_alive = False

    def _unsupported_upgrade_warning(self) -> None:
        metrics.TURNED_AWAY.labels("upgrade").inc()  # it is answered as if it had not asked

    # ---------------------------------------------------------------- writing
    def pause_writing(self) -> None:
        """Start the limit for a client that does not read its answer."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(WRITE_SECONDS, self._abort)

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        if self._write_timer:
            self._write_timer.cancel()

    def _abort(self) -> None:
        metrics.TURNED_AWAY.labels("unread_answer").inc()
        self._end_cycle()
        self._ended = True
        self.transport.abort()


def bounded(settings: Settings) -> type[Connection]:
    """Return the protocol class of a gateway process."""
    clients = Clients(settings.max_connections, settings.max_connections_per_address)
    return type("BoundedConnection", (Connection,), {"settings": settings, "clients": clients})
