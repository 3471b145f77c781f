"""When a notice may go: after its proof, in open hours, at a digest's time (notices n3 to n7).

Pure: instants are ms, and what time it is comes in from outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from schemas.notify import Elapsed, Notify
from streams.domain import calendar
from streams.domain.clocks import WARN_FROM_MS
from streams.sources.registry import can_send

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.funnel import Funnel
    from schemas.notify import NoticeLevel
    from schemas.stages import Clock
    from schemas.wire.models.alerts import Alert

MINUTE_MS, DAY_MS, WEEK_MS = 60_000, 86_400_000, 7 * 86_400_000
MOST_DELAY_MS = 15 * MINUTE_MS
MOST_SHORT_DELAY_MS = MINUTE_MS  # of a clock under fifteen minutes
_AT = {"warn": "warn_at", "breach": "due_at", "escalate": "escalate_at"}


@dataclass(frozen=True, eq=False)
class Rules:
    """A funnel file, as the notifier reads it. Hashable by identity: answers of it are kept."""

    funnel: Funnel

    @property
    def notify(self) -> Notify:
        """Who is notified, and how often at most."""
        return self.funnel.notify

    def clock(self, alert: Alert) -> Clock | None:
        """Return the clock of an alert; None where this version has no such clock."""
        stage = self.funnel.stages.get(alert.stage)
        return stage.clocks.get(alert.clock) if stage else None

    def hours(self, alert: Alert) -> calendar.OpenHours:
        """Return the open hours of the team that owns an alert's stage.

        A team that this version does not know has those of the first calendar.
        """
        team = self.funnel.teams.get(alert.team)
        calendars = self.funnel.calendars
        name = team.calendar if team else next(iter(calendars))
        return calendar.open_hours(calendars[name])

    def never_rests(self, alert: Alert, now: int) -> bool:
        """Return whether an alert's clock runs by day and night: then nothing holds its notices."""
        clock = self.clock(alert)
        if clock is None:
            return False
        hot = alert.hot and clock.hot_within is not None
        name = (hot and clock.hot_calendar) or clock.calendar
        hours = calendar.open_hours(self.funnel.calendars[name]) if name else self.hours(alert)
        return _never_closes(hours, now // WEEK_MS)

    def proving(self, alert: Alert) -> frozenset[str]:
        """Return the enabled sources that could stop an alert's clock."""
        return _proving(self, alert.stage, alert.clock) if self.clock(alert) else frozenset()


@lru_cache(maxsize=1_000)
def _proving(rules: Rules, stage: str, name: str) -> frozenset[str]:
    clock, known = rules.funnel.stages[stage].clocks[name], can_send(rules.funnel.sends)
    wanted = {*clock.stopped_by, *clock.restarted_by}
    return frozenset(
        source for source in rules.funnel.enabled_sources if wanted & known.get(source, frozenset())
    )


@lru_cache(maxsize=1_000)
def _never_closes(hours: calendar.OpenHours, week: int) -> bool:
    return hours.between(week * WEEK_MS, (week + 1) * WEEK_MS) == WEEK_MS


def level_at(alert: Alert, level: NoticeLevel) -> int:
    """Return when an alert's clock came to a level (ms)."""
    return int(getattr(alert, _AT[level]) or 0)


def is_short(alert: Alert) -> bool:
    """Return whether a clock is under fifteen minutes: its last quarter is known from the alert."""
    return 4 * (level_at(alert, "breach") - level_at(alert, "warn")) < WARN_FROM_MS


def delay(alert: Alert, proving: frozenset[str], usual: Mapping[str, int], otherwise: int) -> int:
    """Return how long proof of an alert's clock is waited for (ms).

    It is the longest usual delay of the sources that could prove it and that were heard lately, or
    `otherwise` if none was; within bounds, since a late notice is worth little.
    """
    known = [usual[source] for source in proving if source in usual]
    bound = MOST_SHORT_DELAY_MS if is_short(alert) else MOST_DELAY_MS
    return max(0, min(max(known, default=otherwise), bound))


@lru_cache(maxsize=1_000)  # many notices are asked of one instant
def is_open(hours: calendar.OpenHours, at: int) -> bool:
    """Return whether a team works at an instant."""
    return hours.between(at, at + 1) > 0


def next_digest(at: int, notify: Notify, hours: calendar.OpenHours) -> int:
    """Return the first digest's time after an instant, on the wall of a team's calendar."""
    day = calendar.local(at, hours.zone).date()
    walls = [time.fromisoformat(one) for one in notify.digests]
    times = (
        calendar.wall_ms(day + timedelta(days=after), wall, hours.zone)
        for after in (0, 1, 2)
        for wall in walls
    )
    return min(one for one in times if one > at)


def elapsed(span: Elapsed) -> int:
    """Return a span of minutes or hours in ms."""
    return span.elapsed_ms() or 0
