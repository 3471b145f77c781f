"""A question as people ask it, on the command line, in the page's address, of the API: one form.

All words are text here; `read` turns them into a Question of the figures, and refuses what it can't
read with an example. So whoever asks the same in another place gets the same figures.
"""

from __future__ import annotations

import time as clock
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, cast, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.errors import LeadstreamError
from schemas.events import EARLIEST, LATEST
from streams.domain import calendar

from . import kpis, spans
from .catalogue import named
from .questions import Question, Trend, question

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.calendars import Reporting
    from schemas.funnel import Funnel

FRESH_MS = 60_000  # an as-of that is no older than this is now
PERIODS = (
    "today", "yesterday", "this-week", "last-week", "this-month", "last-month", "this-quarter",
    "last-quarter", "this-year", "last-year", "last-7-days", "last-30-days", "last-90-days",
)  # fmt: skip
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
# What a named period is compared with lies so long before it: a running week with the same weekdays
# of the week before, a running quarter with as much of the quarter before.
_STEPS = {"week": (7, "day"), **{unit: (months, "month") for unit, months in _MONTHS.items()}}


class Unreadable(LeadstreamError, ValueError):  # noqa: N818 - it names the word, not the code
    """A word that can't be read. Its message names options as they are; `marked` puts -- before."""

    def __init__(self, text: str) -> None:
        """Take a text in which a § stands before each option's name."""
        super().__init__(text.replace("§", ""))
        self.text = text

    def marked(self, mark: str) -> str:
        """Return the message with a mark before each option's name."""
        return self.text.replace("§", mark)


class Asked(NamedTuple):
    """What somebody asks for.

    `start` and `end` are the first day and the day after the last, or `period` names both. Days and
    times without a zone are those of `zone`, by default the reporting zone. `where` keeps what has
    one of some values of a dimension. `compare` asks for the period before as well.
    """

    start: str = ""
    end: str = ""
    period: str = ""
    as_of: str = ""
    zone: str = ""
    by: str = ""
    where: tuple[tuple[str, str], ...] = ()
    trend: str = ""
    compare: bool = False
    cohort_days: int | None = None
    kpis: tuple[str, ...] = ()


def read(funnel: Funnel, asked: Asked, now: int) -> Question:
    """Return the question; `now` in ms.

    Raises:
        Unreadable: a word that can't be read; the message has an example.
        ValueError: there is no such KPI or dimension; the message names those that there are.

    """
    place = _zone(asked.zone or funnel.reporting.zone)
    for name in asked.kpis:
        named(name)
    if asked.trend not in get_args(Trend):
        raise Unreadable(f"§trend goes by day, week or month, not by {asked.trend!r}")
    asof = instant(asked.as_of, place) if asked.as_of else now
    start, end = _period(asked, funnel.reporting, place, asof)
    where: dict[str, tuple[str, ...]] = {}
    for name, value in asked.where:
        where[name] = (*where.get(name, ()), value)
    return question(
        funnel,
        start,
        end,
        asof,
        asked.by,
        asked.cohort_days,
        where,
        zone=place.key,
        trend=cast("Trend", asked.trend),
        past=asof < now - FRESH_MS,
    )


def report(
    client: Any,
    funnel: Funnel,
    asked: Asked,
    now: int | None = None,
    past: Callable[[int], Any] | None = None,
) -> dict[str, Any]:
    """Return the figures with their period: {period, before, figures}.

    A figure is a document of `kpis.ask`; with `compare` it has `previous`, the same figure of the
    period before. `past` gives a client that knows where leads stood at an instant (ms).
    """
    moment = int(clock.time() * 1000) if now is None else now
    wanted = read(funnel, asked, moment)
    figures = _ask(client, wanted, asked.kpis, past)
    before = None
    if asked.compare:
        earlier = _before(wanted, asked)
        old = {_key(one): one for one in _ask(client, earlier, asked.kpis, past)}
        figures = [one | {"previous": _value(old.get(_key(one)))} for one in figures]
        before = _span(earlier)
    return {"period": _span(wanted), "before": before, "figures": figures}


def behind(
    client: Any,
    funnel: Funnel,
    asked: Asked,
    name: str,
    dimensions: Mapping[str, Any],
    limit: int = 50,
    offset: int = 0,
    now: int | None = None,
) -> dict[str, Any]:
    """Return the leads behind a figure of a report (kpis.behind)."""
    moment = int(clock.time() * 1000) if now is None else now
    return kpis.behind(client, read(funnel, asked, moment), name, dimensions, limit, offset)


def _ask(
    client: Any, wanted: Question, names: tuple[str, ...], past: Callable[[int], Any] | None
) -> list[dict[str, Any]]:
    """Ask; where leads stood at a past instant is asked of whoever knows it, if it is asked for."""
    of_states = {
        kpi.name for kpi in kpis.catalogue() if kpi.of_states and (not names or kpi.name in names)
    }
    if not wanted.past or past is None or not of_states:
        return kpis.ask(client, wanted, names)
    then = kpis.ask(past(wanted.asof), wanted._replace(past=False), of_states)
    figures = []
    for kpi in kpis.catalogue():
        if names and kpi.name not in names:
            continue
        if kpi.name in of_states:
            figures += [one for one in then if one["kpi"] == kpi.name]
        else:
            figures += kpis.ask(client, wanted, (kpi.name,))
    return figures


def _before(wanted: Question, asked: Asked) -> Question:
    if not wanted.start:
        raise Unreadable("all time has no period before it: name one, like §period last-week")
    end = wanted.end
    if asked.end or asked.period:  # a period that was cut at now is compared as it was meant
        end = max(wanted.end, wanted.start + 1)
    step = _STEPS.get(asked.period.partition("-")[2])
    if step:
        start, until = spans.moved(wanted.start, end, wanted.zone, *step)
    else:
        start, until = spans.before(wanted.start, end, wanted.zone)
    return wanted._replace(start=start, end=until)


def _key(figure: Mapping[str, Any]) -> tuple[Any, ...]:
    return figure["kpi"], figure["basis"], tuple(sorted(figure["dimensions"].items()))


def _value(figure: Mapping[str, Any] | None) -> float | None:
    return None if figure is None else figure["value"]


def _span(wanted: Question) -> dict[str, str]:
    place = ZoneInfo(wanted.zone)
    shown = {"from": wanted.start, "to": wanted.end, "as_of": wanted.asof}
    return {"zone": wanted.zone} | {
        name: calendar.local(ms, place).isoformat() if ms else "" for name, ms in shown.items()
    }


def _period(asked: Asked, reporting: Reporting, place: ZoneInfo, asof: int) -> tuple[int, int]:
    if asked.period:
        if asked.start or asked.end:
            raise Unreadable("§period names a period, or §from and §to its days: not both")
        first, last = _days(asked.period, reporting, calendar.local(asof, place).date())
        return spans.midnight(first, place), spans.midnight(last, place)
    start = _day(asked.start, "from", place) if asked.start else 0
    end = _day(asked.end, "to", place) if asked.end else asof + 1
    if asked.end and end <= start:
        raise Unreadable(
            f"§to {asked.end} is not after §from {asked.start}: it names the day after the last"
        )
    return start, end


def _days(period: str, reporting: Reporting, today: date) -> tuple[date, date]:
    """Return the first day of a named period, and the day after its last."""
    which, _, what = period.partition("-")
    tomorrow = today + timedelta(days=1)
    if period == "today":
        return today, tomorrow
    if period == "yesterday":
        return today - timedelta(days=1), today
    count, _, unit = what.partition("-")
    if which == "last" and unit == "days" and count.isdigit() and 0 < int(count) <= 3_660:
        return tomorrow - timedelta(days=int(count)), tomorrow
    if which not in ("this", "last") or what not in ("week", *_MONTHS):
        raise Unreadable(f"§period {period!r} is none; ask for one of {', '.join(PERIODS)}")
    if what == "week":
        into = today.weekday() if reporting.week_start == "monday" else (today.weekday() + 1) % 7
        first = today - timedelta(days=into)
        return (first, first + timedelta(7)) if which == "this" else (first - timedelta(7), first)
    months = _MONTHS[what]
    fiscal = reporting.fiscal_year_start if months > 1 else "01-01"
    year_month, day = (int(part) for part in fiscal.split("-"))
    month = today.replace(day=1)
    if today < _on(month, day):
        month = _months_on(month, -1)
    first = _months_on(month, -((month.month - year_month) % months))
    if which == "last":
        return _on(_months_on(first, -months), day), _on(first, day)
    return _on(first, day), _on(_months_on(first, months), day)


def _months_on(first: date, months: int) -> date:
    """Return the first day of the month so many months after one."""
    count = first.year * 12 + first.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)


def _on(first: date, day: int) -> date:
    """Return a day of the month that begins on `first`; its last, where the month is shorter."""
    last = _months_on(first, 1) - timedelta(days=1)
    return first.replace(day=min(day, last.day))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Unreadable(f"§zone {name!r} is none: write one like Europe/Paris") from error


def instant(text: str, place: ZoneInfo, name: str = "as-of") -> int:
    """Return a time (ms); one without a zone is of `place`. `name` is the option that had it.

    Raises:
        Unreadable: it is no time; the message has an example.

    """
    try:
        if text.isdigit():
            return _bounded(int(text))
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return _bounded(calendar.wall_ms(moment.date(), moment.time(), place))
        return _bounded(calendar.to_ms(moment))
    except (ValueError, OverflowError) as error:
        raise Unreadable(
            f"§{name} {text!r} is not a time: write one like 2026-01-31T09:00 (in {place.key}) "
            "or 2026-01-31T08:00:00Z, from 1970 to 2099"
        ) from error


def _day(text: str, name: str, place: ZoneInfo) -> int:
    try:
        return _bounded(calendar.wall_ms(date.fromisoformat(text), time(), place))
    except (ValueError, OverflowError) as error:
        raise Unreadable(
            f"§{name} {text!r} is not a date: write one like 2026-01-31, from 1970 to 2099"
        ) from error


def _bounded(moment: int) -> int:
    if not EARLIEST <= moment <= LATEST:
        raise ValueError("outside of the years that events may have")
    return moment
