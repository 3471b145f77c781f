"""Latency while people look: `make bench-viewers`. 20 page viewers, 20 refreshes a minute.

The same stack takes the same load with nobody looking and with everybody, in turn, and the ratio of
their medians is what counts. A viewer is a real websocket of the page; a refresh is every statement
of a dashboard, as Grafana sends them. The first rounds' figures warm up and are not counted.
"""

import argparse
import asyncio
import itertools
import re
import sys
import tempfile
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from statistics import median

import aiohttp
import socketio

from streams.connections import clickhouse_client
from streams.embedded import counters
from streams.embedded.stack import Stack
from streams.intake import arrival
from streams.settings import Settings
from tests.benchmarks.latency import post_at
from tests.support import panels

VIEWERS, REFRESH_SECONDS = 20, 3.0
PAGES = ("/", "/work", "/handoffs", "/sources", "/targets")
DAY_MS = 86_400_000


@asynccontextmanager
async def viewers(page):
    """Open pages as browsers do, and hold them; yield how many messages came."""
    seen, opened = [], []
    async with aiohttp.ClientSession() as session:
        for number, path in zip(range(VIEWERS), itertools.cycle(PAGES)):
            async with session.get(f"{page}{path}") as answer:
                html = await answer.text()
            found = re.search(r"""client_id['"]: *['"]([0-9a-f-]{36})""", html)
            assert found, "the page names no client"
            one = socketio.AsyncClient(reconnection=False)
            one.on("*", lambda *_: seen.append(1))
            await one.connect(
                f"{page}?client_id={found[1]}&next_message_id=0&document_id=d{number}"
                f"&tab_id=t{number}&implicit_handshake=true",
                socketio_path="/_nicegui_ws/socket.io",
                transports=["websocket"],
                headers={"Origin": page},  # the guard takes a socket from its own pages only
            )
            opened.append(one)
        yield seen
        for one in opened:
            await one.disconnect()


async def refresh(settings, counted):
    """Send a dashboard's statements every few seconds, one dashboard after another."""
    boards = {}
    for uid, panel in panels.panels():
        if panel.statement:
            boards.setdefault(uid, []).append(panel.statement)
    client = clickhouse_client(settings)
    for statements in itertools.cycle(boards.values()):
        began, now = time.monotonic(), int(time.time() * 1000)
        for statement in statements:
            sql = panels.expanded(statement, now - 30 * DAY_MS, now)
            await asyncio.to_thread(client.query, sql)
        counted.append(time.monotonic() - began)
        await asyncio.sleep(max(0.0, REFRESH_SECONDS - counted[-1]))


async def round_of(options, environment, settings, page, *, looking):
    base, secret = (
        environment["LEADSTREAM_GATEWAY_URL"],
        environment["LEADSTREAM_SEGMENT_SECRET"],
    )
    began = int(time.time() * 1000)
    if not looking:
        await post_at(options.rate, options.seconds, base, secret)
        return began, 0, []
    async with viewers(page) as seen:
        counted = []
        refreshing = asyncio.create_task(refresh(settings, counted))
        await post_at(options.rate, options.seconds, base, secret)
        refreshing.cancel()
        with suppress(asyncio.CancelledError):
            await refreshing
        return began, len(seen), counted


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("--rate", type=float, default=100)
    asked.add_argument("--seconds", type=float, default=20)
    asked.add_argument("--rounds", type=int, default=3)
    options = asked.parse_args()
    found = {False: [], True: []}
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder) / "home") as stack:
        environment = stack.environment()
        settings = Settings.of(environment)
        page = f"http://127.0.0.1:{stack.ports['live']}"
        client = clickhouse_client(settings)
        for number, looking in itertools.product(range(options.rounds + 1), (False, True)):
            began, messages, took = asyncio.run(
                round_of(options, environment, settings, page, looking=looking)
            )
            arrival.settled(lambda: client, settings.partitions)
            figures = counters.latency(client, began)
            if looking:
                assert messages, "no page was refreshed"
            who = f"{messages} messages, {len(took)} refreshes" if looking else "nobody looks"
            line = f"p50 {figures['p50']:.3f} s  p99 {figures['p99']:.3f} s  {who}"
            sys.stdout.write(f"{'warm  ' if not number else ''}{line}\n")
            sys.stdout.flush()
            if number:
                found[looking].append(figures)
    ratios = {
        name: median(one[name] for one in found[True]) / median(one[name] for one in found[False])
        for name in ("p50", "p99")
    }
    sys.stdout.write(f"looking : not  p50 {ratios['p50']:.2f}  p99 {ratios['p99']:.2f}\n")
    sys.exit(ratios["p50"] > 1.5)


if __name__ == "__main__":
    main()
