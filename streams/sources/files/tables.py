"""A file as a table: the columns that a mapping names, row by row, whatever the file's kind."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from .cells import ColumnError, Row, Table, named, once, plain
from .language import Layout
from .lines import Cells, clean, encoding_of, lines_of, rows_of, unreadable
from .machine import json_lines, parquet_file

OTHERS = {
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".numbers"), "is a spreadsheet: save it as CSV"),
    **dict.fromkeys((".gz", ".zip", ".bz2", ".xz", ".zst"), "is packed: unpack it first"),
    ".json": "is read as JSON Lines only: write one object a line, and name it .jsonl",
}
DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 100  # how far the header may lie behind what is no row


def open_table(path: Path, source: Layout, wanted: frozenset[str]) -> Table:
    """Open a file for the columns that are wanted of it.

    Raises:
        ColumnError: two columns share the name of one that is wanted, or it is no file of ours.

    """
    match path.suffix.lower():
        case ".jsonl" | ".ndjson":
            return json_lines(path, source, wanted)
        case ".parquet":
            return parquet_file(path, source, wanted)
        case suffix if suffix in OTHERS:
            raise ColumnError("", OTHERS[suffix])
        case _:
            return _csv(path, source, wanted)


def _csv(path: Path, source: Layout, wanted: frozenset[str]) -> Table:
    encoding = source.encoding or encoding_of(path)
    delimiter, skip = _delimiter(path, encoding, source, wanted)
    lines = islice(lines_of(path, encoding), skip, None)
    rows = rows_of(lines, delimiter, source.quote)
    head = next((row for row in rows if row.problem or any(map(clean, row.cells))), Cells(1, []))
    if head.problem:
        raise ColumnError("", f"the header on line {head.line} can't be read: {head.problem}")
    columns = named([plain(name) for name in head.cells], source)
    while columns and not columns[-1]:  # Excel ends its lines with empty cells
        columns.pop()
    once(columns, wanted, head.line)
    # the lines go on where the header ended: its reader has taken no more than it needed
    body = rows_of(lines, delimiter, source.quote, len(columns))
    places = [(place, name) for place, name in enumerate(columns) if name in wanted]
    lacks = dict.fromkeys(wanted - {*columns}, "")
    findings = {
        "encoding": encoding.removesuffix("-sig"),
        "delimiter": delimiter,
        "found_out": [
            setting
            for setting, configured in (
                ("encoding", source.encoding),
                ("delimiter", source.delimiter),
            )
            if configured is None
        ],
    }
    return Table(path, columns, _by_name(body, places, lacks, len(columns), encoding), findings)


def _delimiter(
    path: Path, encoding: str, source: Layout, wanted: frozenset[str]
) -> tuple[str, int]:
    """Return what parts cells, and how many lines stand before the header."""
    first = next(islice(lines_of(path, encoding), source.skip, None), None)
    line = first.text.lstrip("\ufeff") if first else ""
    skip = source.skip
    if line.lower().startswith("sep="):  # what Excel writes for itself
        skip += 1
        if line[4:5] not in ("", "\r", "\n"):
            return source.delimiter or line[4:5], skip
    if source.delimiter:
        return source.delimiter, skip
    best = {}
    for one in DELIMITERS:
        lines = islice(lines_of(path, encoding), skip, skip + _SAMPLE_ROWS)
        rows = (row for row in rows_of(lines, one, source.quote) if any(map(clean, row.cells)))
        head = next(rows, Cells(1, []))
        names = set(named([plain(name) for name in head.cells], source))
        best[one] = (len(names & wanted), len(head.cells))
    return max(best, key=lambda one: best[one]), skip


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
