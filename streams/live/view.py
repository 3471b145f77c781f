"""What a visitor's address asks for: a value that links are made of, pure.

All that decides what is shown stands in the query string, so an address may be sent to somebody
else, and back and forward work. Period, zone, dimension and filters are those of every other
reader: sinks/clickhouse/asking.py reads them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from schemas.errors import LeadstreamError
from schemas.funnel import BUILT_IN
from sinks.clickhouse import asking
from sinks.clickhouse.asking import Asked

from .wording import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.funnel import Funnel

DEFAULT = "last-30-days"
FILTERS = ("source", "channel", "campaign", "segment", "owner", "team", "stage", "version")
_OF_EVERY_FIGURE = (*BUILT_IN, "stage", "version")
ROWS = 50
FOUND = "/leads"  # the page of what a search found
LEAD = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LONGEST = 200


class Unclear(LeadstreamError, ValueError):  # noqa: N818 - it names the state of the address
    """An address asks for what there is not; the text has an example of what may be asked."""


@dataclass(frozen=True)
class View:
    """A page as somebody looks at it; `begin` and `until` (not included) are aware instants."""

    path: str
    begin: datetime
    until: datetime
    zone: str
    period: str = ""  # a period by name, or else:
    start: str = ""  # the first day
    end: str = ""  # the day after the last
    compare: bool = False
    by: str = ""
    where: tuple[tuple[str, str], ...] = ()
    sort: str = ""
    page: int = 1
    per: str = ""  # what a cohort is followed to
    lang: str = ""
    leads: tuple[str, ...] = ()  # what a search found, by id

    @property
    def first(self) -> date:
        """Return the first day."""
        return self.begin.astimezone(ZoneInfo(self.zone)).date()

    @property
    def last(self) -> date:
        """Return the last day; of a period that goes on it is today."""
        last = (self.until - timedelta(milliseconds=1)).astimezone(ZoneInfo(self.zone)).date()
        return max(self.first, last)

    def only(self, name: str) -> str:
        """Return the value that a dimension is filtered by; empty without a filter."""
        return dict(self.where).get(name, "")

    def but(self, **changes: Any) -> View:
        """Return the view with something else; a list starts at its first page again."""
        return replace(self, **{"page": 1, **changes})

    def named(self, period: str) -> View:
        """Return the view of a period by its name."""
        return self.but(period=period, start="", end="")

    def filtered(self, name: str, value: str) -> View:
        """Return the view with a dimension's filter set, or lifted by an empty value."""
        kept = {known: old for known, old in self.where if known != name}
        return self.but(where=tuple(({**kept, name: value} if value else kept).items()))

    def at(self, path: str) -> View:
        """Return the same question on another page."""
        return self.but(path=path, sort="", per="", leads=())

    def asked(
        self, funnel: Funnel, *kpis: str, by: str | None = None, trend: str = ""
    ) -> tuple[Asked, tuple[str, ...]]:
        """Return the question of some figures, and the filters that no figure of this funnel has.

        Figures know the dimensions that are built in and those that the funnel file names.
        """
        known = (*_OF_EVERY_FIGURE, *funnel.dimensions)
        where = tuple(one for one in self.where if one[0] in known)
        ignored = tuple(name for name, _ in self.where if name not in known)
        question = Asked(
            start=self.start,
            end=self.end,
            period=self.period,
            zone=self.zone,
            by=self.by if by is None else by,
            where=where,
            trend=trend,
            compare=self.compare,
            kpis=kpis,
        )
        return question, ignored

    def query(self) -> dict[str, str]:
        """Return the parameters of the address, without those that are the default."""
        found = {
            "period": "" if self.period == DEFAULT else self.period,
            "from": self.start,
            "to": self.end,
            "compare": "1" if self.compare else "",
            "by": self.by,
            **dict(self.where),
            "sort": self.sort,
            "page": str(self.page) if self.page > 1 else "",
            "per": self.per,
            "zone": self.zone,
            "lang": self.lang,
            "ids": ",".join(self.leads),
        }
        return {name: value for name, value in found.items() if value}

    def address(self, own_zone: str = "") -> str:
        """Return the address; `own_zone` is the reporting zone, which needs no mention."""
        asked = self.query()
        if asked.get("zone") == own_zone:
            del asked["zone"]
        return f"{self.path}?{urlencode(asked, safe=',')}" if asked else self.path

    def question(self) -> tuple[Any, ...]:
        """Return what tells questions apart: neither the language nor the instant is part of it."""
        return (
            self.path, self.period, self.start, self.end, self.zone, self.compare, self.by,
            self.where, self.sort, self.page, self.per,
        )  # fmt: skip


def read(path: str, query: Mapping[str, str], funnel: Funnel, now: datetime) -> View:
    """Read an address. Unknown parameters are nobody's, and empty ones are as if left out.

    Raises:
        Unclear: a parameter asks for what there is not.

    """
    given = {name: value.strip() for name, value in query.items() if value.strip()}
    leads = given.pop("ids", "").split(",")[:ROWS] if path == FOUND else ()
    for name, value in given.items():
        if len(value) > _LONGEST or not value.isprintable():
            raise Unclear(f"{name} is longer than {_LONGEST} characters, or not printable")
    start, end = given.get("from", ""), given.get("to", "")
    period = given.get("period", "" if start or end else DEFAULT)
    question = Asked(
        start,
        end,
        period,
        zone=given.get("zone", ""),
        by=given.get("by", ""),
        compare=given.get("compare", "0") not in ("0", "false", "no"),
    )
    try:
        read = asking.read(funnel, question, int(now.timestamp() * 1000))
    except ValueError as error:
        raise Unclear(str(error)) from error
    return View(
        path,
        _instant(read.start),
        _instant(max(read.end, read.start + 1)),
        read.zone,
        period,
        start,
        end,
        question.compare,
        question.by,
        tuple((name, given[name]) for name in dimensions(funnel) if name in given),
        given.get("sort", ""),
        _number(given.get("page", "1")),
        given.get("per", ""),
        given["lang"] if given.get("lang") in LANGUAGES else "",
        tuple(one for one in leads if LEAD.fullmatch(one)),
    )


def dimensions(funnel: Funnel) -> tuple[str, ...]:
    """Return the names by which a view may be filtered."""
    return tuple(dict.fromkeys((*FILTERS, *BUILT_IN, *funnel.dimensions)))


def splits(funnel: Funnel) -> tuple[str, ...]:
    """Return the names by which figures may be split."""
    return (*BUILT_IN, *funnel.dimensions)


def _instant(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


def _number(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value[:9]) <= 1_000_000:
        raise Unclear(f"{value!r} is no page: write a number from 1")
    return int(value)
