"""The raw publisher: a body is answered for once Kafka has acknowledged it.

Kafka may be away when the gateway starts, and later: the publisher connects in the background,
`unready` says why it can't publish, and every body that comes meanwhile is answered 503. What Kafka
refuses for good (a record that is too large) is the sender's to mend, so it is never a 503.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from schemas import topics
from schemas.sources import SOURCE_HEADER
from streams import connections, metrics

from .problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.settings import Settings

IN_FLIGHT = 2_000  # bodies waiting for Kafka; beyond it a sender has to come back
SEND_SECONDS = 20.0
RECONNECT_SECONDS = (0.5, 1.0, 2.0, 5.0)  # between two attempts; the last one repeats
PROBE_SECONDS = 2.0  # within which a broker answers a request for metadata
PROBE_EVERY = 1.0  # an answer of /readyz holds so long
FAILED_SECONDS = 10.0  # so long a failed send makes unready, unless a later one succeeds
RETRY = {"Retry-After": "2"}
# A record is its body, its headers and some bytes of framing; the broker counts them together.
_FRAMING = 1_024
_RAW = [one.settings() for one in topics.TOPICS if one.name in topics.RAW_LIVE]
LARGEST_RECORD = min(int(one["max.message.bytes"]) for one in _RAW) - _FRAMING

logger = logging.getLogger(__name__)


def kafka_producer(settings: Settings) -> Any:
    """Return the producer of a gateway; it is not started."""
    return connections.async_producer(
        settings, linger_ms=5, request_timeout_ms=15_000, max_request_size=LARGEST_RECORD
    )


class RawPublisher:
    """Publishes bodies as they came, and knows whether it can."""

    def __init__(self, make: Callable[[], Any]) -> None:
        """Keep `make`, which returns a producer that is not started, inside the event loop."""
        self._make = make
        self._producer: Any = None
        self._connected = False
        self._connecting: asyncio.Task[None] | None = None
        self._waiting = 0
        self._failed_at: float | None = None
        self._probe: tuple[float, str] | None = None  # when, and what was wrong then
        self._probing = asyncio.Lock()

    def start(self) -> None:
        """Start connecting in the background.

        Raises:
            ValueError: the settings of the connection can't be used; the text names which.

        """
        self._producer = self._make()
        self._connecting = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        for attempt in itertools.count():
            try:
                await self._producer.start()
            except Exception as error:  # noqa: BLE001 - whatever it is, connecting must go on
                if not attempt:
                    logger.warning("Kafka does not answer, bodies are answered 503: %r", error)
                with contextlib.suppress(Exception):
                    await self._producer.stop()
                self._producer = self._make()
                await asyncio.sleep(RECONNECT_SECONDS[min(attempt, len(RECONNECT_SECONDS) - 1)])
            else:
                self._connected = True
                logger.info("connected to Kafka")
                return

    async def stop(self) -> None:
        """Stop the producer; what it has is sent within SEND_SECONDS."""
        if self._connecting:
            self._connecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._connecting
        if self._producer:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(self._producer.stop(), SEND_SECONDS)

    async def unready(self) -> str:
        """Return why a body could not be published now; "" where it could."""
        if not self._connected:
            return "not connected to Kafka"
        if self._failed_at is not None and time.monotonic() - self._failed_at < FAILED_SECONDS:
            return "Kafka did not acknowledge the last body"
        async with self._probing:  # many probes, one request
            if self._probe is None or time.monotonic() - self._probe[0] > PROBE_EVERY:
                self._probe = (time.monotonic(), await self._metadata())
            return self._probe[1]

    async def _metadata(self) -> str:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                found = await self._producer.client.force_metadata_update()
        except (KafkaError, OSError, TimeoutError):
            found = False
        return "" if found else "no broker answers a request for metadata"

    async def publish(
        self,
        source: str,
        topic: str,
        key: str,
        body: bytes,
        attributes: dict[str, str] | None = None,
        patience: float = SEND_SECONDS,
    ) -> None:
        """Store a body; return once every replica has it, within `patience` (s).

        `attributes` are those of a CloudEvent in binary mode; they become headers `ce_<name>`, and
        no name of theirs can be one of ours.

        Raises:
            ProblemError: 413 what Kafka never takes, 429 and 503 what to send again.

        """
        if self._waiting >= IN_FLIGHT:
            raise ProblemError(429, "too many bodies wait for Kafka; send it again", RETRY)
        if not self._connected:
            raise ProblemError(503, "not connected to Kafka; send it again", RETRY)
        headers = [(SOURCE_HEADER, source.encode())]
        headers += [(f"ce_{name}", text.encode()) for name, text in (attributes or {}).items()]
        self._waiting += 1
        try:
            with metrics.PUBLISH_SECONDS.time():
                async with asyncio.timeout(min(patience, SEND_SECONDS)):
                    await self._send(topic, key, body, headers)
        except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
            raise ProblemError(
                413,
                f"the body makes a record larger than the {LARGEST_RECORD} bytes that Kafka takes; "
                "send it in parts",
            ) from error
        except (KafkaError, OSError, TimeoutError) as error:
            self._failed_at = time.monotonic()
            raise ProblemError(503, "Kafka did not acknowledge; send it again", RETRY) from error
        else:
            self._failed_at = None
        finally:
            self._waiting -= 1

    async def _send(
        self, topic: str, key: str, body: bytes, headers: list[tuple[str, bytes]]
    ) -> None:
        named = key.encode(errors="replace")[:200] or None
        sent = await self._producer.send(topic, body, key=named, headers=headers)
        await sent
