"""History from files: a mapping file says which columns make which events. Every refused row says file, line, column, why."""

from __future__ import annotations

import csv
import string
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import orjson
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.events import EventType, LeadEvent
from schemas.funnel import Zone

from .adapter import aliases, email_alias


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TimeOf(_Strict):
    """Which column says when, how it is written, and in which zone when it does not say."""

    column: str
    format: str
    zone: Zone


class FieldOf(_Strict):
    """A field's value: a column's, or the same for all rows."""

    column: str | None = None
    value: str | None = None


class EventOf(_Strict):
    """One event of a row. `id`, `alias` and those of `also` are patterns over the row's columns, like `email:{address}`."""

    type: EventType
    id: str
    alias: str
    also: tuple[str, ...] = ()  # further aliases; one whose column is empty is left out
    time: TimeOf
    fields: dict[str, FieldOf]


class FileOf(_Strict):
    """One file: its name in the data folder, the column that names a row, the events of each."""

    file: str
    key: str
    events: tuple[EventOf, ...]


class Mapping(_Strict):
    """A mapping file. `funnel` is the funnel file that this history needs.

    `order: lead` sorts by lead and time, so that each history is folded in order once, and holds all events in memory;
    `order: file` publishes as the files stand. The facts are the same.
    """

    mapping: str
    funnel: str
    source: str
    order: Literal["lead", "file"] = "lead"
    files: tuple[FileOf, ...]


class Refused(NamedTuple):
    """A row that could not be read: whoever keeps the file must act. `line` counts from 1, the header included."""

    file: str
    line: int
    column: str
    reason: str


class MappingError(Exception):
    """The mapping itself can't be used."""


def load(path: Path) -> Mapping:
    """Read a mapping file.

    Raises:
        MappingError: it says what is wrong with the file.

    """
    try:
        return Mapping.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError, OSError) as error:
        raise MappingError(f"{path}: {error}") from error


class _RowError(Exception):
    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column, self.reason = column, reason


def rows(path: Path) -> Iterator[tuple[int, dict[str, str] | Refused]]:
    """Give (line, row) of a CSV or JSON Lines file; a row that is none comes as `Refused`. UTF-8, a BOM is ignored."""
    if path.suffix == ".jsonl":
        for number, raw in enumerate(path.read_bytes().splitlines(), 1):
            try:
                yield number, {name: "" if value is None else str(value) for name, value in orjson.loads(raw).items()}
            except (orjson.JSONDecodeError, AttributeError) as error:
                yield number, Refused(path.name, number, "", f"no JSON object: {error}")
        return
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            line = reader.line_num
            if None in row or None in row.values():
                short = next((name for name, value in row.items() if value is None), "")
                yield (
                    line,
                    Refused(path.name, line, short or "", "the row has another number of columns than the header"),
                )
                continue
            wrong = [name for name, value in row.items() if any("\udc80" <= letter <= "\udcff" for letter in value)]
            if wrong:
                yield line, Refused(path.name, line, wrong[0], "the text is no UTF-8")
            else:
                yield line, row


def read(mapping: Mapping, folder: Path) -> Iterator[LeadEvent | Refused]:
    """Give every event of every file, and every row that could not be read.

    Raises:
        MappingError: a file is missing.

    """
    events: list[LeadEvent] = []
    for spec in mapping.files:
        path = folder / spec.file
        if not path.exists():
            raise MappingError(f"{path} is missing; the mapping {mapping.mapping} needs it")
        for line, row in rows(path):
            if isinstance(row, Refused):
                yield row
                continue
            for shape in spec.events:
                try:
                    event = _event(shape, row, mapping.source)
                except _RowError as error:
                    yield Refused(path.name, line, error.column, error.reason)
                    continue
                if mapping.order == "file":
                    yield event
                else:
                    events.append(event)
    yield from sorted(events, key=lambda event: (event.aliases[0], event.occurred_at))


def _event(shape: EventOf, row: dict[str, str], source: str) -> LeadEvent:
    fields: dict[str, Any] = {}
    for name, spec in shape.fields.items():
        value = spec.value if spec.column is None else _column(row, spec.column)
        if value:
            head, _, tail = name.partition(".")
            if tail:
                fields.setdefault(head, {})[tail] = value
            else:
                fields[head] = value
    try:
        return LeadEvent(
            id=_pattern(shape.id, row),
            type=shape.type,
            occurred_at=_time(shape.time, row),
            source=source,
            aliases=aliases(_alias(shape.alias, row), *(_also(also, row) for also in shape.also)),
            **fields,
        )
    except ValidationError as error:
        first = error.errors()[0]
        named = ".".join(map(str, first["loc"]))
        column = shape.fields[named].column if named in shape.fields else named
        raise _RowError(column or named, first["msg"]) from error


def _column(row: dict[str, str], name: str) -> str:
    if name not in row:
        raise _RowError(name, "the file has no such column")
    return row[name].strip()


def _pattern(text: str, row: dict[str, str]) -> str:
    for _, name, _, _ in string.Formatter().parse(text):
        if name is not None and not _column(row, name):
            raise _RowError(name, "is empty; the row names nobody")
    return text.format_map(row)


def _alias(text: str, row: dict[str, str]) -> str:
    found = _pattern(text, row)
    if not text.startswith("email:"):
        return found
    known = email_alias(found.removeprefix("email:"))
    if known is None:
        named = next((name for _, name, _, _ in string.Formatter().parse(text) if name), "")
        raise _RowError(named, f"{found.removeprefix('email:')!r} is no email address")
    return known


def _also(text: str, row: dict[str, str]) -> str | None:
    named = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
    return _alias(text, row) if all(_column(row, name) for name in named) else None


def _time(spec: TimeOf, row: dict[str, str]) -> int:
    text = _column(row, spec.column)
    try:
        moment = datetime.strptime(text, spec.format)  # noqa: DTZ007 - the mapping says the zone
    except ValueError as error:
        raise _RowError(spec.column, f"{text!r} is no time like {spec.format}") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(spec.zone))
    return int(moment.timestamp() * 1000)
