"""What strangers write into our topics: poison of every kind, others' ticks, a source's garbage."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

import orjson

from schemas import topics
from schemas.sources import SOURCE_HEADER
from streams import connections
from streams.engine.ticks import Tick

if TYPE_CHECKING:
    from streams.settings import Settings

POISON: dict[str, bytes | None] = {
    "a tombstone": None,
    "nothing": b"",
    "no JSON": b"{",
    "an empty object": b"{}",
    "an unknown kind": b'{"t":"unknown","k":"unknown"}',
    "a list": b"[1,2]",
    "a number beyond all": b"1e999",
    "no UTF-8": b'{"t":"\xff\xfe"}',
    "a deep well": b"[" * 100_000,
    "control characters": b"\x01" * 600_000,
    "a tick of somebody else": b'{"tick":[9000000000000,"stranger",0,1000000000]}',
}
KEYS = (None, b"poison", b"\xff\xfe", b"\x00next:0", b"", b"another")
DAY_MS = 86_400_000
_PATIENCE = {
    "delivery_timeout_ms": 200_000, "request_timeout_ms": 10_000, "max_block_ms": 200_000,
    "bootstrap_timeout_ms": 200_000, "reconnect_backoff_max_ms": 1_000,
    "max_request_size": 2_000_000,
}  # fmt: skip
_SEGMENT = [(SOURCE_HEADER, b"segment")]


class Stranger:
    """Write to Kafka itself, as whoever has access to it may. A broker that is away is awaited."""

    def __init__(self, settings: Settings, seed: str) -> None:
        self.settings, self.seed, self.rng = settings, seed, random.Random(seed)
        self.number = 0

    def _send(
        self, records: list[tuple[str, bytes | None, bytes | None, int | None, list[Any]]]
    ) -> list[str]:
        """Send (topic, key, value, partition, headers); return the places, as letters name them."""
        producer = connections.producer(self.settings, **_PATIENCE)
        try:
            sent = [
                producer.send(topic, value, key=key, partition=partition, headers=headers)
                for topic, key, value, partition, headers in records
            ]
            places = [one.get(timeout=220) for one in sent]
            return [f"{place.topic}:{place.partition}:{place.offset}:0" for place in places]
        finally:
            producer.close(timeout=5)

    def poison(self, topic: str) -> list[str]:
        """Send one record of each kind; return the ids of their letters."""
        headers = [(SOURCE_HEADER, b"shop")] if topic.startswith("lead.raw") else []
        keys = [self.rng.choice(KEYS) for _ in POISON]
        records = zip(keys, POISON.values(), strict=True)
        # kafka-python sends no record that has neither a key nor a value
        return self._send(
            [
                (topic, b"" if key is body is None else key, body, None, headers)
                for key, body in records
            ]
        )

    def ticks(self) -> list[str]:
        """Send wrong ticks: an hour back, a day ahead, of another topic; return the letters' ids.

        In a raw topic a tick is anybody's, so a wrong one is passed by; between our workers it is a
        mistake.
        """
        now, of = int(time.time() * 1000), self.settings.partitions
        quiet, loud = [], []
        for place in range(of):
            for topic in topics.RAW_LIVE:
                for at, named in (
                    (now - 3_600_000, topic),
                    (now + DAY_MS, topic),
                    (now - DAY_MS, "stranger"),
                ):
                    quiet.append((topic, None, Tick(at, named, place, of).dump(), place, []))
            for topic, before in ((topics.EVENTS, topics.RAW_WEB), (topics.TOUCHES, topics.EVENTS)):
                quiet.append(
                    (topic, None, Tick(now - 3_600_000, before, place, of).dump(), place, [])
                )
                loud += [
                    (topic, None, Tick(at, named, place, of).dump(), place, [])
                    for at, named in ((now + DAY_MS, before), (now, "stranger"))
                ]
        self._send(quiet)
        return self._send(loud)

    def garbage(self, each: int) -> list[bytes]:
        """Send what no adapter can read to every partition of a web source; return the bodies."""
        bodies = [
            b"{garbage %s-%d" % (self.seed.encode(), self.number + place)
            for place in range(each * self.settings.partitions)
        ]
        self.number += len(bodies)
        self._send(
            [
                (topics.RAW_WEB, None, body, place % self.settings.partitions, _SEGMENT)
                for place, body in enumerate(bodies)
            ]
        )
        return bodies

    def messages(self, each: int) -> list[str]:
        """Send what that source's adapter can read to every partition; return the events' ids."""
        names = [
            f"{self.seed}-m{self.number + place}"
            for place in range(each * self.settings.partitions)
        ]
        self.number += len(names)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        bodies = [
            orjson.dumps(
                {
                    "type": "track",
                    "messageId": name,
                    "event": "Form Submitted",
                    "userId": f"u{place % 40}",
                    "timestamp": stamp,
                }
            )
            for place, name in enumerate(names)
        ]
        self._send(
            [
                (topics.RAW_WEB, None, body, place % self.settings.partitions, _SEGMENT)
                for place, body in enumerate(bodies)
            ]
        )
        return [f"segment:track:{name}" for name in names]
