"""What a process reports over HTTP: /healthz (it lives), /readyz (it does its work), /metrics.

Served by a thread of its own, so that a process whose event loop stands still answers, and reports
that. `beat` is called by whatever must not stand still; an old beat is a process that hangs.
"""

from __future__ import annotations

import socket
import threading
import time
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import orjson
from prometheus_client import make_wsgi_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BEAT_SECONDS = 1.0
FRESH_SECONDS = 10.0
HANGS, WAITS = "hangs", "waits"


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = 5.0  # for a client that sends nothing

    def log_message(self, *_arguments: Any) -> None:
        """Log nothing: a probe a second would fill the log."""


class Probe:
    """The answers of one process."""

    def __init__(
        self,
        waits_for: Callable[[], str] = lambda: "",
        fresh_seconds: float = FRESH_SECONDS,
        before_metrics: Callable[[], None] = lambda: None,
    ) -> None:
        """Take `waits_for`, which names what the process waits for, or nothing once it is ready."""
        self._waits_for, self._fresh, self._before_metrics = (
            waits_for,
            fresh_seconds,
            before_metrics,
        )
        self._beat = time.monotonic()
        self._server: WSGIServer | None = None

    def beat(self) -> None:
        """Note that the process goes on."""
        self._beat = time.monotonic()

    def age(self) -> float:
        """Return how old the last beat is (seconds)."""
        return time.monotonic() - self._beat

    def hangs(self) -> str:
        """Return why the process counts as hanging, or nothing."""
        age = self.age()
        return f"nothing has moved for {age:.0f} s" if age > self._fresh else ""

    def serve(self, port: int, host: str = "127.0.0.1") -> None:
        """Serve from a thread until the process ends, or `close`."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server = type("_Server", (_Server,), {"address_family": family})
        self._server = make_server(host, port, self._application(), server, handler_class=_Quiet)
        threading.Thread(target=self._server.serve_forever, name="probe", daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def _application(self) -> Callable[..., Iterable[bytes]]:
        metrics = make_wsgi_app()

        def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            match environ["PATH_INFO"]:
                case "/healthz":
                    return _say(start, HANGS, self.hangs())
                case "/readyz":
                    hangs = self.hangs()
                    return _say(start, HANGS if hangs else WAITS, hangs or self._ready())
                case "/metrics":
                    self._before_metrics()
                    found: Iterable[bytes] = metrics(environ, start)
                    return found
                case _:
                    start("404 Not Found", [("Content-Type", "text/plain")])
                    return [b"/healthz, /readyz or /metrics\n"]

        return answer

    def _ready(self) -> str:
        try:
            return self._waits_for()
        except Exception as error:  # noqa: BLE001 - what can't be asked is not ready, and says why
            return f"{type(error).__name__}: {error}"


def _say(start: Callable[..., Any], status: str, wrong: str) -> Iterable[bytes]:
    start("503 Service Unavailable" if wrong else "200 OK", [("Content-Type", "application/json")])
    return [orjson.dumps({"status": status, "reason": wrong} if wrong else {"status": "ok"})]
