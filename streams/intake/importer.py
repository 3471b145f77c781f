"""Imports history through the same topics as everything else, and waits until ClickHouse has all of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas import topics
from schemas.events import LeadEvent
from streams.sources.files import Mapping, Refused, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IN_FLIGHT = 2_000


class ImportStalled(Exception):  # noqa: N818 - it says what to look at
    """ClickHouse does not receive what was published."""


@dataclass
class Report:
    """What an import did. `accepted` counts events that Kafka has; `seconds` is the whole run."""

    files: list[str] = field(default_factory=list)
    read: int = 0
    accepted: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


def publish(mapping: Mapping, folder: Path, brokers: str, told: Callable[[int], None] = lambda _n: None) -> tuple[Report, list[str]]:
    """Publish every event of the files; give the report and the ids of what was accepted.

    A broker that is away is waited for: ids make what is sent twice harmless.
    """
    report = Report(files=[spec.file for spec in mapping.files])
    producer = _producer(brokers)
    ids: list[str] = []
    waiting: list[tuple[LeadEvent, Any]] = []
    try:
        for item in read(mapping, folder):
            report.read += 1
            if isinstance(item, Refused):
                report.rejected.append(item._asdict())
                continue
            ids.append(item.id)
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
    return report, ids


def _producer(brokers: str) -> KafkaProducer:
    return KafkaProducer(
        bootstrap_servers=brokers.split(","), acks="all", linger_ms=10, retries=100, delivery_timeout_ms=120_000,
        request_timeout_ms=10_000, max_block_ms=120_000, client_id="leadstream-import",
    )  # fmt: skip


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


def wait(
    client_of: Callable[[], Any],
    generation: int,
    ids: list[str],
    told: Callable[[int], None],
    stall_seconds: float = 120.0,
) -> None:
    """Wait until every id is in ClickHouse's archive and was folded below a cut.

    Raises:
        ImportStalled: nothing moved for `stall_seconds`.

    """
    wanted, last, moved = len(set(ids)), -1, time.monotonic()
    prefix = _common(ids)
    while True:
        try:
            here = client_of().query(_ARRIVED, parameters={"g": generation, "prefix": prefix}).first_row[0]
        except Exception:  # noqa: BLE001 - ClickHouse may be restarting: the limit below ends the wait
            here = last
        told(max(here, 0))
        if here >= wanted:
            return
        if here != last:
            last, moved = here, time.monotonic()
        if time.monotonic() - moved > stall_seconds:
            raise ImportStalled(f"{here} of {wanted} events are in ClickHouse and nothing moves: see `leadstream status`")
        time.sleep(0.3)


def _common(ids: list[str]) -> str:
    return ids[0].split(":", 1)[0] + ":" if ids else ""


# Arrived: in the archive, and below the newest cut of its partition, so that its facts are in ClickHouse too.
_ARRIVED = """
SELECT uniqExact(event_id)
FROM touches AS t
INNER JOIN (
  SELECT source_partition, max(next_offset) AS cut FROM cuts WHERE generation = {g:UInt16} GROUP BY source_partition
) AS c USING (source_partition)
WHERE generation = {g:UInt16} AND startsWith(event_id, {prefix:String}) AND kind = 'event' AND copied = 0 AND source_offset < cut
"""
