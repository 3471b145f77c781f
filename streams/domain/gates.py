"""The gate that decides when a lead is ready for sales: points that halve with age, and why."""

from __future__ import annotations

import copy
from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from schemas.errors import LeadstreamError

from .calendar import local

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.gates import Gate, Rule, Scoring

_QUARTER_MS = 900_000  # every zone's offset is a multiple of a quarter of an hour


_MOST_HALVINGS = 60  # what is older still counts as this old: no gate can see so little


class FoldAgain(LeadstreamError):  # noqa: N818 - no error: the step asks for what only the set can say
    """A step that the state at the end is not enough for (end.py)."""


class Verdict(NamedTuple):
    """A gate's verdict, rule by rule: (rule, passed, value seen, value needed)."""

    passed: bool
    score: float
    rules: tuple[tuple[str, bool, str, str], ...]


@lru_cache(maxsize=100_000)
def _day(quarter: int, zone: str) -> int:
    return local(quarter * _QUARTER_MS, ZoneInfo(zone)).toordinal()


def day_of(at: int, zone: str) -> int:
    """Return the number of an instant's (ms) day in a zone."""
    return _day(at // _QUARTER_MS, zone)


class Score:
    """The points of one journey, by day: of event times only, for no content may hold an age.

    Days, because a day is what a cap counts, and a half-life of weeks needs no hours: so touches of
    one day add up in any order, and old ones can be folded together (packs.py).
    """

    def __init__(self, scoring: Scoring, zone: str) -> None:
        """Start with nothing. `zone` is the reporting zone, whose days cap what a day may bring."""
        self.scoring, self.zone = scoring, zone
        # touches by kind and day; None in a state at the end, which counts nothing anew
        self._seen: dict[tuple[str, int], int] | None = {}
        self._days: list[int] = []  # days that brought points, in order
        self._sums: list[int] = []  # the points up to and with each of them
        self._today: dict[tuple[str, int], int] = {}
        self._half_days = _half_days(scoring)

    def copy(self) -> Score:
        """Return one that can be added to without changing this one."""
        other = copy.copy(self)
        other._seen = None if self._seen is None else {**self._seen}  # noqa: SLF001 - it is one of us
        other._today = {**self._today}  # noqa: SLF001
        other._days, other._sums = [*self._days], [*self._sums]  # noqa: SLF001
        return other

    def add(self, kind: str, at: int, times: int = 1) -> int:
        """Add so many touches of one day; give the points that they brought."""
        day = day_of(at, self.zone)
        if self._seen is not None:
            self._seen[kind, day] = self._seen.get((kind, day), 0) + times
        return self._count(kind, day, times)

    def _count(self, kind: str, day: int, times: int) -> int:
        worth = self.scoring.points.get(kind)
        if worth is None:
            return 0
        points = worth.points * times
        if worth.daily is not None:
            points = min(points, worth.daily - self._today.get((kind, day), 0))
            self._today[kind, day] = self._today.get((kind, day), 0) + points
        if points:
            self._earn(day, points)
        return points

    def _earn(self, day: int, points: int) -> None:
        place = bisect_right(self._days, day)
        if not place or self._days[place - 1] != day:
            self._days.insert(place, day)
            self._sums.insert(place, self._sums[place - 1] if place else 0)
            place += 1
        # One, as touches come in the order of their days.
        for each in range(place - 1, len(self._sums)):
            self._sums[each] += points

    def at(self, now: int) -> float:
        """Return the score at an instant: points halve each time a half-life has passed."""
        left, total, halvings = len(self._days), 0.0, 0
        last = day_of(now, self.zone)  # a touch of tomorrow counts whole, as one of today does
        while left:
            last -= self._half_days
            older = bisect_right(self._days, last, 0, left) if halvings < _MOST_HALVINGS else 0
            points = self._sums[left - 1] - (self._sums[older - 1] if older else 0)
            total += points / (1 << halvings)
            left, halvings = older, halvings + 1
        return total

    def plain(self) -> tuple[list[int], list[int], int, dict[str, int]]:
        """Return what can be added to in order and read: its days, their points, the last day's.

        What it can't do any more is count anew under another scoring.
        """
        points = [sum_ - before for before, sum_ in pairwise((0, *self._sums))]
        day = max((day for _, day in self._today), default=0)
        today = {kind: earned for (kind, at), earned in self._today.items() if at == day}
        return self._days, points, day, today

    @classmethod
    def of(cls, scoring: Scoring, zone: str, plain: Any) -> Score:
        """Read what `plain` gave."""
        made = cls(scoring, zone)
        made._days, points, day, today = plain
        made._sums, made._seen = list(accumulate(points)), None
        made._today = {(kind, day): earned for kind, earned in today.items()}
        return made

    def use(self, scoring: Scoring) -> None:
        """Count anew under another scoring.

        An episode keeps the definition in force when it began (history h21).
        """
        if scoring is self.scoring:
            return
        if self._seen is None:
            raise FoldAgain
        self.scoring, self._half_days = scoring, _half_days(scoring)
        self._days, self._sums, self._today = [], [], {}
        for (kind, day), times in self._seen.items():
            self._count(kind, day, times)


def _half_days(scoring: Scoring) -> int:
    unit = {"day": 1, "week": 7}.get(scoring.half_life.unit, 30)
    return scoring.half_life.amount * unit


def judge(gate: Gate, values: Mapping[str, Any]) -> Verdict:
    """Return whether a gate passes, and each rule's value beside what it needs."""
    rules = [
        *((rule, _holds(rule, values)) for rule in (*gate.all, *gate.any)),
        *((rule, not _holds(rule, values)) for rule in gate.none),
    ]
    passed = {rule.name: good for rule, good in rules}
    whole = (
        all(passed[rule.name] for rule in (*gate.all, *gate.none))
        and (not gate.any or any(passed[rule.name] for rule in gate.any))
    )  # fmt: skip
    shown = tuple(
        (rule.name, good, _word(values.get(rule.field)), _need(rule, gate)) for rule, good in rules
    )
    return Verdict(whole, float(values.get("score", 0)), shown)


def only_rises(gate: Gate) -> bool:
    """Return whether more points can only help.

    Then a gate that is shut after a day's touches was shut all day.
    """
    return all(
        rule.field != "score" or rule.op in (">=", ">") for rule in (*gate.all, *gate.any)
    ) and all(rule.field != "score" for rule in gate.none)


def _need(rule: Rule, gate: Gate) -> str:
    return f"not {rule.need}" if rule in gate.none else rule.need


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else "" if value is None else str(value)


def _holds(rule: Rule, values: Mapping[str, Any]) -> bool:
    value, wanted = values.get(rule.field), rule.value
    match rule.op:
        case "known":
            return bool(value) is bool(wanted)
        case "in" | "not in":
            assert isinstance(wanted, tuple)
            return (value in wanted) is (rule.op == "in")
        case "==" | "!=":
            return (_word(value) == _word(wanted)) is (rule.op == "==")
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False  # nothing known is neither more nor less
    assert isinstance(wanted, (int, float))
    return {
        ">=": number >= wanted,
        ">": number > wanted,
        "<=": number <= wanted,
        "<": number < wanted,
    }[rule.op]
