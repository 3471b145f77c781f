"""A report of a CRM's as a file: which column holds the record's id, and which the time or stage.

The file is written and read as an import's (encodings, delimiters, times); docs/reconcile.md is the
language of the YAML beside it. What a row is counted for is the asker's to decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, ValidationError

from streams.sources.registry import SOURCES, canonical

from .cells import ColumnError
from .language import (
    EMPTY,
    Layout,
    MappingError,
    Pattern,
    Placed,
    Refused,
    Text,
    Texts,
    TimeOf,
    columns_in,
    merged,
)
from .loading import Kind, parsed
from .making import alias_of
from .problems import Problem, fail, near
from .tables import open_table
from .values import RowError, instant, render

_ACCOUNT = set("{}:;,| \n\t")  # what would make another alias of the pattern
_ADDRESS = ("account", "id")


class ReportOf(Layout, Placed):
    """How a report is read. `zone` is that of its days; without one, the installation's."""

    report: str
    system: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
    kind: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]  # of record, as aliases write it
    account: Text | None = None
    id: str  # the column of the record's id
    stage: str | None = None  # the column of the stage that a record stands in
    entered: dict[str, str] = Field(default_factory=dict)  # by stage, the column of its entry
    counts: dict[str, Texts] = Field(default_factory=dict)  # by stage, what the stage column says
    words: dict[Text, Text] = Field(default_factory=dict)  # labels, and what events say for them
    address: Pattern | None = None  # of a record, with {account} and {id}
    empty: tuple[Text, ...] = EMPTY

    @property
    def deals(self) -> bool:
        """Return whether its records are deals."""
        return self.kind in ("deal", "opportunity")

    def changed(self, given: dict[str, Any]) -> ReportOf:
        """Return the report with other values, which somebody typed.

        Raises:
            MappingError: one of them can't be used.

        """
        try:
            made = ReportOf.model_validate({**self.model_dump(by_alias=True), **given})
        except ValidationError as error:
            first = error.errors()[0]
            text = first["msg"].removeprefix("Value error, ")
            raise MappingError(f"--{first['loc'][0]}: {text}") from error
        made._path, made._tree = self._path, self._tree  # noqa: SLF001 - its own kind
        fail(made, list(_problems(made)))
        return made


_KIND = Kind("report", "docs/reconcile.md", (ReportOf,))


class Line(NamedTuple):
    """A row: its record as an alias, the id as it is written there, the time (ms) and the word."""

    line: int
    record: str
    id: str
    at: int | None
    word: str
    address: str


def load(path: Path) -> ReportOf:
    """Read a report's YAML and check all that needs neither the report nor the funnel.

    Raises:
        MappingError: it names every problem with its line.

    """
    spec, tree = parsed(path, ReportOf, _KIND)
    spec = spec.placed(path, tree)
    fail(spec, list(_problems(spec)))
    return spec


def _problems(spec: ReportOf) -> Iterator[Problem]:
    vendor = SOURCES.get(spec.system)
    kinds = (*vendor.records, *vendor.deals) if vendor else ()
    if kinds and spec.kind not in kinds:
        text = f"{spec.kind!r} is no kind of record of {spec.system}{near(spec.kind, kinds)}"
        yield Problem(("kind",), text)
    wrong = [name for name in columns_in(spec.address or "") if name not in _ADDRESS]
    if wrong:
        yield Problem(("address",), f"{wrong[0]!r} is not known here: write {{account}} and {{id}}")
    if spec.account is not None and (text := unusable(spec.account)):
        yield Problem(("account",), text)
    if spec.counts and spec.stage is None:
        yield Problem(("counts",), "says what a column says that is not named: write stage: too")


def unusable(account: str) -> str:
    """Return why a text is no account of a system's; nothing where it is one."""
    if account and not _ACCOUNT.intersection(account):
        return ""
    return f"{account!r} is no account: write the id that the system's events carry, like 62515"


def check(spec: ReportOf, path: Path, columns: dict[str, str]) -> None:
    """Check that a report has its columns. `columns` says what each is needed for, by its name.

    Raises:
        MappingError: it names every problem, with the line of the key that names a column.

    """
    try:
        there = open_table(path, spec, frozenset(columns)).columns
    except ColumnError as error:
        raise MappingError(f"{path}: {error.text}") from error
    except OSError as error:
        raise MappingError(f"{path} can't be read: {error.strerror}") from error
    if not there:
        raise MappingError(f"{path} is empty: it has no header")
    wrong = [
        f"{path}:1: has no column {name!r} ({why}){near(name, [one for one in there if one])}"
        for name, why in columns.items()
        if name not in there
    ]
    if wrong:
        raise MappingError("\n".join(wrong))


def lines(
    spec: ReportOf, path: Path, entered: str | None, stage: str | None
) -> Iterator[Line | Refused]:
    """Yield the rows of a report; `entered` and `stage` are the columns read beside the id.

    A row without an id, or whose time can't be read, is refused. Empty lines are none.
    """
    assert spec.account is not None, "whoever asks has made sure that the account is known"
    pattern = f"{spec.system}:{spec.account}:{spec.kind}:{{id}}"
    wanted = frozenset(name for name in (spec.id, entered, stage) if name is not None)
    time, how = TimeOf(column=(entered or spec.id,), optional=True), merged(spec)
    how["format"] = how["format"] or ("iso",)
    empty = frozenset(text.casefold() for text in spec.empty)
    words = {label.casefold(): word for label, word in spec.words.items()}
    for row in open_table(path, spec, wanted).rows:
        if row.blank:
            continue
        if row.problem:
            yield Refused(path.name, row.line, row.column, row.problem)
            continue
        cells = {name: "" if text.casefold() in empty else text for name, text in row.cells.items()}
        key = cells[spec.id]
        try:
            record = canonical(alias_of(pattern, {"id": key}))
            at = instant(time, cells, how) if entered is not None else None
        except RowError as error:
            column = spec.id if error.column == "id" else error.column
            yield Refused(path.name, row.line, column, error.reason)
            continue
        word = cells[stage] if stage is not None else ""
        address = render(spec.address or "", {"account": spec.account, "id": key})
        yield Line(row.line, record, key, at, words.get(word.casefold(), word), address)
