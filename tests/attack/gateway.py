"""What strangers send: `python -m tests.attack.gateway --minutes 10 [--kafka] [--seed N]`.

A real gateway process (with `--kafka` the real command on a real broker, else a producer that
acknowledges) meets mutated requests by raw sockets, nasty headers and bodies by an HTTP client,
compressed bodies, bombs, drips and hang-ups, nearly all before authentication; some good bodies in
between must be taken. Exit 1 on any 5xx, on a traceback in the log, on memory that grows by more
than 20%, or if a good body is not taken.
"""

import argparse
import gzip
import http.client
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from pathlib import Path

import httpx
import psutil

from streams.embedded.home import free_port
from streams.settings import Settings
from tests.attack.server import SECRETS
from tests.support import signing

WORKERS = 12
WARM = 0.2  # the share of the time after which memory is measured first
GROWTH = 1.2
BODY = (
    b'{"type": "page", "anonymousId": "a", "google_key": "google-key", "user_column_data": [], '
    b'"data": {"email": "a@b.de"}}'
)
NASTY = [
    b"\x00", b"\r\n", b"\r\n\r\n", b"\xff\xfe", b"\xb2", b"9" * 5000, b"-1", b"[" * 2000,
    b'{"a":' * 600, b"\\ud83d", b"\xed\xa0\x80", b"%00", b"%ff", b"1e999", b"0x10",
    b"\r\nContent-Length: 5", b"\r\nTransfer-Encoding: chunked", b"\r\nContent-Encoding: gzip",
    b"\r\nExpect: 100-continue", b"\r\nAuthorization: Bearer ",
    b"\r\nUpgrade: websocket\r\nConnection: upgrade", b"\r\nX-Forwarded-For: 1.2.3.4", b" " * 300,
    b"A" * 20_000, b"\xef\xbb\xbf",
]  # fmt: skip
PATHS = [
    "segment",
    "meta",
    "google",
    "hubspot",
    "salesforce",
    "events",
    "spend/google",
    "spend/x",
    "events/",
    "nowhere",
]
HEADERS = [
    "X-Signature",
    "X-Hub-Signature-256",
    "X-HubSpot-Signature-v3",
    "X-HubSpot-Request-Timestamp",
    "Authorization",
    "Content-Encoding",
    "ce-type",
    "Host",
    "Content-Type",
]


def bomb():
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return packer.compress(bytes(40_000_000)) + packer.flush()


BOMB = bomb()


def mutated(rng, raw):
    """Change bytes: flip, cut, repeat, and put in what breaks parsers."""
    for _ in range(rng.randint(1, 4)):
        place, other = sorted((rng.randint(0, len(raw)), rng.randint(0, len(raw))))
        match rng.randrange(5):
            case 0:
                raw = raw[:place] + bytes([rng.randrange(256)]) + raw[place + 1 :]
            case 1:
                raw = raw[:place] + raw[min(other, place + 40) :]
            case 2:
                raw = raw[:other] + raw[place : min(other, place + 200)] + raw[other:]
            case _:
                raw = raw[:place] + rng.choice(NASTY) + raw[place:]
    return raw


def body_of(rng):
    match rng.randrange(8):
        case 0:
            return rng.randbytes(rng.randint(0, 3000)), {}
        case 1:
            return gzip.compress(mutated(rng, BODY)), {"Content-Encoding": "gzip"}
        case 2:
            return mutated(rng, gzip.compress(BODY * 20)), {
                "Content-Encoding": rng.choice(["gzip", "GZIP", "x-gzip"])
            }
        case 3:
            return (BOMB if rng.random() < 0.3 else zlib.compress(BODY)), {
                "Content-Encoding": rng.choice(["gzip", "deflate", "br", "zstd", "gzip, gzip"])
            }
        case 4:
            return rng.choice(NASTY) * rng.randint(1, 300), {}
        case 5:
            return bytes(rng.choice([999_999, 1_000_001, 1_500_000])), {}
        case _:
            return mutated(rng, BODY), {}


class Attacker(threading.Thread):
    def __init__(self, port, seed, end):
        super().__init__(daemon=True)
        self.port, self.rng, self.end = port, random.Random(seed), end
        self.seen, self.bad = Counter(), []

    def run(self):
        kinds = [self.raw] * 6 + [self.client] * 6 + [self.slow, self.good]
        while time.monotonic() < self.end:
            kind = self.rng.choice(kinds)
            try:
                status = kind()
            except (OSError, http.client.HTTPException, httpx.HTTPError, ValueError):
                status = 0  # closed without an answer that can be read
            self.seen[kind.__name__, status] += 1
            if status >= 500 or (kind == self.good and status != 202):
                self.bad.append((kind.__name__, status))

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), 20)

    def first(self, connection):
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        answer.read()
        return answer.status

    def raw(self):
        rng = self.rng
        body, extra = body_of(rng) if rng.random() < 0.3 else (BODY, {})
        lines = [
            f"POST /v1/{rng.choice(PATHS)} HTTP/1.1",
            "Host: a",
            f"Content-Length: {len(body)}",
            "X-Signature: 00",
            "X-HubSpot-Request-Timestamp: 1",
        ]
        lines += [f"{name}: {value}" for name, value in extra.items()]
        head = "\r\n".join([*lines, "", ""]).encode()
        whole = (
            mutated(rng, head) + body if rng.random() < 0.7 else mutated(rng, head + body[:3000])
        )
        with self.connect() as connection:
            connection.sendall(whole * rng.choice([1, 1, 1, 2, 20]) if len(whole) < 5000 else whole)
            if rng.random() < 0.2:
                return 0  # hang up
            connection.settimeout(1)
            return self.first(connection)

    def client(self):
        rng = self.rng
        body, headers = body_of(rng)
        for name in rng.sample(HEADERS, rng.randint(0, 4)):
            value = (
                mutated(rng, b"sha256=abc Bearer 1")
                if rng.random() < 0.5
                else rng.choice(NASTY)[:4000]
            )
            headers.setdefault(name, re.sub(rb"[\x00\r\n]", b"", value).strip())
        method = rng.choice(["POST"] * 8 + ["GET", "PUT", "TRACE", "BREW"])
        path = rng.choice(
            ["/v1/" + rng.choice(PATHS)] * 5
            + [
                "/v1/meta?hub.mode=subscribe&hub.verify_token=%ff%ed%a0%80",
                "/%00",
                "/openapi.json",
                "/metrics",
            ]
        )
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def slow(self):
        with self.connect() as connection:
            connection.sendall(b"POST /v1/segment HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n")
            self.rng.choice([connection.sendall, lambda _: None])(b"\r\nab")
            time.sleep(self.rng.random() / 2)
            return 0

    def good(self):
        signed = {"X-Signature": signing.segment(SECRETS["LEADSTREAM_SEGMENT_SECRET"], BODY)}
        return httpx.post(
            f"http://127.0.0.1:{self.port}/v1/segment", content=BODY, headers=signed, timeout=30
        ).status_code


def started(command, environment, log):
    own = {name: value for name, value in os.environ.items() if not name.startswith("LEADSTREAM_")}
    process = subprocess.Popen(command, env={**own, **environment}, stdout=log, stderr=log)
    base = f"http://127.0.0.1:{environment['LEADSTREAM_PORT']}"
    end = time.monotonic() + 60
    while True:
        try:
            if httpx.get(f"{base}/readyz", timeout=5).status_code == 200:
                return process
        except httpx.HTTPError:
            pass
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            raise SystemExit(f"the gateway is not ready: {Path(log.name).read_text()[-2000:]}")
        time.sleep(0.1)


def kafka(home, log):
    """Start Apache Kafka with our topics; give its process and address."""
    from streams.embedded import broker
    from streams.operate import admin
    from tests.support.jobs import serves, until

    port = free_port()
    process = broker.start(home, port, free_port(), log)
    until(lambda: serves(port), "the broker")
    admin.apply(Settings(brokers=f"127.0.0.1:{port}", partitions=2))
    return process, f"127.0.0.1:{port}"


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def attack(port, pid, seconds, seed):
    """Attack a gateway; return what is wrong."""
    process = psutil.Process(pid)
    begun = time.monotonic()
    attackers = [Attacker(port, seed * 100 + number, begun + seconds) for number in range(WORKERS)]
    for one in attackers:
        one.start()
    time.sleep(seconds * WARM)  # pools, caches and arenas are filled
    first = most = process.memory_info().rss
    while any(one.is_alive() for one in attackers):
        most = max(most, process.memory_info().rss)
        time.sleep(0.2)
    time.sleep(1)
    last = process.memory_info().rss
    seen = sum((one.seen for one in attackers), Counter())
    classes = Counter({})
    for (_, status), count in seen.items():
        classes[f"{status // 100}xx" if status else "no answer"] += count
    say(
        f"seed {seed}, {seconds:.0f} s, {sum(seen.values())} requests: "
        + ", ".join(f"{name} {count}" for name, count in sorted(classes.items()))
    )
    say(
        "statuses: "
        + ", ".join(f"{status} {count}" for status, count in sorted(_by_status(seen).items()))
    )
    say(
        f"memory: {first >> 20} MB after {seconds * WARM:.0f} s, {most >> 20} MB at most, "
        f"{last >> 20} MB at the end"
    )
    wrong = [f"{kind}: {status}" for one in attackers for kind, status in one.bad]
    if last > first * GROWTH:
        wrong.append(f"memory grew from {first} to {last} bytes")
    if not seen["good", 202]:
        wrong.append("no good body was taken")
    return wrong


def _by_status(seen):
    found = Counter()
    for (_, status), count in seen.items():
        found[status] += count
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kafka", action="store_true", help="the real command on a real broker")
    asked = parser.parse_args()
    ended = []
    with tempfile.TemporaryDirectory() as folder:
        log = (Path(folder) / "gateway.log").open("wb")
        environment = {**SECRETS, "LEADSTREAM_PORT": str(free_port())}
        command = [sys.executable, "-m", "tests.attack.server"]
        try:
            if asked.kafka:
                process, brokers = kafka(
                    Path(folder) / "kafka", (Path(folder) / "kafka.log").open("wb")
                )
                ended.append(process)
                environment["LEADSTREAM_BROKERS"] = brokers
                command = [sys.executable, "-m", "streams.cli.main", "gateway"]
            process = started(command, environment, log)
            ended.insert(0, process)
            wrong = attack(
                int(environment["LEADSTREAM_PORT"]), process.pid, asked.minutes * 60, asked.seed
            )
        finally:
            for one in ended:
                one.send_signal(signal.SIGTERM)
                one.wait(60)
        text = Path(log.name).read_text()
    wrong += ["a traceback in the log"] * text.count("Traceback")
    say(f"log: {len(text.splitlines())} lines, {text.count('Traceback')} tracebacks")
    for line in wrong[:20]:
        say(f"WRONG {line}")
    if "Traceback" in text:
        say(text[text.index("Traceback") :][:3000])
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
