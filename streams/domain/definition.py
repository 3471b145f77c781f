"""A funnel definition made ready for folding: calendars as tables, durations as functions."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import time
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from schemas.facts import FOLD_VERSION
from schemas.reading import incompatible
from streams.sources import measuring

from . import calendar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.durations import Duration
    from schemas.funnel import Funnel
    from schemas.shape import Shape
    from schemas.stages import Clock, Stage


# What a state at the end keeps, and in which form (end.py). Raise it by one with either: rows of
# before are folded again (tests/unit/test_head.py notices).
END_VERSION = 1


class Definition:
    """One version of the funnel, compared by identity: a fold is given one and keeps it.

    No dataclass: what is kept of a fold names it by its place among the versions (end.py).
    """

    def __init__(self, funnel: Funnel) -> None:
        self.funnel = funnel

    @cached_property
    def start(self) -> int:
        """When it comes into force (ms): at 00:00 of its first day in the reporting zone."""
        return calendar.wall_ms(
            self.funnel.effective_from, time(), ZoneInfo(self.funnel.reporting.zone)
        )

    @cached_property
    def stages(self) -> dict[str, Stage]:
        """Return every stage by name."""
        return self.funnel.stages

    @cached_property
    def shape(self) -> Shape:
        """Return what each stage is."""
        return self.funnel.shape()

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Return the order in which stages reported at one instant count: along the funnel."""
        stages = dict.fromkeys((self.shape.entry, self.shape.nurture, *self.stages))
        return tuple(filter(None, stages))

    def hours(self, name: str) -> calendar.OpenHours:
        """Return the table of a named calendar."""
        return calendar.open_hours(self.funnel.calendars[name])

    def team_hours(self, stage: str) -> calendar.OpenHours:
        """Return the calendar of the team that owns a stage."""
        return self.hours(self.funnel.teams[self.stages[stage].owner].calendar)

    @cached_property
    def _work(self) -> frozenset[str]:
        return measuring.work(self.funnel)

    @cached_property
    def heeded(self) -> dict[tuple[str, str], tuple[frozenset[str], frozenset[str]]]:
        """Return of each stage's clocks the signals that stop it, and those that restart it."""
        return {
            (stage, name): (frozenset(clock.stopped_by), frozenset(clock.restarted_by))
            for stage, spec in self.stages.items()
            for name, clock in spec.clocks.items()
        }

    def measured(self, clock: Clock) -> bool:
        """Return whether any enabled source can send what stops this clock."""
        return not self._work.isdisjoint(clock.stopped_by or clock.restarted_by)

    def clock_times(self, stage: str, clock: Clock, start: int, hot: bool) -> tuple[int, int, int]:
        """Return when a clock warns (75%), is breached (100%) and escalates (150%).

        `start`, when it begins, and the instants are ms.
        """
        within, hours = clock.within, self.team_hours(stage)
        if clock.calendar:
            hours = self.hours(clock.calendar)
        if hot and clock.hot_within:
            within = clock.hot_within
            hours = self.hours(clock.hot_calendar) if clock.hot_calendar else hours
        return (
            calendar.add(start, within, hours, (3, 4)),
            calendar.add(start, within, hours),
            calendar.add(start, within, hours, (3, 2)),
        )

    def after(self, stage: str, start: int, duration: Duration) -> int:
        """Return the instant a duration after `start`, in the calendar of the stage's owner."""
        return calendar.add(start, duration, self.team_hours(stage))

    def attribution(self, marketing: dict[str, Any]) -> tuple[str, str, str]:
        """Return source, channel and campaign of a touch, by the first rule that fits."""
        return _attribution(self, tuple(sorted(marketing.items())))

    def origin(self, body: Mapping[str, Any]) -> str:
        """Return an event's lead origin: as stated, else by its source.

        What is stated is mapped when the funnel knows the word.
        """
        stated = body.get("origin")
        if stated:
            return self.funnel.origins.stated.get(stated, str(stated))
        return self.funnel.origins.default.get(str(body["source"]), "")


@lru_cache(maxsize=50_000)
def _attribution(
    definition: Definition, marketing: tuple[tuple[str, str], ...]
) -> tuple[str, str, str]:
    return measuring.attribute(definition.funnel, dict(marketing))


@dataclass(frozen=True, eq=False)
class Definitions:
    """The versions of a funnel, by when they come into force (history h21).

    The first holds from the beginning of time.
    """

    versions: tuple[Definition, ...]

    @cached_property
    def _starts(self) -> list[int]:
        return [version.start for version in self.versions]

    @cached_property
    def mark(self) -> str:
        """What tells these versions, and how this release folds under them, from others."""
        whole = "|".join(version.funnel.model_dump_json() for version in self.versions)
        return blake2b(f"{FOLD_VERSION}|{END_VERSION}|{whole}".encode(), digest_size=8).hexdigest()

    def at(self, moment: int) -> Definition:
        """Return the version in force at an instant (ms)."""
        return self.versions[max(0, bisect_right(self._starts, moment) - 1)]

    @property
    def first(self) -> Definition:
        """The version that holds from the beginning.

        Ladder, stages and reporting zone are the same in all.
        """
        return self.versions[0]


def prepare(*funnels: Funnel) -> Definitions:
    """Make the versions of a funnel ready; keep them, since look-ups are cached by identity.

    Raises:
        ValueError: two versions can't stand beside each other; it says why and what to do.

    """
    versions = tuple(
        Definition(funnel)
        for funnel in sorted(funnels, key=lambda funnel: (funnel.effective_from, funnel.version))
    )
    wrong = incompatible([version.funnel for version in versions])
    if wrong:
        raise ValueError("\n".join(clash.text for clash in wrong))
    return Definitions(versions)
