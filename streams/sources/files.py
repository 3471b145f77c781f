"""History from files: a mapping file says which columns make which events. Every refused row says file, line, column, why."""

from __future__ import annotations

import csv
import string
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import orjson
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from schemas import documents
from schemas.events import EventType, LeadEvent
from schemas.funnel import Zone

from .values import aliases, email_alias


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _only_columns(text: str) -> str:
    """Refuse what Python's format strings can do beyond naming a column: attributes, widths, conversions."""
    hint = "write columns in braces, like olist:won:{mql_id}"
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is no pattern ({error}): {hint}") from error
    if any(name == "" or spec or conversion for _, name, spec, conversion in parts):
        raise ValueError(f"{text!r} is no pattern of columns: {hint}")
    return text


Pattern = Annotated[str, AfterValidator(_only_columns)]


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
    id: Pattern
    alias: Pattern
    also: tuple[Pattern, ...] = ()  # further aliases; one whose column is empty is left out
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


def load(path: Path, folder: Path | None = None) -> Mapping:
    """Read a mapping file; with `folder`, check too that its files are there and nowhere else.

    Raises:
        MappingError: it names every problem with its line.

    """
    try:
        tree, raw = documents.read(path)
    except documents.DocumentError as error:
        raise _problem(path, error.problem.line, error.problem.text) from error
    if found := documents.twice(tree):
        raise MappingError("\n".join(f"{path}:{one.line}: {one.where}: {one.text}" for one in found))
    try:
        mapping = Mapping.model_validate(raw)
    except ValidationError as error:
        raise MappingError("\n".join(_mistakes(path, tree, error))) from error
    for number, spec in enumerate(mapping.files) if folder else ():
        try:
            within(folder, spec.file)  # type: ignore[arg-type]
        except MappingError as error:
            line = documents.line_of(tree, ["files", number, "file"])
            raise _problem(path, line, str(error)) from error
    return mapping


def _problem(path: Path, line: int, text: str) -> MappingError:
    return MappingError(f"{path}:{line}: {text}")


def _mistakes(path: Path, tree: yaml.Node | None, error: ValidationError) -> Iterator[str]:
    for item in error.errors():
        where = ".".join(map(str, item["loc"])) or "mapping"
        text = item["msg"].removeprefix("Value error, ")
        yield f"{path}:{documents.line_of(tree, list(item['loc']))}: {where}: {text}"


def within(folder: Path, name: str) -> Path:
    """Return the path of a file in the data folder.

    A mapping may come from elsewhere, so it must not choose what else of this machine is published.

    Raises:
        MappingError: the file is missing, or lies outside: an absolute path, `..`, or a symbolic link.

    """
    path = folder / name
    if "\0" in name or not path.resolve().is_relative_to(folder.resolve()):
        raise MappingError(f"file {name!r} lies outside of the data folder {folder}: copy it there, and name it without `..` or a link")
    if not path.is_file():
        raise MappingError(f"{path} is missing, or no file: put it there, or name another folder by --data")
    return path


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
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:  # a field larger than the csv module takes; the next row stands
                line = reader.reader.line_num  # the DictReader's own is that of the row before
                yield line, Refused(path.name, line, "", f"no CSV: {error}")
                continue
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
        MappingError: a file is missing, or lies outside of the folder.

    """
    events: list[LeadEvent] = []
    for spec in mapping.files:
        path = within(folder, spec.file)
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
    found = ""
    for words, name, _, _ in string.Formatter().parse(text):
        if name is not None and not _column(row, name):
            raise _RowError(name, "is empty; the row names nobody")
        found += words if name is None else words + row[name]
    return found


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
