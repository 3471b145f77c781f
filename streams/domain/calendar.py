"""Open hours of a team, and the three kinds of units that durations come in (history h10).

Instants are ms since the epoch, UTC. A calendar is a set of spans of open time, and all that is
asked of it is how much open time lies between two instants, and when a budget of it is used up.
Both are answered by a table of openings: instants of opening and closing, and the open ms before
each opening, counted from an anchor. So a question is two bisections and a difference, whatever the
distance (0.8 us; 6.4 us where each day was computed).

The hard part is the wall. A team works by what its clock shows, and twice a year the clock skips an
hour or shows one twice. A calendar is open while the wall of its zone shows a time within a span
that began on a working day; an edge of a span is the **first instant** at which the wall shows that
time or a later one (clocks t3, docs/adr/0008). In a gap an edge moves on to the gap's end, so a
span within the gap is no open time. In a fold it is the first occurrence: while the wall repeats an
hour a team stays as it was when the wall turned back, and no span is cut, opened twice, or moved
onto a day that is not its own.

What holds:

- Open time never runs backwards, and adding a budget and measuring it again gives the budget.
- A budget that ends exactly at a closing ends there, not at the next opening.
- A table grows by blocks of years when an instant first needs them, and is replaced, never changed:
  an answer depends neither on what was asked before nor on other threads. `before` counts from the
  anchor for that reason. Were it counted from the table's first year, a late event from before it
  would shift every answer.
- Each block begins with an opening of no length, so that every instant has an opening before it.
- Years outside 1965 to 2299 are refused. A guess there would be a due time that nobody can explain.
- A datetime becomes ms in integers: a float of seconds loses a ms of every fourth instant in some
  years, and one ms decides whether a clock is met.

tests/property/test_calendar.py compares it with a slow calendar that walks minute by minute.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import holidays

from schemas.calendars import WEEKDAYS, Calendar
from schemas.durations import Duration

if TYPE_CHECKING:
    from collections.abc import Callable

# Events are dated 1970 to 2100 (schemas/events.py) and clocks run on from there; outside of these
# years an instant is refused, not guessed. A table begins at the anchor and grows to both sides.
_FIRST, _ANCHOR, _END, _BLOCK = 1965, 2020, 2300, 5
_DAY = 24 * 60
_NONE, _MS, _SECOND, _MINUTE, _WHOLE = (
    timedelta(),
    timedelta(milliseconds=1),
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(1),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WALL = datetime(1970, 1, 1)  # noqa: DTZ001 - what a wall shows has no zone yet


def to_ms(moment: datetime) -> int:
    """Turn an aware datetime into ms since the epoch.

    In integers: a float of seconds loses a ms of every fourth instant of most of 1987, 2004, 2038
    and 2039.
    """
    return (moment - _EPOCH) // _MS


def local(at: int, zone: ZoneInfo) -> datetime:
    """Show an instant on the wall of `zone`."""
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)


def wall_ms(day: date, clock: time, zone: ZoneInfo) -> int:
    """Find the instant of a wall time: one in a gap moves on, of one in a fold it is the first."""
    naive = datetime.combine(day, clock)
    return to_ms(naive.replace(tzinfo=zone, fold=0))


def add_wall(at: int, amount: int, unit: str, zone: ZoneInfo) -> int:
    """Add days, weeks or months of calendar time: the same wall time on another day."""
    start = local(at, zone)
    if unit == "month":
        month = start.month - 1 + amount
        year, month = start.year + month // 12, month % 12 + 1
        last = (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day
        day = date(year, month, min(start.day, last))
    else:
        day = start.date() + timedelta(days=amount * (7 if unit == "week" else 1))
    return wall_ms(day, start.time(), zone)


def _hours(text: str) -> tuple[int, int]:
    """Read a span as minutes of its day; one that closes before it opens ends on the next day."""
    opening, closing = ((int(part[:2]) * 60 + int(part[3:])) for part in text.split("-"))
    return opening, closing if closing >= opening else closing + _DAY


def _day_ms(spans: list[tuple[int, int]]) -> int:
    """Return how long a business day is: the minutes of the clock face that lie in a span.

    Pauses are left out. It is the same on a day of 23 or 25 hours, and an hour that two working
    days share by a span over midnight counts once.
    """
    minutes = {minute % _DAY for opening, closing in spans for minute in range(opening, closing)}
    return len(minutes) * 60_000


def _day(day: date) -> int:
    return (day - _WALL.date()).days


class _Table(NamedTuple):
    """Openings of the years `first` to before `last`: the instants `start` to before `end`.

    `before` is the open ms from the anchor to an opening, negative for those before the anchor, and
    `total` to `end`: so a table that grew answers of an instant as it did before. Each block begins
    with an opening of no length, so that each instant has an opening before it.
    """

    first: int
    last: int
    start: int
    end: int
    opens: list[int]
    closes: list[int]
    before: list[int]
    total: int


class OpenHours:
    """Open time of one calendar as a table of openings, each with the open ms before it."""

    def __init__(self, calendar: Calendar) -> None:
        """Read the calendar; no year is built yet. `day_ms` is the length of a business day."""
        self.zone = ZoneInfo(calendar.zone)
        self._weekdays = {WEEKDAYS.index(day) for day in calendar.days}
        self._closed = {_day(day) for day in calendar.closed}
        self._country = calendar.holidays
        spans = sorted(map(_hours, calendar.hours))
        self._spans = [(opening, closing) for opening, closing in spans if closing > opening]
        self.day_ms = _day_ms(self._spans)
        self._limits = tuple(
            self._instant(_day(date(year, 1, 1)) * _DAY) for year in (_FIRST, _END)
        )
        anchor = self._instant(_day(date(_ANCHOR, 1, 1)) * _DAY)
        self.table = _Table(_ANCHOR, _ANCHOR, anchor, anchor, [], [], [], 0)

    def _offset(self, wall: datetime) -> timedelta:
        return self.zone.utcoffset(wall) or _NONE

    def _instant(self, minute: int) -> int:
        """Find the first instant at which the wall shows a minute or a later one.

        The minute is counted from 1970 on the wall.
        """
        wall = _WALL + minute * _MINUTE
        first, second = self._offset(wall), self._offset(wall.replace(fold=1))
        seconds = minute * 60 - first // _SECOND
        if second > first:  # in a gap: the second reading lies before it, the first one behind it
            inside = range(minute * 60 - second // _SECOND, seconds)
            seconds = inside[0] + bisect_left(
                inside, wall, key=lambda at: local(at * 1000, self.zone).replace(tzinfo=None)
            )
        return seconds * 1000

    def _closed_days(self, first: int, last: int) -> set[int]:
        """Return the days that the calendar names as closed, and the public holidays."""
        if not self._country:
            return self._closed
        years = range((_WALL + timedelta(first)).year, (_WALL + timedelta(last)).year + 1)
        free = holidays.country_holidays(self._country, years=years)
        return self._closed | {_day(day) for day in free}

    def _walls(self, first: int, last: int) -> tuple[list[int], list[int]]:
        """Return the openings and closings of some days as minutes of the wall.

        What two spans cover counts once.
        """
        closed = self._closed_days(first, last)
        opens: list[int] = []
        closes: list[int] = []
        for day in range(first, last):
            if (day + 3) % 7 not in self._weekdays or day in closed:  # 1970 began with a Thursday
                continue
            for opening, closing in self._spans:  # in order, so the openings are
                start, end = day * _DAY + opening, day * _DAY + closing
                if not closes or start > closes[-1]:
                    opens.append(start)
                    closes.append(end)
                elif end > closes[-1]:
                    closes[-1] = end
        return opens, closes

    def _instants(self, first: int, last: int) -> Callable[[int], int]:
        """Return what finds the instant of a minute of the days `first` to `last`.

        It takes the day's one offset where the days around it have the same: no zone turns its
        clocks twice in two days.
        """
        noon = _WALL + timedelta(first - 3, hours=12)
        shifts = [self._offset(noon + day * _WHOLE) // _MS for day in range(last - first + 5)]

        def instant(minute: int) -> int:
            near = minute // _DAY - first + 3
            before, shift, after = shifts[near - 1 : near + 2]
            return minute * 60_000 - shift if before == shift == after else self._instant(minute)

        return instant

    def _block(self, year: int) -> _Table:
        """Build a table of a block of years, its open ms counted from the block's start."""
        first, last = _day(date(year, 1, 1)), _day(date(year + _BLOCK, 1, 1))
        start, end = self._instant(first * _DAY), self._instant(last * _DAY)
        instant = self._instants(first, last)
        opens, closes, before, total = [start], [start], [0], 0
        walls = self._walls(first - 1, last)  # the day before may stay open over midnight
        for opening, closing in zip(*walls, strict=True):
            opened, shut = max(start, instant(opening)), min(end, instant(closing))
            if shut > opened:
                opens.append(opened)
                closes.append(shut)
                before.append(total)
                total += shut - opened
        return _Table(year, year + _BLOCK, start, end, opens, closes, before, total)

    def _later(self, old: _Table) -> _Table:
        new = self._block(old.last)
        return old._replace(
            last=new.last,
            end=new.end,
            opens=old.opens + new.opens,
            closes=old.closes + new.closes,
            before=old.before + [old.total + ms for ms in new.before],
            total=old.total + new.total,
        )

    def _earlier(self, old: _Table) -> _Table:
        new = self._block(old.first - _BLOCK)
        zero = (old.before[0] if old.before else 0) - new.total
        return old._replace(
            first=new.first,
            start=new.start,
            opens=new.opens + old.opens,
            closes=new.closes + old.closes,
            before=[zero + ms for ms in new.before] + old.before,
        )

    def _covering(self, at: int) -> _Table:
        """Return a table that covers an instant.

        It is replaced and never changed, so threads may share it.
        """
        table = self.table
        if table.start <= at < table.end:
            return table
        if not self._limits[0] <= at < self._limits[1]:
            raise ValueError(
                f"{at} ms lies outside of the years {_FIRST} to {_END - 1} that a calendar covers"
            )
        while at >= table.end:
            table = self._later(table)
        while at < table.start:
            table = self._earlier(table)
        self.table = table
        return table

    def elapsed(self, at: int) -> int:
        """Return open ms since the anchor, negative before it; only differences mean something.

        Raises:
            ValueError: no calendar covers that year.

        """
        table = self._covering(at)
        index = bisect_right(table.opens, at) - 1
        return table.before[index] + min(at, table.closes[index]) - table.opens[index]

    def between(self, start: int, end: int) -> int:
        """Return open ms between two instants; negative when `end` lies before `start`."""
        return self.elapsed(end) - self.elapsed(start)

    def add(self, at: int, budget: int) -> int:
        """Find the first instant at which `budget` open ms have passed.

        A budget that ends at a closing ends there.

        Raises:
            ValueError: the budget is negative, or ends in a year that no calendar covers.

        """
        if budget < 0:
            raise ValueError(f"open time is only added, not {budget} ms")
        target = self.elapsed(at) + budget
        if not budget:
            return at
        table = self.table
        while target > table.total:
            table = self._covering(table.end)
        index = bisect_left(table.before, target) - 1
        return table.opens[index] + target - table.before[index]


@lru_cache(maxsize=64)
def open_hours(calendar: Calendar) -> OpenHours:
    """Build a calendar's table once."""
    return OpenHours(calendar)


def add(at: int, duration: Duration, hours: OpenHours, share: tuple[int, int] = (1, 1)) -> int:
    """Add `share` (a fraction as numerator and denominator) of a duration to an instant.

    Minutes and hours are elapsed time; days, weeks and months wall time in the calendar's zone;
    business minutes, hours and days open time, where a day is as much as the calendar is open on
    one day: with 09:00-12:00 and 13:00-18:00, 1 business day from Monday 11:00 ends on Tuesday
    11:00. A share of wall time is a share of the elapsed ms up to the due instant.
    """
    up, down = share
    if duration.business:
        unit = {"minute": 60_000, "hour": 3_600_000, "day": hours.day_ms}[duration.unit]
        return hours.add(at, duration.amount * unit * up // down)
    elapsed = duration.elapsed_ms()
    if elapsed is None:
        elapsed = add_wall(at, duration.amount, duration.unit, hours.zone) - at
    return at + elapsed * up // down
