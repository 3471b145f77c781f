"""What tests share of gateway attack."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import httpx

from streams.embedded.home import free_port
from tests.attack.server import SECRETS
from tests.conftest import ROOT

LIMIT = 30  # seconds that anything may take


class Server:
    def __init__(self, folder, *command, **environment):
        self.port, self.path = free_port(), folder / "gateway.log"
        own = {
            name: value for name, value in os.environ.items() if not name.startswith("LEADSTREAM_")
        }
        own |= {**SECRETS, "LEADSTREAM_PORT": str(self.port), **environment}
        with self.path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env=own, stdout=log, stderr=log
            )
        self.base = f"http://127.0.0.1:{self.port}"
        self.until(self.lives, "an answer of /healthz")

    def lives(self):
        assert self.process.poll() is None, self.log
        try:
            return httpx.get(f"{self.base}/healthz", timeout=LIMIT).status_code == 200
        except httpx.HTTPError:
            return False

    @staticmethod
    def until(condition, what):
        end = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < end, f"{what} did not come within {LIMIT} s"
            time.sleep(0.05)

    @property
    def log(self):
        return self.path.read_text()

    def connect(self, source="127.0.0.1"):
        return socket.create_connection(("127.0.0.1", self.port), LIMIT, (source, 0))

    def turned_away(self, reason):
        found = re.search(
            rf'turned_away_total{{reason="{reason}"}} (\S+)', httpx.get(f"{self.base}/metrics").text
        )
        return float(found[1]) if found else 0.0

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(LIMIT)
