"""A flood of one lead within seconds: what it costs the time of its partition, and everybody else.

10,000 touches of one lead are posted to `/v1/events` as fast as the gateway takes them, two seconds
of event time apart, while new people come at a steady rate. Printed: how far the time of the
slowest partition fell behind, by the cuts that ClickHouse has, and the others' latency.
"""

import argparse
import asyncio
import sys
import threading
import time
from datetime import UTC, datetime

import aiohttp

from streams.connections import clickhouse_client
from streams.embedded import counters
from streams.intake import arrival
from tests.benchmarks.latency import post_at, warmed

MANY, EACH = 10_000, 200  # touches, and how many one body has
_BEHIND = (
    "SELECT max(toUnixTimestamp64Milli(now64(3)) - newest) FROM "
    "(SELECT source_partition, max(toUnixTimestamp64Milli(now)) AS newest FROM cuts "
    "GROUP BY source_partition)"
)


async def flood(base, token):
    """Post the touches of one lead, all before today; return how long it took (s)."""
    began, start = time.monotonic(), int(time.time()) - 86_400
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/cloudevents-batch+json",
    }
    async with aiohttp.ClientSession() as client:
        for first in range(0, MANY, EACH):
            body = [
                {
                    "specversion": "1.0",
                    "id": f"flood-{number}",
                    "source": "bench",
                    "type": "leadstream.touch",
                    "time": datetime.fromtimestamp(start + number * 2, UTC).isoformat(),
                    "data": {"email": "busy@example.com", "kind": "page_view"},
                }
                for number in range(first, first + EACH)
            ]
            url = f"{base}/v1/events"
            async with client.post(url, json=body, headers=headers) as answer:
                assert answer.status == 202, await answer.text()
    return time.monotonic() - began


class Watch(threading.Thread):
    """Asks twice a second how far the slowest partition's time is behind (ms)."""

    def __init__(self, settings):
        super().__init__(daemon=True)
        self.client, self.worst, self.ended = clickhouse_client(settings), 0, threading.Event()

    def run(self):
        while not self.ended.wait(0.5):
            self.worst = max(self.worst, self.client.query(_BEHIND).first_row[0])


async def together(rate, seconds, base, secret, token):
    steady = asyncio.create_task(post_at(rate, seconds, base, secret))
    await asyncio.sleep(seconds / 4)
    took = await flood(base, token)
    await steady
    return took


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("--rate", type=float, default=50)
    asked.add_argument("--seconds", type=float, default=40)
    options = asked.parse_args()
    with warmed(options.rate) as (environment, settings, base, secret):
        token = environment["LEADSTREAM_INGEST_TOKEN"]
        client = clickhouse_client(settings)
        arrival.settled(lambda: client, settings.partitions)
        watch = Watch(settings)
        watch.start()
        began = int(time.time() * 1000)
        took = asyncio.run(together(options.rate, options.seconds, base, secret, token))
        arrival.settled(lambda: client, settings.partitions)
        watch.ended.set()
        figures = counters.latency(client, began)
    sys.stdout.write(
        f"{MANY} touches of one lead posted in {took:.1f} s: "
        f"time at most {watch.worst / 1000:.1f} s behind; "
        f"others n {figures['n']} p50 {figures['p50']:.3f} s p99 {figures['p99']:.3f} s\n"
    )


if __name__ == "__main__":
    main()
