"""A mail server and a CRM of a test's own, on loopback: what they took, and how they answer."""

import email
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
from aiosmtpd.controller import Controller

from streams.embedded.home import free_port


class Mailbox:
    """What an SMTP server took. While `away`, it refuses."""

    def __init__(self):
        self.mails, self.away, self.tried_ids = [], False, []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's own name
        mail = email.message_from_bytes(envelope.content)
        self.tried_ids.append(mail["Message-ID"])
        if self.away:
            return "451 not now"
        self.mails.append(mail)
        return "250 OK"

    def ids(self):
        return [one["Message-ID"] for one in self.mails]


@contextmanager
def mail_server():
    """Serve; yield the mailbox, with the URL by which apprise reaches it as `url`."""
    box = Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=free_port())
    server.start()
    box.url = f"mailto://127.0.0.1:{server.port}?from=leadstream@example.com"
    try:
        yield box
    finally:
        server.stop()


class Hook:
    """What was posted, with headers. `answers` are the next statuses; then it answers 204."""

    def __init__(self):
        self.posts, self.answers, self.given = [], [], []

    def ids(self):
        return [headers["Idempotency-Key"] for headers, _ in self.posts]

    def answered(self, status):
        return self.given.count(status)

    def bodies(self):
        return [orjson.loads(body) for _, body in self.posts]


@contextmanager
def web_server():
    """Serve; yield the hook, with its address as `url`."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.posts.append((self.headers, body))
            hook.given.append(hook.answers.pop(0) if hook.answers else 204)
            self.send_response(hook.given[-1])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hook.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
