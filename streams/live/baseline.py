"""How many events were to be expected, by the same hours of the same weekday in the weeks before.

Events are counted in quarters of an hour, since every zone's offset is a whole number of those. A
window is the time up to now in which a team was open. Each quarter of it is expected to bring the
mean of the same quarter on the wall, one week to `weeks` weeks before, leaving out the days on
which the team was closed. So a weekend, a holiday and a change of the clocks are no drop. A quarter
that no earlier week can be asked about is left out on both sides.

A history that is shorter than `weeks` makes the expectation smaller, never larger: it raises no
alert that is not true.
"""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING, NamedTuple

from streams.domain.calendar import add_wall

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from streams.domain.calendar import OpenHours

QUARTER_MS = 900_000
WINDOWS = {"day": 96, "week": 7 * 96}  # in quarters
_DAY_MS = 86_400_000


class Compared(NamedTuple):
    """What was seen in a window, and what was to be expected."""

    seen: int
    expected: float


class Window(NamedTuple):
    """The quarters of a window (ms), each with those of earlier weeks that it is compared with."""

    quarters: tuple[tuple[int, tuple[int, ...]], ...]

    def compare(self, counts: Mapping[int, int]) -> Compared:
        """Compare events by the quarter they fell in (ms)."""
        seen = sum(counts.get(quarter, 0) for quarter, _ in self.quarters)
        means = (
            sum(counts.get(one, 0) for one in earlier) / len(earlier)
            for _, earlier in self.quarters
        )
        return Compared(seen, fsum(means))


def begin(now: int, weeks: int) -> int:
    """Return from when on (ms) events must be known: a day before the first quarter asked for."""
    return quarter_of(now) - (7 * (weeks + 1) + 1) * _DAY_MS


def quarter_of(at: int) -> int:
    """Return the start (ms) of the quarter of an hour that an instant lies in."""
    return at - at % QUARTER_MS


def window(now: int, over: str, weeks: int, zone: ZoneInfo, hours: OpenHours | None) -> Window:
    """Return the whole quarters before `now` (ms) of a day or a week.

    Without `hours` every hour counts.
    """
    end, length = quarter_of(now), WINDOWS[over]
    found = []
    for number in range(length, 0, -1):
        quarter = end - number * QUARTER_MS
        if not _is_open(quarter, hours):
            continue
        same = (quarter_of(add_wall(quarter, -week, "week", zone)) for week in range(1, weeks + 1))
        earlier = tuple(one for one in same if _is_open(one, hours))
        if earlier:
            found.append((quarter, earlier))
    return Window(tuple(found))


def _is_open(quarter: int, hours: OpenHours | None) -> bool:
    return hours is None or hours.between(quarter, quarter + QUARTER_MS) > 0
