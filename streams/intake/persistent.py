"""A publisher that does not give up: it sends a record until every replica has it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError

from streams import connections

from . import resending

if TYPE_CHECKING:
    from streams.settings import Settings

REQUEST_MS = 15_000
RETRY_SECONDS, STOP_SECONDS = 1.0, 5.0

log = logging.getLogger("leadstream.publisher")


class Publisher:
    """Publishes for whoever can wait; `failing` names what prevents it now, else ""."""

    def __init__(self, settings: Settings) -> None:
        """Keep the settings; `start` connects, inside the event loop."""
        self._settings = settings
        self._producer: Any = None
        self.failing = "Kafka does not answer"

    async def start(self) -> None:
        """Connect; go on trying while Kafka is away."""
        while True:
            producer = connections.async_producer(
                self._settings,
                linger_ms=5,
                request_timeout_ms=REQUEST_MS,
                max_request_size=resending.MAX_REQUEST,
            )
            try:
                await producer.start()
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("Kafka does not answer, trying again: %r", error)
                with contextlib.suppress(Exception):
                    await producer.stop()
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._producer, self.failing = producer, ""
                return

    async def stop(self) -> None:
        """Close the producer within STOP_SECONDS."""
        if self._producer:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(self._producer.stop(), STOP_SECONDS)

    async def send(
        self,
        topic: str,
        value: bytes,
        key: bytes | None,
        partition: int | None,
        headers: tuple[tuple[str, bytes | None], ...],
    ) -> None:
        """Send a record; return once Kafka has it."""
        while True:
            try:
                await self._producer.send_and_wait(
                    topic, value, key=key, partition=partition, headers=list(headers)
                )
            except (KafkaError, OSError, TimeoutError) as error:
                if not self.failing:
                    log.warning("Kafka did not acknowledge, trying again: %r", error)
                self.failing = f"Kafka does not acknowledge ({type(error).__name__})"
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.failing = ""
                return
