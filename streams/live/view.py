"""What a visitor's address asks for: a value that links are made of, pure.

All that decides what is shown stands in the query string, so an address may be sent to somebody
else, and back and forward work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from schemas.errors import LeadstreamError
from schemas.funnel import BUILT_IN

from . import periods

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.funnel import Funnel

FILTERS = ("source", "channel", "campaign", "segment", "owner", "team", "stage", "version")
ROWS = 50
_LONGEST = 200


class Unclear(LeadstreamError, ValueError):  # noqa: N818 - it names the state of the address
    """An address asks for what there is not; `name` is its parameter."""

    def __init__(self, name: str, text: str) -> None:
        """`text` is for people who read logs; the page has its own words."""
        super().__init__(f"{name}: {text}")
        self.name = name


@dataclass(frozen=True)
class View:
    """A page as somebody looks at it. `first` and `last` are days of `zone`, both included."""

    path: str
    first: date
    last: date
    zone: str
    period: str = ""  # a preset's name, while none of its days was written out
    compare: bool = False
    by: str = ""
    where: tuple[tuple[str, str], ...] = ()
    sort: str = ""
    page: int = 1
    per: str = ""  # what a cohort is followed to
    lang: str = ""

    def only(self, name: str) -> str:
        """Return the value that a dimension is filtered by; empty without a filter."""
        return dict(self.where).get(name, "")

    def but(self, **changes: Any) -> View:
        """Return the view with something else; a list starts at its first page again.

        A `first` and `last` are no preset's any more.
        """
        if changes.keys() & {"first", "last"}:
            changes.setdefault("period", "")
        return replace(self, **{"page": 1, **changes})

    def filtered(self, name: str, value: str) -> View:
        """Return the view with a dimension's filter set, or lifted by an empty value."""
        kept = {known: old for known, old in self.where if known != name}
        return self.but(where=tuple(({**kept, name: value} if value else kept).items()))

    def at(self, path: str) -> View:
        """Return the same question on another page."""
        return self.but(path=path, sort="", per="")

    def query(self) -> dict[str, str]:
        """Return the parameters of the address, without those that are the default."""
        days = {"from": self.first.isoformat(), "to": self.last.isoformat()}
        found = {"period": self.period} if self.period else days
        if self.period == periods.DEFAULT:
            found = {}
        rest = {
            "compare": "1" if self.compare else "",
            "by": self.by,
            **dict(self.where),
            "sort": self.sort,
            "page": str(self.page) if self.page > 1 else "",
            "per": self.per,
            "zone": self.zone,
            "lang": self.lang,
        }
        return {name: value for name, value in {**found, **rest}.items() if value}

    def address(self, own_zone: str = "") -> str:
        """Return the address; `own_zone` is the reporting zone, which needs no mention."""
        asked = self.query()
        if asked.get("zone") == own_zone:
            del asked["zone"]
        return f"{self.path}?{urlencode(asked)}" if asked else self.path

    def question(self) -> tuple[Any, ...]:
        """Return what tells questions apart: neither the language nor a look is part of it."""
        return (
            self.path, self.first, self.last, self.zone, self.compare, self.by, self.where,
            self.sort, self.page, self.per,
        )  # fmt: skip


def read(path: str, query: Mapping[str, str], funnel: Funnel, now: datetime) -> View:
    """Read an address. Unknown parameters are nobody's, and empty ones are as if left out.

    Raises:
        Unclear: a parameter asks for what there is not.

    """
    given = {name: value.strip() for name, value in query.items() if value.strip()}
    for name, value in given.items():
        if len(value) > _LONGEST or not value.isprintable():
            raise Unclear(name, f"longer than {_LONGEST} characters, or not printable")
    reporting = funnel.reporting
    zone = given.get("zone", reporting.zone)
    try:
        today = now.astimezone(ZoneInfo(zone)).date()
    except (KeyError, ValueError, OSError) as error:
        raise Unclear("zone", f"{zone!r} is no IANA time zone like Europe/Paris") from error
    preset = given.get("period", "" if {"from", "to"} & given.keys() else periods.DEFAULT)
    if preset and preset not in periods.PRESETS:
        raise Unclear("period", f"{preset!r} is none of {', '.join(periods.PRESETS)}")
    if preset:
        found = periods.days(preset, today, reporting)
        first, last = found.first, found.end - timedelta(days=1)
    else:
        last = _day("to", given.get("to", ""), today)
        first = _day("from", given.get("from", ""), last - timedelta(days=29))
    if first > last:
        raise Unclear("from", f"{first} is after {last}")
    return View(
        path,
        first,
        last,
        zone,
        preset,
        given.get("compare", "0") not in ("0", "false", "no"),
        _known_dimension(given.get("by", ""), funnel),
        tuple((name, given[name]) for name in dimensions(funnel) if name in given),
        given.get("sort", ""),
        _number(given.get("page", "1")),
        given.get("per", ""),
        given.get("lang", ""),
    )


def dimensions(funnel: Funnel) -> tuple[str, ...]:
    """Return the names by which a view may be filtered."""
    return tuple(dict.fromkeys((*FILTERS, *BUILT_IN, *funnel.dimensions)))


def _known_dimension(name: str, funnel: Funnel) -> str:
    if name and name not in dimensions(funnel):
        raise Unclear("by", f"{name!r} is none of {', '.join(dimensions(funnel))}")
    return name


def _day(name: str, value: str, default: date) -> date:
    try:
        found = date.fromisoformat(value) if value else default
    except ValueError as error:
        raise Unclear(name, f"{value!r} is no day like 2026-01-31") from error
    if not date(1970, 1, 1) <= found <= date(2199, 12, 31):
        raise Unclear(name, f"{value!r} is out of reach")
    return found


def _number(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value[:9]) <= 1_000_000:
        raise Unclear("page", f"{value!r} is no page")
    return int(value)
