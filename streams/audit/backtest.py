"""The backtest: how often each clock would have raised an alert in the last 90 days of history."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import orjson

from streams.domain import clocks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.facts import Fact
    from schemas.funnel import Funnel
    from streams.domain.definition import Definitions

DAYS = 90
_NAMES = ("clock", "level", "recipient", "week")

Fired = Counter[tuple[str, str, str, str]]


def count(facts: Iterable[Fact], definitions: Definitions, asof: int) -> Fired:
    """Count alerts of the 90 days before `asof` (ms) by clock, level, recipient and week.

    The recipient is the team that owns the clock's stage. A week begins as the funnel's report has
    it, in the reporting zone.
    """
    since, counted = asof - DAYS * 86_400_000, Fired()
    for fact in facts:
        if fact.kind != "clock":
            continue
        clock = orjson.loads(fact.content)
        if clock["test"]:
            continue
        for level, at in clocks.levels(clock, fact.at).items():
            if since <= at <= asof:
                funnel = definitions.at(fact.at).funnel
                name = f"{clock['stage']}.{clock['clock']}"
                team = funnel.stages[clock["stage"]].owner
                counted[name, level, team, _week(at, funnel)] += 1
    return counted


def documents(fired: Fired) -> list[dict[str, Any]]:
    """Return the counts as JSON has them, sorted."""
    return [{**dict(zip(_NAMES, key, strict=True)), "n": n} for key, n in sorted(fired.items())]


def _week(at: int, funnel: Funnel) -> str:
    day = datetime.fromtimestamp(at / 1000, ZoneInfo(funnel.reporting.zone)).date()
    first = 0 if funnel.reporting.week_start == "monday" else 6
    return (day - timedelta(days=(day.weekday() - first) % 7)).isoformat()
