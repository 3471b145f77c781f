"""deliver: the sink.

Facts, states, the archive and what people state go to ClickHouse; then the offset is acknowledged.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from clickhouse_connect.driver.exceptions import DatabaseError
from pydantic import ValidationError

from schemas import topics
from schemas.deadletters import WAKE_HEADER, Letter, LetterKind, Mark, described
from schemas.wire import facts, stated, touches
from schemas.wire.versions import UnknownRecord
from sinks.clickhouse.batch import Batch
from sinks.clickhouse.errors import SchemaDrift
from streams import metrics
from streams.engine import ticks
from streams.engine.changelog import COMMON
from streams.engine.logic import MustAct, PayloadRejected, headers_of
from streams.engine.sink import Refused
from streams.sources.adapter import reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sinks.clickhouse.writer import Writer

log = logging.getLogger("leadstream.deliver")


class Deliver:
    """The writer of the sink: it makes one batch of rows of several chunks."""

    def __init__(self, writer: Writer) -> None:
        """`writer` retries while ClickHouse is away; nothing is acknowledged until it has all."""
        self.writer = writer

    def write(self, chunks: Sequence[tuple[Any, Sequence[Any]]]) -> list[Refused]:
        """Write the records of several chunks, facts first; return those that can't be written."""
        batch = Batch()
        refused: list[Refused] = []
        received: list[int] = []
        for tp, records in chunks:
            for record in records:
                problem = self._add(record, batch, received)
                if problem:
                    batch.forget(record)
                    refused.append(problem)
            if tp.topic == topics.TOUCHES:
                batch.archived(tp.partition, records[-1].offset + 1)
        with metrics.WRITE_SECONDS.time():
            try:
                written = self.writer.write(batch)
            except (SchemaDrift, DatabaseError) as error:  # every batch would meet it
                raise MustAct(f"ClickHouse refuses every row: {error}") from error
        for table, count in written.items():
            metrics.WRITTEN.labels(table).inc(count)
        for table, row, why in written.refused:
            record = batch.made_of(table, row)
            # a letter about a letter would never end
            if record is None or record.topic == topics.DEADLETTERS:
                metrics.FOREIGN.labels(record.topic if record else topics.FACTS).inc()
            elif not any(one.record is record for one in refused):
                refused.append(Refused(record, LetterKind.NOT_STORED, why))
        now = time.time() * 1000
        for at in received:
            if now - at < 60_000:
                metrics.BEHIND_SECONDS.observe((now - at) / 1000)
        return refused

    def _add(self, record: Any, batch: Batch, received: list[int]) -> Refused | None:
        """Add one record's rows; return why it has none, since no record may stop the others."""
        if ticks.read(record.value) is not None and not record.headers:
            return None
        batch.record = record
        try:
            if record.topic == topics.DEADLETTERS:
                self._letter(record, batch)
            elif record.topic in _STATED:
                one = stated.load(record.topic, record.value)
                _STATED[record.topic](batch, one, record.timestamp)
            elif record.topic == topics.TOUCHES:
                self._archive(record, batch, received)
            else:
                fact = facts.load(record.value)
                _FACTS[fact["record"]](batch, fact)
        except (ValidationError, UnknownRecord, PayloadRejected) as error:
            why = reason(error, record.topic) if isinstance(error, ValidationError) else str(error)
            return Refused(record, LetterKind.REFUSED, why)
        except Exception as error:  # noqa: BLE001 - a surprise in one record must not stop the others
            return Refused(record, LetterKind.FAILED, "", error)
        return None

    def _archive(self, record: Any, batch: Batch, received: list[int]) -> None:
        if record.key == COMMON or WAKE_HEADER in headers_of(record):
            return
        touch = touches.load(record.value)
        if touch["record"] not in ("event", "edge"):
            raise PayloadRejected("neither an event nor an edge of a lead")
        if type(touch.get("received_at")) is not int:
            raise PayloadRejected("received_at is no time in ms")
        batch.touch(record.partition, record.offset, str(UUID(record.key.decode())), touch)
        received.append(touch["received_at"])

    @staticmethod
    def _letter(record: Any, batch: Batch) -> None:
        """Add a dead letter, or what became of it.

        A record that is neither is counted: letters about letters would never end.
        """
        part = described(record.headers)
        if isinstance(part, Letter):
            if part.piece == 0:
                batch.letter(part)
        elif isinstance(part, Mark):
            batch.letter(part.letter, part)
        else:
            metrics.FOREIGN.labels(record.topic).inc()
            log.warning(
                "%s[%s] %s is no dead letter of ours", record.topic, record.partition, record.offset
            )


_FACTS: dict[str, Callable[[Batch, dict[str, Any]], None]] = {
    "fact": Batch.fact,
    "state": Batch.state,
    "definition": Batch.definition,
    "alias": Batch.alias,
    "hole": Batch.hole,
    "cut": Batch.cut,
}
_STATED: dict[str, Callable[[Batch, Any, int], None]] = {
    topics.SPEND: Batch.spend,
    topics.TARGETS: Batch.target,
    topics.RATES: Batch.rate,
    topics.SURVEYS: Batch.answer,
}
