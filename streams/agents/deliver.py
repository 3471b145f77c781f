"""deliver IS the sink: facts, state, the archive and what people state go to ClickHouse, then the offset is acknowledged."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import ValidationError

from schemas import topics
from schemas.records import Rate, Spend, SurveyAnswer, Target
from sinks.clickhouse.batch import Batch
from streams import metrics
from streams.engine import ticks
from streams.engine.changelog import COMMON
from streams.sources.adapter import reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sinks.clickhouse.writer import Writer

log = logging.getLogger("leadstream.deliver")


class Deliver:
    """Collects what chunks hold into one batch of rows and writes it."""

    def __init__(self, writer: Writer) -> None:
        """`writer` retries while ClickHouse is away; nothing is acknowledged until it has all."""
        self.writer = writer

    def write(self, chunks: Sequence[tuple[Any, Sequence[Any]]]) -> list[tuple[Any, str]]:
        """Write the records of several chunks, facts first (4-clickhouse); give those that can't be read, with the reason."""
        batch = Batch()
        refused: list[tuple[Any, str]] = []
        received: list[int] = []
        for tp, records in chunks:
            for record in records:
                if tp.topic == topics.TOUCHES:
                    self._archive(record, batch, received)
                elif tp.topic == topics.DEADLETTERS:
                    self._letter(record, batch)
                elif tp.topic in _STATED:
                    refused += self._stated(record, batch)
                else:
                    self._fact(orjson.loads(record.value), batch)
            if tp.topic == topics.TOUCHES:
                batch.archived(tp.partition, records[-1].offset + 1)
        with metrics.WRITE_SECONDS.time():
            written = self.writer.write(batch)
        for table, count in written.items():
            metrics.WRITTEN.labels(table).inc(count)
        now = time.time() * 1000
        for at in received:
            if now - at < 60_000:
                metrics.BEHIND_SECONDS.observe((now - at) / 1000)
        return refused

    def _archive(self, record: Any, batch: Batch, received: list[int]) -> None:
        if ticks.read(record.value) is None and record.key != COMMON:
            said = orjson.loads(record.value)
            batch.touch(record.partition, record.offset, record.key.decode(), said)
            received.append(said["received_at"])

    @staticmethod
    def _letter(record: Any, batch: Batch) -> None:
        """Add a dead letter. One that is none itself is logged: a letter about a letter would never end."""
        try:
            batch.letter(orjson.loads(record.value))
        except (KeyError, TypeError, ValueError) as error:
            log.warning("%s[%s] %s is no dead letter of ours: %r", record.topic, record.partition, record.offset, error)

    @staticmethod
    def _stated(record: Any, batch: Batch) -> list[tuple[Any, str]]:
        """Add what people state. One that nobody can read must not stop the facts, and has no place in ClickHouse."""
        try:
            _STATED[record.topic](batch, record)
        except ValidationError as error:
            return [(record, reason(error, record.topic))]
        return []

    @staticmethod
    def _fact(said: dict[str, Any], batch: Batch) -> None:
        match said["k"]:
            case "fact":
                batch.fact(said)
            case "state":
                batch.state(said)
            case "definition":
                batch.definition(said)
            case "alias":
                batch.alias(said)
            case "hole":
                batch.hole(said)
            case "cut":
                batch.cut(said)


_STATED: dict[str, Callable[[Batch, Any], None]] = {
    topics.SPEND: lambda batch, record: batch.spend(Spend.model_validate_json(record.value), record.timestamp),
    topics.TARGETS: lambda batch, record: batch.target(Target.model_validate_json(record.value), record.timestamp),
    topics.RATES: lambda batch, record: batch.rate(Rate.model_validate_json(record.value), record.timestamp),
    topics.SURVEYS: lambda batch, record: batch.answer(SurveyAnswer.model_validate_json(record.value), record.timestamp),
}
