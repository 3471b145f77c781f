"""Imports history through the same topics as everything else, and waits until ClickHouse has all of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kafka.errors import KafkaError

from schemas import topics
from schemas.events import LeadEvent
from streams import connections
from streams.sources.files import Mapping, Refused, read

from . import arrival

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kafka import KafkaProducer, TopicPartition

    from streams.settings import Settings

IN_FLIGHT = 2_000


@dataclass
class Report:
    """What an import did. `accepted` counts events that Kafka has; `seconds` is the whole run."""

    files: list[str] = field(default_factory=list)
    read: int = 0
    accepted: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


def publish(mapping: Mapping, folder: Path, settings: Settings, told: Callable[[int], None] = lambda _n: None) -> Report:
    """Publish every event of the files.

    A broker that is away is waited for: ids make what is sent twice harmless.
    """
    report = Report(files=[spec.file for spec in mapping.files])
    producer = _producer(settings)
    waiting: list[tuple[LeadEvent, Any]] = []
    try:
        for item in read(mapping, folder):
            report.read += 1
            if isinstance(item, Refused):
                report.rejected.append(item._asdict())
                continue
            waiting.append((item, _send(producer, item)))
            if len(waiting) >= IN_FLIGHT:
                _settle(producer, waiting)
                report.accepted += len(waiting)
                told(report.accepted)
                waiting = []
        _settle(producer, waiting)
        report.accepted += len(waiting)
        told(report.accepted)
    finally:
        producer.close(timeout=5)
    return report


def _producer(settings: Settings) -> KafkaProducer:
    return connections.producer(
        settings,
        linger_ms=10,
        retries=100,
        delivery_timeout_ms=120_000,
        request_timeout_ms=10_000,
        max_block_ms=120_000,
        client_id="leadstream-import",
    )


def _send(producer: KafkaProducer, event: LeadEvent) -> Any:
    body = event.model_dump_json(exclude_none=True, exclude_defaults=True).encode()
    return producer.send(topics.RAW_IMPORT, body, key=event.aliases[0].encode())


def _settle(producer: KafkaProducer, waiting: list[tuple[LeadEvent, Any]], tries: int = 5) -> None:
    """Wait for every acknowledgement; what failed is sent again."""
    failed = waiting
    for attempt in range(tries):
        again = []
        for event, sent in failed:
            try:
                sent.get(timeout=150)
            except KafkaError:
                again.append(event)
        if not again:
            return
        time.sleep(min(5.0, 2.0**attempt))
        failed = [(event, _send(producer, event)) for event in again]
    for _, sent in failed:
        sent.get(timeout=150)


def wait(settings: Settings, client_of: Callable[[], Any], published: dict[TopicPartition, int], told: Callable[[int], None]) -> None:
    """Wait until all that was published stands in ClickHouse; `told` hears how many records normalise has left.

    Raises:
        arrival.Stalled: it does not come; the text says where to look.

    """
    arrival.read_by(settings, settings.app_id("normalise-import"), published, told)
    if not arrival.settled(client_of, settings.partitions):
        raise arrival.Stalled("time does not reach ClickHouse: see `leadstream status` and docs/runbooks/time-stands.md")
