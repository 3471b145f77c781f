"""What a file's cells and rows are, whatever kind of file they stand in.

A cell is text. Text that a machine wrote from a number or a time (JSON, Parquet) is `Exact`: it is
never ambiguous, whatever a mapping says about commas.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from .language import Layout
from .lines import clean


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
    """An opened file. `findings` go into the report: encoding, delimiter, which were detected."""

    path: Path
    columns: list[str]
    rows: Iterator[Row]
    findings: dict[str, Any] = field(default_factory=dict)


class ColumnError(Exception):
    """The file's header does not have what is needed: which column, and why."""

    def __init__(self, column: str, text: str) -> None:
        """Keep both."""
        super().__init__(text)
        self.column, self.text = column, text


def plain(name: str) -> str:
    """Return a column's name as people see it: composed letters, no space around."""
    return unicodedata.normalize("NFC", clean(name))


def named(columns: list[str], source: Layout) -> list[str]:
    """Rename columns to what the mapping knows them by."""
    there = set(columns)
    other = {
        alias: name
        for name, aliases in source.names.items()
        if name not in there and len(found := [one for one in aliases if one in there]) == 1
        for alias in found
    }
    return [other.get(name, name) for name in columns]


def once(columns: list[str], wanted: frozenset[str], line: int) -> None:
    """Refuse a column that stands twice, if anything is read from it."""
    for name in columns:
        if name in wanted and columns.count(name) > 1:
            places = [str(place) for place, one in enumerate(columns, 1) if one == name]
            raise ColumnError(
                name,
                f"the header on line {line} has {name!r} {len(places)} times "
                f"(columns {', '.join(places)}): rename all but one",
            )
