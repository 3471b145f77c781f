"""A file as a table: the columns that a mapping names, row by row, whatever the file's kind.

A cell is text. Text that a machine wrote from a number or a time (JSON, Parquet) is `Exact`: it is
never ambiguous, whatever a mapping says about commas.
"""

from __future__ import annotations

import importlib
import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from .language import MappingError, Source
from .lines import Cells, clean, encoding_of, lines_of, rows_of, unreadable

DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 1_000  # of JSON Lines and for what separates cells
_BATCH = 4_096  # rows of Parquet that are in memory at once


class Exact(str):
    """The text of a number or a time that a machine wrote: 1.900 is no thousand here."""

    __slots__ = ()


class Items(str):
    """The text of a list; `split` takes its items as they are."""

    __slots__ = ("items",)
    items: tuple[str, ...]

    @classmethod
    def of(cls, items: tuple[str, ...]) -> Items:
        """Make one."""
        made = cls(json.dumps(items))
        made.items = items
        return made


class Row(NamedTuple):
    """A row by column, or the problem that made it none. `blank`: nothing stands in it."""

    line: int
    cells: dict[str, str]
    column: str = ""
    problem: str = ""
    blank: bool = False


@dataclass
class Table:
    """An opened file. `told` is what was found out about it; the report says it."""

    path: Path
    columns: list[str]
    rows: Iterator[Row]
    told: dict[str, Any] = field(default_factory=dict)


class ColumnError(Exception):
    """The file's header does not have what is needed: which column, and why."""

    def __init__(self, column: str, text: str) -> None:
        """Keep both."""
        super().__init__(text)
        self.column, self.text = column, text


def open_table(path: Path, source: Source, wanted: frozenset[str]) -> Table:
    """Open a file for the columns that are wanted of it.

    Raises:
        ColumnError: two columns share the name of one that is wanted.
        MappingError: Parquet can't be read here.

    """
    match path.suffix.lower():
        case ".jsonl" | ".ndjson":
            return _json_lines(path, source, wanted)
        case ".parquet":
            return _parquet(path, source, wanted)
        case _:
            return _csv(path, source, wanted)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", clean(name))


def _named(columns: list[str], source: Source) -> list[str]:
    """Give columns the names that the mapping knows them by."""
    there = set(columns)
    other = {
        alias: name
        for name, aliases in source.names.items()
        if name not in there and len(found := [one for one in aliases if one in there]) == 1
        for alias in found
    }
    return [other.get(name, name) for name in columns]


def _csv(path: Path, source: Source, wanted: frozenset[str]) -> Table:
    encoding = source.encoding or encoding_of(path)
    delimiter, skip = _delimiter(path, encoding, source, wanted)
    lines = islice(lines_of(path, encoding), skip, None)
    rows = rows_of(lines, delimiter, source.quote)
    head = next((row for row in rows if row.problem or any(map(clean, row.cells))), Cells(1, []))
    if head.problem:
        raise ColumnError("", f"the header on line {head.line} can't be read: {head.problem}")
    columns = _named([_plain(name) for name in head.cells], source)
    _once(columns, wanted, head.line)
    # the lines go on where the header ended: its reader has taken no more than it needed
    body = rows_of(lines, delimiter, source.quote, len(columns))
    places = [(place, name) for place, name in enumerate(columns) if name in wanted]
    lacks = dict.fromkeys(wanted - {*columns}, "")
    told = {
        "encoding": encoding.removesuffix("-sig"),
        "delimiter": delimiter,
        "found_out": [
            what
            for what, said in (("encoding", source.encoding), ("delimiter", source.delimiter))
            if said is None
        ],
    }
    return Table(path, columns, _by_name(body, places, lacks, len(columns), encoding), told)


def _delimiter(
    path: Path, encoding: str, source: Source, wanted: frozenset[str]
) -> tuple[str, int]:
    """Return what parts cells, and how many lines stand before the header."""
    first = next(islice(lines_of(path, encoding), source.skip, None), None)
    said = first.text.lstrip("\ufeff") if first else ""
    skip = source.skip
    if said.lower().startswith("sep="):  # what Excel writes for itself
        skip += 1
        if said[4:5] not in ("", "\r", "\n"):
            return source.delimiter or said[4:5], skip
    if source.delimiter:
        return source.delimiter, skip
    best = {}
    for one in DELIMITERS:
        lines = islice(lines_of(path, encoding), skip, skip + _SAMPLE_ROWS)
        rows = (row for row in rows_of(lines, one, source.quote) if any(map(clean, row.cells)))
        head = next(rows, Cells(1, []))
        names = set(_named([_plain(name) for name in head.cells], source))
        best[one] = (len(names & wanted), len(head.cells))
    return max(best, key=lambda one: best[one]), skip


def _once(columns: list[str], wanted: frozenset[str], line: int) -> None:
    """Refuse a column that stands twice if anything is read from it: nobody knows which was meant."""
    for name in columns:
        if name in wanted and columns.count(name) > 1:
            places = [str(place) for place, one in enumerate(columns, 1) if one == name]
            raise ColumnError(
                name,
                f"the header on line {line} has {name!r} {len(places)} times "
                f"(columns {', '.join(places)}): rename all but one",
            )


def _by_name(
    rows: Iterator[Cells],
    places: list[tuple[int, str]],
    lacks: dict[str, str],
    width: int,
    encoding: str,
) -> Iterator[Row]:
    for line, cells, problem in rows:
        if problem:
            yield Row(line, {}, "", problem)
            continue
        if len(cells) != width:
            if not any(map(clean, cells)):
                yield Row(line, {}, blank=True)
                continue
            if len(cells) < width or any(map(clean, cells[width:])):
                yield Row(line, {}, "", f"has {len(cells)} columns, the header has {width}")
                continue
        row = {name: clean(cells[place]) for place, name in places}
        wrong = next((name for name, text in row.items() if unreadable(text, encoding)), None)
        if wrong is not None:
            yield Row(line, {}, wrong, f"the text is no {encoding.removesuffix('-sig').upper()}")
        elif not any(row.values()) and not any(map(clean, cells)):
            yield Row(line, {}, blank=True)
        else:
            yield Row(line, {**row, **lacks} if lacks else row)


def _json_lines(path: Path, source: Source, wanted: frozenset[str]) -> Table:
    """Read JSON Lines. A key that a line lacks is empty; nested keys are joined by dots."""
    encoding = source.encoding or encoding_of(path)
    lines = islice(lines_of(path, encoding), source.skip, None)
    rows = (_object(line.number, line.text, line.whole, encoding) for line in lines)
    sample = list(islice(rows, _SAMPLE_ROWS))
    columns = _named(list(dict.fromkeys(name for row in sample for name in row.cells)), source)
    told = {
        "encoding": encoding.removesuffix("-sig"),
        "found_out": [] if source.encoding else ["encoding"],
    }
    return Table(path, columns, _only(chain(sample, rows), source, wanted), told)


def _only(rows: Iterator[Row], source: Source, wanted: frozenset[str]) -> Iterator[Row]:
    for row in rows:
        if row.problem or row.blank:
            yield row
            continue
        names = _named(list(row.cells), source)
        there = dict(zip(names, row.cells.values(), strict=True))
        cells = {name: there.get(name, "") for name in wanted}
        half = next((name for name, text in cells.items() if _half(text)), None)
        if half is not None:
            yield Row(row.line, {}, half, "holds half a character (a surrogate alone)")
        else:
            yield row._replace(cells=cells)


def _half(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)


class _TwiceError(ValueError):
    pass


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _TwiceError
    return made


def _object(line: int, text: str, whole: bool, encoding: str) -> Row:
    if not whole:
        return Row(line, {}, "", "the line is too long")
    if not clean(text):
        return Row(line, {}, blank=True)
    if unreadable(text, encoding):
        return Row(line, {}, "", f"the text is no {encoding.removesuffix('-sig').upper()}")
    try:
        value = json.loads(
            clean(text), parse_float=Exact, parse_int=Exact, object_pairs_hook=_pairs
        )
    except _TwiceError:
        return Row(line, {}, "", "a key stands twice in the object: rename one")
    except (ValueError, RecursionError):
        return Row(line, {}, "", "is no JSON object: write one a line")
    if not isinstance(value, dict):
        return Row(line, {}, "", "is no JSON object: write one a line, in braces")
    cells: dict[str, str] = {}
    try:
        _flat(value, "", cells)
    except RecursionError:
        return Row(line, {}, "", "is nested too deep")
    return Row(line, cells)


def _flat(value: dict[str, Any], before: str, into: dict[str, str]) -> None:
    for name, one in value.items():
        if isinstance(one, dict):
            _flat(one, f"{before}{_plain(name)}.", into)
        else:
            into[f"{before}{_plain(name)}"] = _cell(one)


def _cell(value: Any) -> str:
    """Return a value of JSON or Parquet as a cell's text."""
    if isinstance(value, str):
        return value if isinstance(value, Exact) else clean(value)
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124
            return ""
        case float():
            return Exact(int(value) if value.is_integer() else f"{Decimal(repr(value)):f}")
        case int() | Decimal():
            return Exact(f"{value:f}" if isinstance(value, Decimal) else value)
        case datetime():
            return Exact(value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat())
        case date() | time():
            return Exact(value.isoformat())
        case list() | tuple():
            return Items.of(tuple(filter(None, map(_cell, value))))
        case bytes():
            return clean(value.decode(errors="replace"))
        case _:
            return clean(json.dumps(value, default=str))


def _parquet(path: Path, source: Source, wanted: frozenset[str]) -> Table:
    """Read Parquet, batch by batch. Lines are rows, counted from 1."""
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        hint = "install it with `pip install leadstream[parquet]`, or write the file as CSV"
        raise MappingError(f"{path}: Parquet is read by pyarrow, which is missing: {hint}") from error
    try:
        file = parquet.ParquetFile(path)
        theirs = list(file.schema_arrow.names)
    except Exception as error:
        raise MappingError(f"{path}: is no Parquet file: write it again, or as CSV") from error
    columns = _named([_plain(name) for name in theirs], source)
    _once(columns, wanted, 1)
    places = [(raw, name) for raw, name in zip(theirs, columns, strict=True) if name in wanted]
    lacks = dict.fromkeys(wanted - {*columns}, "")
    return Table(path, columns, _batches(file, places, lacks))


def _batches(file: Any, places: list[tuple[str, str]], lacks: dict[str, str]) -> Iterator[Row]:
    line = 0
    for batch in file.iter_batches(_BATCH, columns=[raw for raw, _ in places]):
        for one in batch.to_pylist():
            line += 1
            row = {name: _cell(one[raw]) for raw, name in places}
            yield Row(line, {**row, **lacks}) if any(row.values()) else Row(line, {}, blank=True)
