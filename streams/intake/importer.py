"""Imports history through the same topics as everything else, and waits until ClickHouse has it.

What a row makes is published as it is read; what must be kept meanwhile lies on disk, so that the
memory of an import does not follow the size of its files.
"""

from __future__ import annotations

import string
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka.errors import KafkaError

from schemas import topics
from schemas.records import Spend, Target
from schemas.wire import stated
from sinks.clickhouse import generations
from sinks.clickhouse.files import statement
from streams import connections
from streams.sources.files import Mapping, Packed

from . import arrival
from .passage import Passage, Report, Row, load, makes_a_lead

__all__ = [
    "Passage",
    "Report",
    "Row",
    "load",
    "look",
    "makes_a_lead",
    "producer",
    "publish",
    "wait",
]

if TYPE_CHECKING:
    from collections.abc import Callable

    from kafka import KafkaProducer

    from streams.settings import Settings

IN_FLIGHT = 2_000
_ASKED_AT_ONCE = 5_000  # ids of one question to ClickHouse
_IGNORED = statement(__file__, "importer_ignored")


def publish(
    passage: Passage, producer: KafkaProducer, on_progress: Callable[[int], None] = lambda _n: None
) -> Report:
    """Publish all that the files make, close the producer, and return the report.

    It waits for a broker that is away. What is sent twice counts once, by its id.

    Raises:
        KafkaError: a record was not acknowledged after several attempts.

    """
    report, stated_at = passage.report, int(time.time() * 1000)
    waiting: list[tuple[_Out, Any]] = []
    try:
        for item in passage:
            out = _out(item, stated_at)
            waiting.append((out, producer.send(*out)))
            if len(waiting) >= IN_FLIGHT:
                _settle(producer, waiting)
                report.published += len(waiting)
                on_progress(report.published)
                waiting = []
        _settle(producer, waiting)
        report.published += len(waiting)
        on_progress(report.published)
    finally:
        producer.close(timeout=5)
    return report


def producer(settings: Settings) -> KafkaProducer:
    """Return a producer that waits for a broker that is away."""
    return connections.producer(
        settings,
        linger_ms=10,
        retries=100,
        delivery_timeout_ms=120_000,
        request_timeout_ms=10_000,
        max_block_ms=120_000,
        client_id="leadstream-import",
    )


class _Out(NamedTuple):
    """A record as kafka-python's `send` takes it."""

    topic: str
    value: bytes
    key: bytes


def _out(item: Packed, stated_at: int) -> _Out:
    if isinstance(item.made, Spend):
        spend = item.made.model_copy(update={"stated_at": stated_at})
        return _Out(topics.SPEND, stated.dump(spend), item.key.encode())
    if isinstance(item.made, Target):
        return _Out(topics.TARGETS, stated.dump(item.made), item.key.encode())
    return _Out(topics.RAW_IMPORT, item.body, item.key.encode())


def _settle(producer: KafkaProducer, waiting: list[tuple[_Out, Any]], tries: int = 5) -> None:
    """Wait for every acknowledgement; what failed is sent again."""
    failed = waiting
    for attempt in range(tries):
        again = []
        for out, sent in failed:
            try:
                sent.get(timeout=150)
            except KafkaError:
                again.append(out)
        if not again:
            return
        time.sleep(min(5.0, 2.0**attempt))
        failed = [(out, producer.send(*out)) for out in again]
    for _, sent in failed:
        sent.get(timeout=150)


def wait(
    settings: Settings,
    client_of: Callable[[], Any],
    report: Report,
    on_progress: Callable[[int], None],
) -> None:
    """Wait until all that was published is in ClickHouse; `on_progress` gets how much is left.

    Raises:
        arrival.Stalled: it does not arrive; the text says where to look.

    """
    arrival.read_by(
        settings,
        settings.app_id("normalise-import"),
        arrival.ends(settings, topics.RAW_IMPORT),
        on_progress,
    )
    for kind, topic in (("spend", topics.SPEND), ("target", topics.TARGETS)):
        if kind in report.events:
            arrival.read_by(
                settings,
                settings.app_id("deliver"),
                arrival.ends(settings, topic),
                lambda _left: None,
            )
    arrival.settled(client_of, settings.partitions)


def look(passage: Passage, mapping: Mapping, client: Any) -> None:
    """Add to the report what ClickHouse knows: how many events are held, which moved nothing."""
    report, generation = passage.report, generations.active(client)
    arrived, ids = 0, passage.weak()
    while batch := [one for _, one in zip(range(_ASKED_AT_ONCE), ids, strict=False)]:
        asked = "SELECT uniqExact(event_id) FROM touches WHERE event_id IN {ids:Array(String)}"
        arrived += client.query(asked, parameters={"ids": batch}).first_row[0]
    report.held = report.weak - arrived
    prefixes = [_prefix(event.id) for spec in mapping.files for event in spec.events]
    found = client.query(_IGNORED, parameters={"g": generation, "s": mapping.source, "p": prefixes})
    report.ignored = [dict(zip(found.column_names, one, strict=True)) for one in found.result_rows]


def _prefix(pattern: str) -> str:
    """Return what the ids of a pattern begin with."""
    return next((words for words, _, _, _ in string.Formatter().parse(pattern)), "")
