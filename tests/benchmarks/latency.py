"""Gateway to ClickHouse at a steady rate: `make bench`. Prints p50 and p99 from post to row.

Bodies are real: signed Segment forms over HTTP, each a new person. Latency is the row's insertion
minus the event's own time, which is stamped just before the body is posted; both clocks are this
machine's.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import orjson

from streams.connections import clickhouse_client
from streams.embedded import counters
from streams.embedded.stack import Stack
from streams.intake import arrival
from streams.settings import Settings
from tests.support import signing


async def post_at(rate, seconds, base, secret):
    gap, began = 1 / rate, time.monotonic()
    waiting = set()
    # The cheapest client at hand: it shares the two cores with what it measures.
    async with aiohttp.ClientSession() as client:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number * gap - time.monotonic()))

            async def one(number=number):
                moment = datetime.now(UTC).isoformat(timespec="milliseconds")
                body = orjson.dumps(
                    {
                        "type": "track",
                        "event": "Form Submitted",
                        "messageId": f"bench-{began}-{number}",
                        "anonymousId": f"bench-{number}",
                        "properties": {"form_id": "demo", "email": f"bench{number}@example.com"},
                        "timestamp": moment,
                    }
                )
                headers = {
                    "X-Signature": signing.segment(secret, body),
                    "Content-Type": "application/json",
                }
                async with client.post(f"{base}/v1/segment", data=body, headers=headers) as answer:
                    assert answer.status == 202, await answer.text()

            task = asyncio.create_task(one())
            waiting.add(task)
            task.add_done_callback(waiting.discard)
        await asyncio.gather(*waiting)
    return int(rate * seconds) / (time.monotonic() - began)


@contextmanager
def warmed(rate):
    """Yield a stack that has taken events at a rate: environment, settings, address, secret."""
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder) / "home") as stack:
        environment = stack.environment()
        base = environment["LEADSTREAM_GATEWAY_URL"]
        secret = environment["LEADSTREAM_SEGMENT_SECRET"]
        asyncio.run(post_at(rate, 5, base, secret))
        yield environment, Settings.of(environment), base, secret


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("--rate", type=float, default=200)
    asked.add_argument("--seconds", type=float, default=30)
    options = asked.parse_args()
    with warmed(options.rate) as (_, settings, base, secret):
        began = int(time.time() * 1000)
        reached = asyncio.run(post_at(options.rate, options.seconds, base, secret))
        client = clickhouse_client(settings)
        arrival.settled(lambda: client, settings.partitions)
        figures = counters.latency(client, began)
    sys.stdout.write(
        f"rate {reached:.0f}/s  n {figures['n']}  "
        f"p50 {figures['p50']:.3f} s  p99 {figures['p99']:.3f} s\n"
    )


if __name__ == "__main__":
    main()
