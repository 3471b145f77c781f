"""The gate that says when a lead is ready for sales: points that halve with age, and why it said so."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from .calendar import local

if TYPE_CHECKING:
    from schemas.funnel import Gate

_DAY_MS = 86_400_000
_QUARTER_MS = 900_000  # every zone's offset is a multiple of a quarter of an hour


class Verdict(NamedTuple):
    """What the gate said, rule by rule: (rule, passed, value seen, value needed)."""

    passed: bool
    score: float
    rules: tuple[tuple[str, bool, str, str], ...]


@lru_cache(maxsize=100_000)
def _day(quarter: int, zone: str) -> int:
    return local(quarter * _QUARTER_MS, ZoneInfo(zone)).toordinal()


class Score:
    """The points of one journey. A function of event times only: no content may hold an age."""

    def __init__(self, gate: Gate, zone: str) -> None:
        """Start with nothing. `zone` is the reporting zone, whose days cap what a day may bring."""
        self.gate, self.zone = gate, zone
        self._earned: list[tuple[int, int]] = []
        self._today: dict[tuple[str, int], int] = {}
        amount, unit = gate.half_life.amount, gate.half_life.unit
        self._half_ms = amount * {"minute": 60_000, "hour": 3_600_000, "day": _DAY_MS, "week": 7 * _DAY_MS}.get(unit, 30 * _DAY_MS)

    def add(self, kind: str, at: int) -> int:
        """Add a touch; give the points that it brought."""
        worth = self.gate.points.get(kind)
        if worth is None:
            return 0
        points = worth.points
        if worth.daily is not None:
            day = (kind, _day(at // _QUARTER_MS, self.zone))
            points = min(points, worth.daily - self._today.get(day, 0))
            self._today[day] = self._today.get(day, 0) + points
        if points:
            self._earned.append((at, points))
        return points

    def at(self, now: int) -> float:
        """Give the score at an instant: points halve each time a half-life has passed."""
        return sum(points / (1 << min(60, max(0, now - at) // self._half_ms)) for at, points in self._earned)

    def judge(self, now: int, suppressed: str) -> Verdict:
        """Say whether the gate passes, and each rule's value beside what it needs."""
        score = self.at(now)
        rules = (
            ("score", score >= self.gate.threshold, f"{score:g}", f">= {self.gate.threshold}"),
            ("suppressed", not suppressed, suppressed or "no", "no"),
        )
        return Verdict(all(rule[1] for rule in rules), score, rules)
