"""The gate that says when a lead is ready for sales: points that halve with age, and why it said so."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from .calendar import local

if TYPE_CHECKING:
    from schemas.funnel import Gate

_QUARTER_MS = 900_000  # every zone's offset is a multiple of a quarter of an hour


class Verdict(NamedTuple):
    """What the gate said, rule by rule: (rule, passed, value seen, value needed)."""

    passed: bool
    score: float
    rules: tuple[tuple[str, bool, str, str], ...]


@lru_cache(maxsize=100_000)
def _day(quarter: int, zone: str) -> int:
    return local(quarter * _QUARTER_MS, ZoneInfo(zone)).toordinal()


def day_of(at: int, zone: str) -> int:
    """Number the day of an instant (ms) in a zone."""
    return _day(at // _QUARTER_MS, zone)


class Score:
    """The points of one journey, by day. A function of event times only: no content may hold an age.

    Days, because a day is what a cap counts, and a half-life of weeks needs no hours: so touches of one day add up
    in any order, and old ones can be folded together (packs.py).
    """

    def __init__(self, gate: Gate, zone: str) -> None:
        """Start with nothing. `zone` is the reporting zone, whose days cap what a day may bring."""
        self.gate, self.zone = gate, zone
        self._earned: dict[int, int] = {}
        self._today: dict[tuple[str, int], int] = {}
        self._half_days = gate.half_life.amount * {"day": 1, "week": 7}.get(gate.half_life.unit, 30)

    def copy(self) -> Score:
        """Give one that can be added to without changing this one."""
        other = copy.copy(self)
        other._earned, other._today = {**self._earned}, {**self._today}  # noqa: SLF001 - it is one of us
        return other

    def add(self, kind: str, at: int, times: int = 1) -> int:
        """Add so many touches of one day; give the points that they brought."""
        worth = self.gate.points.get(kind)
        if worth is None:
            return 0
        points, day = worth.points * times, day_of(at, self.zone)
        if worth.daily is not None:
            points = min(points, worth.daily - self._today.get((kind, day), 0))
            self._today[kind, day] = self._today.get((kind, day), 0) + points
        if points:
            self._earned[day] = self._earned.get(day, 0) + points
        return points

    def at(self, now: int) -> float:
        """Give the score at an instant: points halve each time a half-life has passed."""
        today = day_of(now, self.zone)
        return sum(points / (1 << min(60, max(0, today - day) // self._half_days)) for day, points in sorted(self._earned.items()))

    def judge(self, now: int, suppressed: str) -> Verdict:
        """Say whether the gate passes, and each rule's value beside what it needs."""
        score = self.at(now)
        rules = (
            ("score", score >= self.gate.threshold, f"{score:g}", f">= {self.gate.threshold}"),
            ("suppressed", not suppressed, suppressed or "no", "no"),
        )
        return Verdict(all(rule[1] for rule in rules), score, rules)
