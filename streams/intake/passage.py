"""The rows of an import on their way from files to Kafka, and the report of what became of them."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from schemas.events import LeadEvent
from schemas.records import Target
from streams.domain.aliases import Strength, strength
from streams.sources import files
from streams.sources.files import Made, Mapping, Packed, Reading, Refused

from . import records

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from schemas.funnel import Funnel

MOST_REJECTED = 1_000  # rows that a report names one by one; all are counted by reason
SAMPLE_ROWS = 10


@dataclass
class Report:
    """What an import did. Rows: read = accepted + refused; `left_out` of the accepted made nothing.

    `rejected` names the first of the refused rows, `reasons` counts all. `named`: how many
    different leads the events name, before identities are joined. `published` counts what Kafka
    has, `events` the same by type. `weak` are events that name somebody by weak aliases only:
    `held` of them wait until they are seen beside an alias that makes a lead (None: not asked).
    `nobody` are events all of whose aliases the installation ignores. `ignored` is what arrived and
    moved nothing, by reason, in the lifecycle's words.
    """

    read: int = 0
    accepted: int = 0
    refused: int = 0
    left_out: int = 0
    named: int = 0
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
        """Return whether there were rows, and nothing came of any."""
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
    """Return a mapping, checked against its files and against what makes a lead.

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

    def __init__(
        self,
        mapping: Mapping,
        folder: Path,
        ignored: Sequence[str] = (),
        funnel: Funnel | None = None,
    ) -> None:
        """Start a report; `ignored` are patterns of aliases that name nobody.

        `funnel` has the stages that a target may name.
        """
        self.report = Report()
        self.rows: list[Row] = []  # the first that made something
        self._funnel, self._patterns = funnel, tuple(ignored)
        self._reading = Reading(mapping, folder, self._judge, self._sample)
        self._reasons: Counter[tuple[str, str, str]] = Counter()
        self._firsts: dict[tuple[str, str, str], int] = {}
        self._weak = tempfile.TemporaryFile()  # noqa: SIM115 - kept until the report is complete

    def __iter__(self) -> Iterator[Packed]:
        """Yield what is to be published; what is refused goes to the report."""
        report = self.report
        for item in self._reading.packed():
            if isinstance(item, Refused):
                self._refuse(item)
            else:
                yield item
        counts = self._reading.counts
        report.read, report.accepted, report.refused = counts.read, counts.accepted, counts.refused
        report.left_out, report.repeated = counts.left_out, counts.repeated
        report.files, report.named = counts.files, counts.named
        report.events = dict(counts.made.most_common())
        report.reasons = [
            {
                "file": file,
                "column": column,
                "reason": kind,
                "rows": rows,
                "line": self._firsts[file, column, kind],
            }
            for (file, column, kind), rows in self._reasons.most_common()
        ]

    def weak(self) -> Iterator[str]:
        """Yield the ids of events that only weak aliases name."""
        self._weak.seek(0)
        yield from map(orjson.loads, self._weak)

    def _judge(self, made: Made) -> str:
        if isinstance(made, LeadEvent):
            first = made.aliases[0]
            known = makes_a_lead(first) or files.is_weak(first)
            return "" if known else f"{first!r} is an alias that makes no lead"
        if isinstance(made, Target) and self._funnel is not None:
            return next(records.unknown(made, self._funnel), "")
        return ""

    def _sample(self, file: str, line: int, made: list[Made]) -> None:
        if made and len(self.rows) < SAMPLE_ROWS:
            self.rows.append(Row(file, line, made))
        for one in made:
            if isinstance(one, LeadEvent):
                self._look(one)

    def _refuse(self, item: Refused) -> None:
        key = (item.file, item.column, item.kind)
        self._reasons[key] += 1
        self._firsts.setdefault(key, item.line)
        if len(self.report.rejected) < MOST_REJECTED:
            self.report.rejected.append(item._asdict())

    def _look(self, event: LeadEvent) -> None:
        report = self.report
        left = event.aliases
        for pattern in self._patterns:
            left = tuple(one for one in left if not fnmatchcase(one, pattern))
        report.nobody += not left
        if left and not any(map(makes_a_lead, left)):
            report.weak += 1
            self._weak.write(orjson.dumps(event.id) + b"\n")
