"""The language of a mapping file: what stands in it, and nothing of what it does.

`docs/import.md` explains each construct with an example. The models know their file's lines
(`Mapping.at`), so that whoever finds a problem later can still name the line.
"""

from __future__ import annotations

import re
import string
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    model_validator,
)

from schemas import documents
from schemas.calendars import Zone
from schemas.errors import LeadstreamError
from schemas.events import EventType

from .times import Format

# What stands in a cell that says nothing, as databases and spreadsheets write it.
EMPTY = ("", "null", "(null)", "\\n", "#n/a", "n/a", "nan", "undefined", "(blank)", "(not set)")
_QUOTED = re.compile(r"""^('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", re.DOTALL)
_FIRST = re.compile(r" \(first .*\)$")


class MappingError(LeadstreamError):
    """The mapping itself can't be used; each line of the text names a file and line."""


class Refused(NamedTuple):
    """A row that could not be read: whoever keeps the file must act.

    `line` counts from 1, the header included; of a row of several lines it is the first.
    """

    file: str
    line: int
    column: str
    reason: str

    @property
    def kind(self) -> str:
        """The reason without the cell's text, so that rows can be counted by it."""
        return _FIRST.sub("", _QUOTED.sub("…", self.reason))


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _only_columns(text: str) -> str:
    """Refuse what format strings can do beyond naming a column: widths and conversions."""
    hint = "write columns in braces, like olist:won:{mql_id}"
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is no pattern, a brace is missing: {hint}") from error
    if any(name == "" or spec or conversion for _, name, spec, conversion in parts):
        raise ValueError(
            f"{text!r} is no pattern of columns: {hint}; "
            "a column whose name has a colon or `!` gets another by `values`"
        )
    return text


def _as_text(value: object) -> object:
    """Read a scalar of YAML as the text that was meant; what YAML has changed is refused."""
    if isinstance(value, (bool, float)):
        text = str(value).lower()
        raise ValueError(f"YAML reads this as {text}: put it in quotes")  # noqa: TRY004
    return str(value) if isinstance(value, (int, date, datetime)) else value


def _many(value: object) -> object:
    return (value,) if isinstance(value, (str, int, float, bool, date)) else value


Pattern = Annotated[str, AfterValidator(_only_columns)]
Text = Annotated[str, BeforeValidator(_as_text)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_many), Field(min_length=1)]
Columns = Annotated[tuple[str, ...], BeforeValidator(_many), Field(min_length=1)]
Formats = Annotated[tuple[Format, ...], BeforeValidator(_many), Field(min_length=1)]


class Written(_Strict):
    """How numbers and times are written, in a mapping, a file or a value; the nearest holds."""

    decimal: Literal[".", ","] | None = None
    thousands: Literal[".", ",", " ", "'", ""] | None = None
    format: Formats | None = None
    zone: Zone | None = None


class TimeOf(Written):
    """When something happened. `optional`: a row without that time makes no such event."""

    column: Columns | None = None
    value: Text | None = None
    optional: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> TimeOf:
        if (self.column is None) == (self.value is None):
            raise ValueError("write either a column or a value, the same for all rows")
        return self


As = Literal["text", "number", "day", "salesforce_id", "lower", "upper"]


class ValueOf(Written):
    """A value: of a column (of several the first that is not empty), a pattern, or constant."""

    column: Columns | None = None
    value: Text | None = None
    text: Pattern | None = None
    default: Text | None = None
    strip: Texts = ("",)  # texts that are cut from both ends, like a currency's sign
    map: dict[Text, Text] | None = None
    otherwise: Text | None = Field(default=None, alias="else")  # for words that `map` lacks
    as_: As | None = Field(default=None, alias="as")
    cut: Annotated[int, Field(ge=1, le=500)] | None = None  # keep so many characters
    # Of a number in cents, thousandths, micros.
    divide: Literal[100, 1_000, 1_000_000] | None = None
    required: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> ValueOf:
        if sum(one is not None for one in (self.column, self.value, self.text)) != 1:
            raise ValueError("write one of column, value and text")
        if self.otherwise is not None and self.map is None:
            raise ValueError(
                "else says what becomes of words that `map` lacks: write a map beside it"
            )
        return self


class Condition(_Strict):
    """What a cell must say; all that is given must hold. Case does not matter."""

    is_: Texts | None = Field(default=None, alias="is")
    not_: Texts | None = Field(default=None, alias="not")
    contains: Texts | None = None
    known: bool | None = None


def _condition(value: object) -> object:
    return value if isinstance(value, dict) else {"is": value}


When = dict[str, Annotated[Condition, BeforeValidator(_condition)]]


class EventOf(_Strict):
    """One event of a row. `id`, `alias` and `also` are patterns, like `email:{address}`."""

    type: EventType
    id: Pattern
    alias: Pattern
    also: tuple[Pattern, ...] = ()  # further aliases; one whose column is empty is left out
    time: TimeOf
    fields: dict[str, ValueOf] = Field(default_factory=dict)
    when: When = Field(default_factory=dict)
    each: str | None = None  # one event for each item of this column, which `split` names


class RecordOf(_Strict):
    """A record of spend or a target that a row makes."""

    fields: dict[str, ValueOf]
    when: When = Field(default_factory=dict)


def _encoding(name: str) -> str:
    try:
        b"".decode(name)
        "a".encode(name)
    except (LookupError, ValueError, TypeError) as error:
        hint = "write one like utf-8, cp1252 or utf-16"
        raise ValueError(f"{name!r} is no encoding of text: {hint}") from error
    return name


class Layout(Written):
    """How a file is written; what is not stated is detected, and the report names it."""

    encoding: Annotated[str, AfterValidator(_encoding)] | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    quote: Literal['"', "'", ""] = '"'
    skip: Annotated[int, Field(ge=0, le=1000)] = 0  # lines before the header
    names: dict[str, Columns] = Field(default_factory=dict)  # a column's names in other exports
    optional: tuple[str, ...] = ()  # columns that a file may lack


class Source(Layout):
    """A file of a mapping."""

    file: str
    key: str | None = None  # the column that names a row: a row without it is refused


class JoinOf(Source):
    """Another file whose row is added: the one whose `key` says what the column `by` says."""

    key: str
    by: str
    name: Annotated[str, Field(alias="as", pattern=r"^\w+$")]  # its columns are `name.column`
    required: bool = False


class FileOf(Source):
    """One file: its name in the data folder, and what each row makes."""

    when: When = Field(default_factory=dict)
    split: dict[str, str] = Field(default_factory=dict)  # columns of lists, and the separators
    values: dict[str, ValueOf] = Field(default_factory=dict)  # named values, used like columns
    join: tuple[JoinOf, ...] = ()
    events: tuple[EventOf, ...] = ()
    spend: tuple[RecordOf, ...] = ()
    targets: tuple[RecordOf, ...] = ()

    @model_validator(mode="after")
    def _makes_something(self) -> FileOf:
        if not (self.events or self.spend or self.targets):
            raise ValueError("makes nothing: write events, spend or targets")
        return self


class Placed(_Strict):
    """A whole file, which knows the lines of its keys."""

    _path: str = PrivateAttr(default="mapping")
    _tree: yaml.Node | None = PrivateAttr(default=None)

    def at(self, *path: str | int) -> str:
        """Return `file:line` of a key of the file."""
        return f"{self._path}:{documents.line_of(self._tree, list(path))}"

    def placed(self, path: Path, tree: yaml.Node | None) -> Self:
        """Return it, knowing where its keys stand."""
        self._path, self._tree = str(path), tree
        return self


class Mapping(Written, Placed):
    """A mapping file. `funnel` is the funnel file that this history needs.

    `order: lead` sorts by lead and time on disk, so that each history is folded in order once;
    `order: file` publishes as the files stand. The facts are the same.
    """

    mapping: str
    funnel: str
    source: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
    order: Literal["lead", "file"] = "lead"
    constants: dict[str, Text] = Field(default_factory=dict)  # `--set name=value` replaces one
    empty: tuple[Text, ...] = EMPTY  # what a cell says that says nothing; case does not matter
    files: Annotated[tuple[FileOf, ...], Field(min_length=1)]


@lru_cache(maxsize=4_096)
def parts_of(pattern: str) -> tuple[tuple[str, str | None], ...]:
    """Return a pattern's words, each with the column that follows, or None."""
    return tuple((words, name) for words, name, _, _ in string.Formatter().parse(pattern))


@lru_cache(maxsize=4_096)
def columns_in(text: str) -> tuple[str, ...]:
    """Return the columns that a pattern names, in order."""
    return tuple(name for _, name in parts_of(text) if name is not None)


def merged(*near_first: Written) -> dict[str, Any]:
    """Return how something is written, by the nearest that says so."""
    return {
        name: next((found for one in near_first if (found := getattr(one, name)) is not None), None)
        for name in Written.model_fields
    }
