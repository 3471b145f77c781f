"""The gateway with a producer that acknowledges at once: `python -m tests.attack.server [DRAIN]`.

Everything before Kafka is the gateway's own; what it would publish is thrown away.
"""

import asyncio
import logging
import sys

from streams.intake import wire
from streams.intake.gateway import server
from streams.settings import Settings
from streams.sources.registry import SOURCES

SECRETS = {
    "LEADSTREAM_INGEST_TOKEN": "generic-token-of-a-test",
    "LEADSTREAM_INGEST_TOKENS": "shop=shop-token-of-a-test",
} | {
    f"LEADSTREAM_{one.name.upper()}": f"{one.name.replace('_', '-')}"
    for vendor in SOURCES.values()
    for one in vendor.secrets
}


class Client:
    async def force_metadata_update(self):
        return True


class Acknowledging:
    """A producer that keeps the last records and acknowledges each; it raises `failing` if set."""

    def __init__(self, keep=100):
        self.client, self.keep, self.records, self.failing = Client(), keep, [], None

    async def start(self):
        pass

    async def stop(self):
        pass

    async def send(self, topic, value, *, key, headers):
        if self.failing:
            raise self.failing
        self.records = [*self.records[-self.keep :], (topic, key, value, dict(headers))]
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    if len(sys.argv) > 1:  # tests do not wait as long as a slow client may
        wire.DRAIN_SECONDS = float(sys.argv[1])
    server(Settings(), lambda: Acknowledging(keep=1)).run()
