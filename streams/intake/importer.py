"""Imports history through the same topics as everything else, and waits until ClickHouse has it.

What a row makes is published as it is read; what must be kept meanwhile lies on disk, so that the
memory of an import does not follow the size of its files.
"""

from __future__ import annotations

import string
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from kafka.errors import KafkaError

from schemas import topics
from schemas.events import LeadEvent
from schemas.records import Spend, Target
from sinks.clickhouse import generations
from streams import connections
from streams.domain.identity import Strength, strength
from streams.sources import files
from streams.sources.files import Made, Mapping, Reading, Refused

from . import arrival, records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from kafka import KafkaProducer

    from schemas.funnel import Funnel
    from streams.settings import Settings

IN_FLIGHT = 2_000
MOST_REJECTED = 1_000  # rows that a report names one by one; all are counted by reason
SAMPLE_ROWS = 10
_ASKED_AT_ONCE = 5_000  # ids of one question to ClickHouse
_IGNORED = """
SELECT what, event, stage, current, reason, count() AS n
FROM notes FINAL
WHERE generation = {g:UInt16} AND is_deleted = 0 AND system = {s:String}
  AND (lead_id, event_time) IN (
    SELECT lead_id, event_time FROM touches
    WHERE kind = 'event' AND lead_id IN (SELECT lead_id FROM notes WHERE system = {s:String})
      AND arrayExists(prefix -> startsWith(event_id, prefix), {p:Array(String)})
  )
GROUP BY what, event, stage, current, reason
ORDER BY n DESC, what, event, stage, current, reason
"""


@dataclass
class Report:
    """What an import did. Rows: read = accepted + refused; `left_out` of the accepted made nothing.

    `rejected` names the first of the refused rows, `reasons` counts all. `published` counts what
    Kafka has, `events` the same by type. `weak` are events that name somebody by weak aliases only:
    `held` of them wait until they are seen beside an alias that makes a lead (None: not asked).
    `nobody` are events all of whose aliases the installation ignores. `ignored` is what arrived and
    moved nothing, by reason, in the lifecycle's words.
    """

    read: int = 0
    accepted: int = 0
    refused: int = 0
    left_out: int = 0
    repeated: int = 0
    published: int = 0
    events: dict[str, int] = field(default_factory=dict)
    weak: int = 0
    held: int | None = None
    nobody: int = 0
    ignored: list[dict[str, Any]] | None = None
    rejected: list[dict[str, Any]] = field(default_factory=list)
    reasons: list[dict[str, Any]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def share(self) -> float:
        """The share of the rows that was refused."""
        return self.refused / self.read if self.read else 0.0

    @property
    def void(self) -> bool:
        """Whether there were rows, and nothing at all came of them."""
        return self.read > 0 and not (self.events or self.repeated)


class Row(NamedTuple):
    """A row as a dry run shows it."""

    file: str
    line: int
    made: list[Made]


@lru_cache(maxsize=65_536)
def makes_a_lead(alias: str) -> bool:
    """Return whether an alias makes a lead by itself; identity is the judge."""
    return strength(alias) < Strength.WEAK


def load(path: Path, folder: Path, constants: dict[str, str]) -> Mapping:
    """Read a mapping and hold it against its files and against what makes a lead.

    Raises:
        MappingError: it names every problem with its line.

    """
    mapping = files.load(path)
    if wrong := constants.keys() - mapping.constants.keys():
        known = ", ".join(mapping.constants) or "none"
        text = f"{', '.join(sorted(wrong))} can't be set: the mapping's constants are {known}"
        raise files.MappingError(f"{mapping.at('constants')}: {text}")
    mapping = mapping.model_copy(update={"constants": {**mapping.constants, **constants}})
    files.check(mapping, folder, makes_a_lead)
    return mapping


class Passage:
    """The rows of an import on their way: what they make, and the report of it."""

    def __init__(self, mapping: Mapping, folder: Path, ignored: Sequence[str] = (), funnel: Funnel | None = None) -> None:
        """`ignored` are patterns of aliases that name nobody; `funnel` knows what a target may name."""
        self.report = Report()
        self.rows: list[Row] = []  # the first that made something
        self._funnel, self._patterns = funnel, tuple(ignored)
        self._reading = Reading(mapping, folder, self._judge, self._sample)
        self._reasons: Counter[tuple[str, str, str]] = Counter()
        self._firsts: dict[tuple[str, str, str], int] = {}
        self._weak = tempfile.TemporaryFile()  # noqa: SIM115 - kept until the report is complete

    def __iter__(self) -> Iterator[Made]:
        """Yield what is to be published; what is refused goes to the report."""
        report = self.report
        for item in self._reading:
            if isinstance(item, Refused):
                self._refuse(item)
                continue
            if isinstance(item, LeadEvent):
                self._look(item)
            yield item
        counts = self._reading.counts
        report.read, report.accepted, report.refused = counts.read, counts.accepted, counts.refused
        report.left_out, report.repeated, report.files = counts.left_out, counts.repeated, counts.files
        report.events = dict(counts.made.most_common())
        report.reasons = [
            {"file": file, "column": column, "reason": kind, "rows": rows, "line": self._firsts[file, column, kind]}
            for (file, column, kind), rows in self._reasons.most_common()
        ]

    def weak(self) -> Iterator[str]:
        """Yield the ids of events that only weak aliases name."""
        self._weak.seek(0)
        yield from map(orjson.loads, self._weak)

    def _judge(self, made: Made) -> str:
        if isinstance(made, LeadEvent):
            first = made.aliases[0]
            return "" if makes_a_lead(first) or files.is_weak(first) else f"{first!r} is an alias that makes no lead"
        if isinstance(made, Target) and self._funnel is not None:
            return next(records.unknown(made, self._funnel), "")
        return ""

    def _sample(self, file: str, line: int, made: list[Made]) -> None:
        if made and len(self.rows) < SAMPLE_ROWS:
            self.rows.append(Row(file, line, made))

    def _refuse(self, item: Refused) -> None:
        key = (item.file, item.column, item.kind)
        self._reasons[key] += 1
        self._firsts.setdefault(key, item.line)
        if len(self.report.rejected) < MOST_REJECTED:
            self.report.rejected.append(item._asdict())

    def _look(self, event: LeadEvent) -> None:
        report = self.report
        left = [one for one in event.aliases if not any(fnmatchcase(one, pattern) for pattern in self._patterns)]
        report.nobody += not left
        if left and not any(map(makes_a_lead, left)):
            report.weak += 1
            self._weak.write(orjson.dumps(event.id) + b"\n")


def publish(passage: Passage, producer: KafkaProducer, told: Callable[[int], None] = lambda _n: None) -> Report:
    """Publish all that the files make, and close the producer.

    A broker that is away is waited for: ids make what is sent twice harmless.
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
                told(report.published)
                waiting = []
        _settle(producer, waiting)
        report.published += len(waiting)
        told(report.published)
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


def _out(item: Made, stated_at: int) -> _Out:
    if isinstance(item, LeadEvent):
        body = item.model_dump_json(exclude_none=True, exclude_defaults=True).encode()
        return _Out(topics.RAW_IMPORT, body, item.aliases[0].encode())
    if isinstance(item, Spend):
        said = item.model_copy(update={"stated_at": stated_at})
        return _Out(topics.SPEND, said.model_dump_json().encode(), item.key.encode())
    return _Out(topics.TARGETS, item.model_dump_json().encode(), item.key.encode())


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


def wait(settings: Settings, client_of: Callable[[], Any], report: Report, told: Callable[[int], None]) -> None:
    """Wait until all that was published stands in ClickHouse; `told` hears how many records normalise has left.

    Raises:
        arrival.Stalled: it does not come; the text says where to look.

    """
    arrival.read_by(settings, settings.app_id("normalise-import"), arrival.ends(settings, topics.RAW_IMPORT), told)
    for kind, topic in (("spend", topics.SPEND), ("target", topics.TARGETS)):
        if kind in report.events:
            arrival.read_by(settings, settings.app_id("deliver"), arrival.ends(settings, topic), lambda _left: None)
    if not arrival.settled(client_of, settings.partitions):
        raise arrival.Stalled("time does not reach ClickHouse: see `leadstream status` and docs/runbooks/time-stands.md")


def look(passage: Passage, mapping: Mapping, client: Any) -> None:
    """Complete the report by what ClickHouse knows of the events: which wait, which moved nothing."""
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
