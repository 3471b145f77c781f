"""A vendor's API on loopback: real sockets, and for each path what it answers next."""

import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import orjson

from tests.support import retrieving


def until(condition, what, seconds=30.0):
    """Wait for a condition, within a limit."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"no {what} within {seconds} s"
        time.sleep(0.02)


class Reply(NamedTuple):
    status: int = 200
    value: object = None
    headers: tuple = ()
    seconds: float = 0.0  # before it answers
    drips: float = 0.0  # seconds between the bytes of the body
    hangs_up: bool = False


class Api:
    """Answers as `vendor` does: `tokens` are good ones, `script` holds first answers by path."""

    def __init__(self, vendor, tokens=("good",)):
        self.vendor, self.tokens, self.script, self.asked = vendor, set(tokens), {}, []
        self._end = threading.Event()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                with contextlib.suppress(OSError):  # who asks may have given up
                    api._answer(self)

            def log_message(self, *_arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def paths(self):
        return [path for _, path, _ in self.asked]

    def _answer(self, request):
        path = request.path.partition("?")[0]
        self.asked.append((time.monotonic(), path, dict(request.headers)))
        queued = self.script.get(path) or self.script.get("*")
        reply = queued.pop(0) if queued else self._usual(request, path)
        self._end.wait(reply.seconds)
        if reply.hangs_up:
            request.close_connection = True
            return
        body = reply.value if isinstance(reply.value, bytes) else orjson.dumps(reply.value)
        request.send_response(reply.status)
        for name, value in (*reply.headers, ("Content-Length", str(len(body)))):
            request.send_header(name, value)
        request.end_headers()
        for place in range(0, len(body), 1 if reply.drips else max(1, len(body))):
            request.wfile.write(body[place : place + 1] if reply.drips else body)
            if self._end.wait(reply.drips):
                return

    def _usual(self, request, path):
        if request.headers["Authorization"].removeprefix("Bearer ") not in self.tokens:
            return Reply(401, {"message": "no"})
        return Reply(200, retrieving.answer(self.vendor, path))

    def close(self):
        self._end.set()
        self._server.shutdown()
        self._server.server_close()
