"""All rows of all files of a mapping, each with exactly one fate: accepted, or refused with why.

A row is whole or refused: of a row whose third event can't be read, none is given. What the rows
make is given as it comes (`order: file`), or by lead and time, sorted on disk (`order: lead`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from schemas.events import LeadEvent
from schemas.records import Target

from . import columns
from .cells import Row
from .language import FileOf, JoinOf, Mapping, Refused
from .loading import check, within
from .making import Made, Maker
from .spool import Spool
from .tables import open_table
from .values import RowError, Scope, shown


@dataclass
class Counts:
    """Rows: read = accepted + refused; `left_out` of the accepted made nothing."""

    read: int = 0
    accepted: int = 0
    refused: int = 0
    left_out: int = 0
    named: int = 0  # different leads that the events name first, before identities are joined
    repeated: int = 0  # events that repeat an earlier row's, byte for byte
    made: Counter[str] = field(default_factory=Counter)  # by type of event or record
    files: list[dict[str, Any]] = field(default_factory=list)  # what was found out about each


class Packed(NamedTuple):
    """What a row makes, as it travels: `key` is whom an event happened to, or a record's own key.

    `body` is JSON. A record is `made` too: whoever publishes it says when it was stated.
    """

    kind: str
    key: str
    body: bytes
    made: Made | None = None


class Reading:
    """One pass over the files of a mapping.

    `judge` may refuse what a row makes: it returns why not, or "". `sample` hears of each row that
    is accepted, with all that it makes.
    """

    def __init__(
        self,
        mapping: Mapping,
        folder: Path,
        judge: Callable[[Made], str] = lambda _made: "",
        sample: Callable[[str, int, list[Made]], None] = lambda _file, _line, _made: None,
    ) -> None:
        """Check all that can be checked before the first row.

        Raises:
            MappingError: with every problem.

        """
        check(mapping, folder)
        self.counts = Counts()
        self._mapping, self._folder, self._judge, self._sample = mapping, folder, judge, sample

    def __iter__(self) -> Iterator[Made | Refused]:
        """Yield what the rows make, and the rows that are refused."""
        for item in self.packed():
            if isinstance(item, Refused):
                yield item
            else:
                yield item.made or LeadEvent.model_validate_json(item.body)

    def packed(self) -> Iterator[Packed | Refused]:
        """Yield the same as it travels, which spares the reading of what was just written."""
        with Spool() as spool:
            for number, spec in enumerate(self._mapping.files):
                for item in self._file(spec, number, spool):
                    if isinstance(item, Refused) or not isinstance(item.made, LeadEvent):
                        yield item
                        continue
                    spool.name_lead(item.key)
                    if self._mapping.order == "lead":
                        spool.add(item.key, item.made.occurred_at, item.body)
                    else:
                        yield item
            self.counts.named = spool.leads()
            for lead, body in spool.in_order():
                yield Packed("event", lead, body)

    def _file(self, spec: FileOf, number: int, spool: Spool) -> Iterator[Packed | Refused]:
        path = within(self._folder, spec.file)
        need, joined = columns.wanted(self._mapping, spec)
        found: list[Callable[[str], Scope | None]] = []
        for place, (join, names) in enumerate(zip(spec.join, joined, strict=True)):
            yield from self._join(join, names, f"{number}.{place}", spool)
            found.append(partial(spool.joined, f"{number}.{place}"))
        maker = Maker(self._mapping, spec, found)
        table = open_table(path, spec, need)
        report = self._file_report(path, table.columns, need, table.findings, spec.optional)
        for row in table.rows:
            if row.blank:
                report["blank"] = report.get("blank", 0) + 1
                continue
            report["rows"] += 1
            self.counts.read += 1
            try:
                count, fresh = self._row(row, maker, spool, path.name)
            except RowError as error:
                self.counts.refused += 1
                yield Refused(path.name, row.line, error.column, error.reason)
                continue
            self.counts.accepted += 1
            self.counts.left_out += not count
            self.counts.repeated += count - len(fresh)
            made = [one.made for one in fresh if one.made is not None]
            self.counts.made.update(map(name_of, made))
            self._sample(path.name, row.line, made)
            yield from fresh

    def _row(self, row: Row, maker: Maker, spool: Spool, file: str) -> tuple[int, list[Packed]]:
        """Return how many items a row makes, and those that no earlier row made already.

        Raises:
            RowError: the row is refused as a whole.

        """
        if row.problem:
            raise RowError(row.column, row.problem)
        made = maker.make(row.cells)
        why = next(filter(None, map(self._judge, made)), "")
        given: list[str] = []
        fresh: list[Packed] = []
        for one in () if why else made:
            name, packed = _name(one), _pack(one)
            first = spool.given(name, packed.body, f"{file}:{row.line}")
            if first is None:
                given.append(name)
                fresh.append(packed)
            elif first:
                why = _again(one, first)
                break
        if why:
            spool.forget(given)
            raise RowError("", why)
        return len(made), fresh

    def _join(
        self, join: JoinOf, names: frozenset[str], at: str, spool: Spool
    ) -> Iterator[Refused]:
        path = within(self._folder, join.file)
        table = open_table(path, join, names)
        report = self._file_report(path, table.columns, names, table.findings, join.optional)
        for row in table.rows:
            if row.blank:
                continue
            report["rows"] += 1
            self.counts.read += 1
            column, problem = row.column, row.problem
            key = row.cells.get(join.key, "")
            if not problem and not key:
                column, problem = join.key, "is empty, and it names the row"
            if not problem:
                cells = {f"{join.name}.{name}": text for name, text in row.cells.items()}
                if first := spool.join(at, key, row.line, cells):
                    again = f"stands on another line too: which one holds? (first {first})"
                    column, problem = join.key, f"{shown(key)} {again}"
            if problem:
                self.counts.refused += 1
                yield Refused(path.name, row.line, column, problem)
            else:
                self.counts.accepted += 1

    def _file_report(
        self,
        path: Path,
        columns: list[str],
        need: frozenset[str],
        findings: dict[str, Any],
        optional: tuple[str, ...],
    ) -> dict[str, Any]:
        report = {
            "file": path.name,
            "rows": 0,
            **findings,
            "not_used": [name for name in columns if name and name not in need],
            "without": sorted(need & {*optional} - {*columns}),
        }
        self.counts.files.append(report)
        return report


def name_of(one: Made) -> str:
    """Return what a report counts it as."""
    return (
        one.type.value
        if isinstance(one, LeadEvent)
        else "target"
        if isinstance(one, Target)
        else "spend"
    )


def _name(one: Made) -> str:
    return f"event:{one.id}" if isinstance(one, LeadEvent) else f"{name_of(one)}:{one.key}"


def _pack(one: Made) -> Packed:
    body = one.model_dump_json(exclude_none=True, exclude_defaults=True).encode()
    if isinstance(one, LeadEvent):
        return Packed("event", one.aliases[0], body, one)
    return Packed(name_of(one), one.key, body, one)


def _again(one: Made, first: str) -> str:
    what, hint = "key", "add what tells them apart"
    if isinstance(one, LeadEvent):
        what, hint = "id", "name a column in `id` that tells them apart"
    return f"says something else under the {what} of another row: {hint} (first {first})"


def read(mapping: Mapping, folder: Path) -> Iterator[Made | Refused]:
    """Return all that every row of every file makes, and every row that could not be read.

    Raises:
        MappingError: a file is missing or lies outside of the folder, or lacks a column.

    """
    return iter(Reading(mapping, folder))
