"""What a value of a mapping says for one row. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from streams.sources.vendors.salesforce.words import canonical

from .cells import Exact, Items
from .language import TimeOf, ValueOf, When, columns_in, parts_of
from .lines import clean
from .numbers import number
from .times import moment

Scope = dict[str, str]
How = dict[str, Any]  # decimal, thousands, format and zone, as `language.merged` gives them

# Fields that are numbers and days whatever a mapping says.
NUMBERS = frozenset(
    {"deal.amount", "deal.margin", "score", "amount", "value", "clicks", "impressions"}
)
DAYS = frozenset({"deal.close_date", "day", "start", "end"})
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?")
_ID = re.compile(r"[0-9A-Za-z]{15}([0-9A-Za-z]{3})?")


class RowError(Exception):
    """A row can't be read: its column, and why."""

    def __init__(self, column: str, reason: str) -> None:
        """Keep both."""
        super().__init__(reason)
        self.column, self.reason = column, reason


def shown(text: str) -> str:
    """Return a cell's text as a reason quotes it: short, and on one line."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def render(pattern: str, scope: Scope) -> str:
    """Put the row's cells into a pattern; an empty one leaves nothing."""
    return "".join(
        words if name is None else words + scope[name] for words, name in parts_of(pattern)
    )


def holds(when: When, scope: Scope) -> bool:
    """Return whether all conditions hold."""
    for name, asked in when.items():
        text = scope[name].casefold()
        if asked.is_ is not None and text not in {one.casefold() for one in asked.is_}:
            return False
        if asked.not_ is not None and text in {one.casefold() for one in asked.not_}:
            return False
        if asked.contains and not any(one.casefold() in text for one in asked.contains):
            return False
        if asked.known is not None and bool(text) is not asked.known:
            return False
    return True


def items(text: str, separator: str) -> tuple[str, ...]:
    """Return what a list in a cell holds, each once."""
    found = text.items if isinstance(text, Items) else tuple(map(clean, text.split(separator)))
    return tuple(dict.fromkeys(filter(None, found)))


def value(spec: ValueOf, name: str, scope: Scope, how: How) -> str:
    """Return a value as canonical text, or "" where it is empty.

    Raises:
        RowError: it can't be read.

    """
    column, text = _text(spec, name, scope)
    for cut in filter(None, spec.strip):
        text = clean(text.removeprefix(cut).removesuffix(cut)) if cut in text else text
    if not text:
        if spec.required and spec.default is None:
            raise RowError(column, f"is empty, and {name} needs it")
        return spec.default or ""
    if spec.map is not None:
        found = {word.casefold(): meaning for word, meaning in spec.map.items()}
        meant = found.get(text.casefold(), spec.otherwise)
        if meant is None:
            raise RowError(column, f"{shown(text)} is not in the map: add it, or write else")
        return meant
    canonical = _as(spec, name, text, column, how)
    return canonical[: spec.cut] if spec.cut else canonical


def _text(spec: ValueOf, name: str, scope: Scope) -> tuple[str, str]:
    if spec.column is not None:
        column = next((one for one in spec.column if scope[one]), spec.column[0])
        return column, scope[column]
    if spec.value is not None:
        return name, spec.value
    return (columns_in(spec.text or "") or [name])[0], clean(render(spec.text or "", scope))


def _as(spec: ValueOf, name: str, text: str, column: str, how: How) -> str:
    kind = spec.as_ or ("number" if name in NUMBERS else "day" if name in DAYS else "text")
    try:
        match kind:
            case "number":
                found = _number(text, how)
                return f"{Decimal(found) / spec.divide:f}" if spec.divide else found
            case "day":
                at = _moment(text, how)
                return (
                    datetime.fromtimestamp(at / 1000, ZoneInfo(how["zone"] or "UTC"))
                    .date()
                    .isoformat()
                )
            case "salesforce_id":
                return _salesforce_id(text)
            case "lower":
                return text.lower()
            case "upper":
                return text.upper()
            case _:
                return text
    except (ValueError, OverflowError, OSError) as error:
        reason = (
            str(error) if isinstance(error, ValueError) else "lies outside of what a day can be"
        )
        raise RowError(column, f"{shown(text)} {reason}") from error


def _number(text: str, how: How) -> str:
    if isinstance(text, Exact):
        try:
            return number(f"{Decimal(text):f}", ".", "")
        except InvalidOperation as error:
            raise ValueError("is no number") from error
    return number(text, how["decimal"], how["thousands"])


def _moment(text: str, how: How) -> int:
    formats = tuple(how["format"] or ("iso",))
    if isinstance(text, Exact) and _ISO.fullmatch(text):
        formats = ("iso",)
    return moment(text, formats, how["zone"])


def _salesforce_id(text: str) -> str:
    """Return the id of 18 characters: three say which of the 15 are capitals, five by five.

    Raises:
        ValueError: it is no id.

    """
    if not _ID.fullmatch(text):
        raise ValueError("is no id of Salesforce, which has 15 or 18 letters and digits")
    made = canonical(text)
    if len(text) == 18 and made != text[:15] + text[15:].upper():
        raise ValueError("is no id of Salesforce: its last three characters do not fit the others")
    return made


def instant(spec: TimeOf, scope: Scope, how: How) -> int | None:
    """Return when something happened (ms); None where it did not, and need not have.

    Raises:
        RowError: it can't be read.

    """
    if spec.value is not None:
        column, text = "time", spec.value
        how = {**how, "format": spec.format or ("iso",)}
    else:
        columns = spec.column or ()
        column = next((one for one in columns if scope[one]), columns[0])
        text = scope[column]
    if not text:
        if spec.optional:
            return None
        raise RowError(column, "is empty, and it says when: write optional: true if it may be")
    try:
        return _moment(text, how)
    except ValueError as error:
        raise RowError(column, f"{shown(text)} {error}") from error
