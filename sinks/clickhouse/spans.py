"""Spans of a report: the days of a zone, the span before one, and the buckets of a trend."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from streams.domain import calendar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .questions import Question

MOST_BUCKETS = 400


def before(start: int, end: int, zone: str) -> tuple[int, int]:
    """Return the span before one (ms): of whole months as many months, else as many days.

    A span that ends with this instant has as many days and the same time of day, so that a month
    that goes on is compared with as much of the month before.
    """
    place = ZoneInfo(zone)
    first, last = calendar.local(start, place), calendar.local(end, place)
    whole = first.time() == time() and last.time() == time()
    if whole and first.day == last.day == 1:
        months = (last.year - first.year) * 12 + last.month - first.month
        return calendar.add_wall(start, -months, "month", place), start
    if first.day == 1 and (first.year, first.month) == (last.year, last.month):
        return moved(start, end, zone, 1, "month")
    days = (last.date() - first.date()).days
    if whole and days:
        return calendar.add_wall(start, -days, "day", place), start
    days += last.time() > first.time()
    return moved(start, end, zone, max(days, 1), "day")


def moved(start: int, end: int, zone: str, amount: int, unit: str) -> tuple[int, int]:
    """Return a span so many days or months earlier (ms), at the same times of the wall."""
    place = ZoneInfo(zone)
    return (
        calendar.add_wall(start, -amount, unit, place),
        calendar.add_wall(end, -amount, unit, place),
    )


def buckets(asked: Question) -> Iterator[tuple[str, int, int]]:
    """Yield the days, weeks or months of a period: the first day, start and end (ms).

    Raises:
        ValueError: there are more than `MOST_BUCKETS`.

    """
    place = ZoneInfo(asked.zone)
    day = _first(calendar.local(asked.start, place).date(), asked)
    count = 0
    while (start := midnight(day, place)) < asked.end:
        count += 1
        if count > MOST_BUCKETS:
            raise ValueError(
                f"a trend by {asked.trend} has at most {MOST_BUCKETS} {asked.trend}s: "
                "ask for a shorter period, or by month"
            )
        following = _next(day, asked.trend)
        yield str(day), max(start, asked.start), min(midnight(following, place), asked.end)
        day = following


def midnight(day: date, place: ZoneInfo) -> int:
    """Return when a day begins on the wall of a zone (ms)."""
    return calendar.wall_ms(day, time(), place)


def _first(day: date, asked: Question) -> date:
    if asked.trend == "month":
        return day.replace(day=1)
    if asked.trend == "week":
        into = day.weekday() if asked.week_start == "monday" else (day.weekday() + 1) % 7
        return day - timedelta(days=into)
    return day


def _next(day: date, trend: str) -> date:
    if trend == "month":
        return (datetime(day.year, day.month, 28) + timedelta(days=4)).date().replace(day=1)  # noqa: DTZ001 - a day, no instant
    return day + timedelta(days=7 if trend == "week" else 1)
