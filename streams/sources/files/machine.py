"""Files that machines wrote, as tables: JSON Lines and Parquet."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any

from .cells import ColumnError, Exact, Items, Row, Table, named, once, plain
from .language import Layout
from .lines import clean, encoding_of, lines_of, unreadable

_SAMPLE_ROWS = 1_000  # whose keys are the columns
_BATCH = 4_096  # rows of Parquet that are in memory at once


def json_lines(path: Path, source: Layout, wanted: frozenset[str]) -> Table:
    """Read JSON Lines. A key that a line lacks is empty; nested keys are joined by dots."""
    encoding = source.encoding or encoding_of(path)
    lines = islice(lines_of(path, encoding), source.skip, None)
    rows = (_object(line.number, line.text, line.whole, encoding) for line in lines)
    sample = list(islice(rows, _SAMPLE_ROWS))
    columns = named(list(dict.fromkeys(name for row in sample for name in row.cells)), source)
    if not columns and any(row.problem for row in sample):  # each row says what is wrong with it
        columns = sorted(wanted)
    findings = {
        "encoding": encoding.removesuffix("-sig"),
        "found_out": [] if source.encoding else ["encoding"],
    }
    return Table(path, columns, _only(chain(sample, rows), source, wanted), findings)


def _only(rows: Iterator[Row], source: Layout, wanted: frozenset[str]) -> Iterator[Row]:
    for row in rows:
        if row.problem or row.blank:
            yield row
            continue
        names = named(list(row.cells), source)
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
            _flat(one, f"{before}{plain(name)}.", into)
        else:
            into[f"{before}{plain(name)}"] = _cell(one)


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


def parquet_file(path: Path, source: Layout, wanted: frozenset[str]) -> Table:
    """Read Parquet, batch by batch. Lines are rows, counted from 1."""
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        hint = "install it with `pip install leadstream[parquet]`, or write the file as CSV"
        raise ColumnError("", f"Parquet is read by pyarrow, which is missing: {hint}") from error
    try:
        file = parquet.ParquetFile(path)
        theirs = list(file.schema_arrow.names)
    except Exception as error:
        raise ColumnError("", "is no Parquet file: write it again, or as CSV") from error
    columns = named([plain(name) for name in theirs], source)
    once(columns, wanted, 1)
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
