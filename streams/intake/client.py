"""LeadPublisher: publish typed lead events to Kafka from any Python program, with kafka-python.

The id is the caller's, so a retry is no second event; `flush` raises what failed instead of forgetting it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import orjson
from kafka import KafkaProducer

from schemas import topics
from schemas.events import EventType


class PublishFailed(Exception):  # noqa: N818 - it names what happened; the caller publishes again
    """Kafka did not acknowledge; `failed` has (event id, reason) of each. Publish those again: the ids make it harmless."""

    def __init__(self, failed: list[tuple[str, str]]) -> None:
        """Keep what failed."""
        super().__init__(f"{len(failed)} events were not acknowledged, the first: {failed[0][0]} ({failed[0][1]})")
        self.failed = failed


class LeadPublisher:
    """Publishes CloudEvents 1.0 to `lead.raw.crm` (or another raw topic), acks=all."""

    def __init__(self, brokers: str, source: str, topic: str = topics.RAW_CRM, **kafka: Any) -> None:
        """`source` names the system in CloudEvents' terms; (source, id) must be unique. `kafka` are kafka-python's own settings."""
        self.source, self.topic = source, topic
        self._producer = KafkaProducer(**{"bootstrap_servers": brokers.split(","), "acks": "all", "linger_ms": 5, **kafka})
        self._sent: list[tuple[str, Any]] = []

    def publish(
        self,
        event_id: str,
        event_type: EventType,
        at: datetime,
        /,
        *,
        email: str | None = None,
        aliases: tuple[str, ...] = (),
        **data: Any,
    ) -> None:
        """Queue one event. `data` are fields of schemas.events.LeadEvent."""
        if at.tzinfo is None:
            raise ValueError("`at` has no time zone; use datetime.now(UTC)")
        body = {
            "specversion": "1.0",
            "id": event_id,
            "source": self.source,
            "type": f"leadstream.{event_type}",
            "time": at.astimezone(UTC).isoformat(),
            "data": {**data, "aliases": aliases, **({"email": email} if email else {})},
        }
        key = (email or (aliases[0] if aliases else event_id)).encode()
        headers = [("leadstream-source", b"cloudevents"), ("content-type", b"application/cloudevents+json")]
        self._sent.append((event_id, self._producer.send(self.topic, orjson.dumps(body), key=key, headers=headers)))

    def flush(self, timeout: float = 30.0) -> int:
        """Wait for every acknowledgement; give how many.

        Raises:
            PublishFailed: some were not acknowledged.

        """
        self._producer.flush(timeout)
        sent, self._sent = self._sent, []
        failed = []
        for event_id, future in sent:
            try:
                future.get(timeout=timeout)
            except Exception as error:  # noqa: BLE001 - whatever it was, the caller must know which event
                failed.append((event_id, str(error)))
        if failed:
            raise PublishFailed(failed)
        return len(sent)

    def __enter__(self) -> Self:
        """Use it in a `with`."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Flush, then close."""
        if kind is None:
            self.flush()
        self._producer.close(timeout=5)
