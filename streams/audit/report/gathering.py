"""What the weekly report shows, asked of the figures: every number in it is one of asking.report's.

Cohorts of a single week are young, so conversion, acceptance and cost are those of the twelve weeks
that end with the period, mature and pending apart.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from sinks.clickhouse import asking, kpis, spans
from sinks.clickhouse.asking import Asked
from streams.domain import calendar
from streams.sources import measuring

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.funnel import Funnel

    Ask = Callable[[Asked], dict[str, Any]]

WEEKS = 12
COHORTS = ("step_conversion", "acceptance", "rejection", "no_decision")
TRENDS = ("inflow", "acceptance", "sla", "revenue")
SOURCES = ("inflow", "acceptance", "cost")


class Week(NamedTuple):
    """What the report is drawn from.

    `week`, `cohorts`, `trend` and `sources` are documents of asking.report: the period with the one
    before it, and the twelve weeks that end with it, together, by week, by source. `stalled` is
    {total, teams, rows}, `bridge` the figures of a bridge, each {title, saved, now, parts}.
    """

    funnel: Funnel
    made_at: datetime
    week: dict[str, Any]
    cohorts: dict[str, Any]
    trend: dict[str, Any]
    sources: dict[str, Any]
    weeks: tuple[str, ...]  # the first day of each week of the trend
    stalled: dict[str, Any]
    bridge: tuple[Mapping[str, Any], ...]
    unmeasured: tuple[str, ...]
    unreported: tuple[str, ...]


def questions(funnel: Funnel, asked: Asked, now: int) -> dict[str, Asked]:
    """Return the questions of the report, by name; all as of one instant (`now` in ms).

    Raises:
        Unreadable: a word that can't be read, or a question of all time.

    """
    wanted = asking.read(funnel, asked, now)
    if not wanted.start:
        raise asking.Unreadable("a report is of a period: name one, like §period last-week")
    place = ZoneInfo(wanted.zone)
    instant = datetime.fromtimestamp(wanted.asof / 1000, UTC).isoformat()
    last = calendar.local(wanted.end - 1, place).date() + timedelta(days=1)
    first = last - timedelta(weeks=WEEKS)
    fixed = asked._replace(as_of=instant, zone=wanted.zone)
    long = fixed._replace(period="", start=str(first), end=str(last))
    return {
        "week": fixed._replace(compare=True),
        "cohorts": long._replace(kpis=COHORTS),
        "trend": long._replace(kpis=TRENDS, trend="week"),
        "sources": long._replace(kpis=SOURCES, by="source"),
    }


def gather(
    ask: Ask,
    funnel: Funnel,
    asked: Asked,
    now: int,
    stalled: dict[str, Any],
    bridge: tuple[Mapping[str, Any], ...] = (),
) -> Week:
    """Return all that the report shows.

    Raises:
        Unreadable: a word that can't be read, or a question of all time.

    """
    asked_of = questions(funnel, asked, now)
    found = {name: ask(one) for name, one in asked_of.items()}
    weeks = spans.buckets(asking.read(funnel, asked_of["trend"], now))
    return Week(
        funnel=funnel,
        made_at=datetime.fromtimestamp(now / 1000, UTC),
        **found,
        weeks=tuple(first for first, _, _ in weeks),
        stalled=stalled,
        bridge=bridge,
        unmeasured=tuple(measuring.not_measured(funnel)),
        unreported=tuple(measuring.not_reported(funnel)),
    )


def headline(week: Week) -> list[dict[str, Any]]:
    """Return the figures of the period that a meeting begins with."""
    shape = week.funnel.shape()
    stages = dict.fromkeys(filter(None, (shape.entry, shape.qualifying, shape.accepted, shape.won)))
    figures = week.week["figures"]
    entered = [
        one
        for stage in stages
        for one in figures
        if one["kpi"] == "inflow" and one["dimensions"].get("stage") == stage
    ]
    money = [
        one
        for one in figures
        if one["kpi"] in ("pipeline", "revenue") and not one["dimensions"].get("unconverted")
    ]
    return [*entered, *money]


def of(week: Week, report: str, name: str) -> list[dict[str, Any]]:
    """Return the figures of a KPI that the funnel can have, in the order of its stages."""
    order = {stage: place for place, stage in enumerate(week.funnel.stages)}

    def place(figure: Mapping[str, Any]) -> int:
        named = figure["dimensions"]
        stage = named.get("stage") or named.get("handoff") or str(named.get("clock", ""))
        return order.get(stage.partition(".")[0], len(order))

    found = [
        one
        for one in getattr(week, report)["figures"]
        if one["kpi"] == name and one["basis"] != kpis.NOT_APPLICABLE
    ]
    return sorted(found, key=place)


def inapplicable(week: Week) -> list[tuple[str, str]]:
    """Return the KPIs that cannot be had, each with why."""
    return [
        (one["title"], one["dimensions"]["why"])
        for one in week.week["figures"]
        if one["basis"] == kpis.NOT_APPLICABLE
    ]
