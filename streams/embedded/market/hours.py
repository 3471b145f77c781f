"""The hours in which people work: Monday to Friday, 9:00 to 18:00, in the zone of the reports."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Paris")
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
OPENS, CLOSES, FREE = 9, 18, 5  # hours of the day, and the first weekday on which nobody works


def local(at: int) -> datetime:
    """Return what the wall shows at an instant."""
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(ZONE)


def iso(at: int) -> str:
    """Write an instant in UTC, as most vendors do."""
    moment = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


@lru_cache(maxsize=10_000)
def wall(day: date, hour: int) -> int:
    """Return the instant of an hour of a day."""
    return int(datetime(day.year, day.month, day.day, hour, tzinfo=ZONE).timestamp() * 1000)


def office(at: int) -> int:
    """Return the first instant from `at` on at which people work."""
    moment = local(at)
    day = moment.date()
    if day.weekday() < FREE and moment.hour < CLOSES:
        return at if moment.hour >= OPENS else wall(day, OPENS)
    day += timedelta(days=1)
    while day.weekday() >= FREE:
        day += timedelta(days=1)
    return wall(day, OPENS)


def worked(at: int, hours: float) -> int:
    """Return the instant at which so many working hours have passed since `at`."""
    at, left = office(at), int(hours * HOUR)
    while True:
        closes = wall(local(at).date(), CLOSES)
        if at + left < closes:
            return at + left
        left -= closes - at
        at = office(closes)


def busy(hour: int, weekday: int) -> float:
    """Return how many people come in an hour of the day, beside the busiest one."""
    if weekday >= FREE:
        return 0.2 if OPENS <= hour < 22 else 0.03
    if OPENS <= hour < CLOSES:
        return 1.0
    return 0.35 if 7 <= hour < 22 else 0.05


# Of the busiest hours.
WEEK = sum(busy(hour, weekday) for weekday in range(7) for hour in range(24))
