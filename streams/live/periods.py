"""Periods that people name: this week, last month. Days of the reporting zone, pure."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from schemas.calendars import Reporting

DEFAULT = "last-30-days"
PRESETS = (
    "today",
    "this-week",
    "last-week",
    "this-month",
    "last-month",
    "last-30-days",
    "last-90-days",
    "this-quarter",
    "last-quarter",
    "this-year",
)


class Days(NamedTuple):
    """Days from `first` up to, not including, `end`."""

    first: date
    end: date


def days(preset: str, today: date, reporting: Reporting) -> Days:
    """Return the days of a preset.

    One that runs still ends with its own last day, so that a target's pace can be read against it.

    Raises:
        KeyError: there is no such preset.

    """
    week = _week(today, reporting.week_start)
    year = _year(today, reporting.fiscal_year_start)
    month = today.replace(day=1)
    quarter = _quarter(year, today)
    tomorrow = today + timedelta(days=1)
    return {
        "today": Days(today, tomorrow),
        "this-week": Days(week, week + timedelta(days=7)),
        "last-week": Days(week - timedelta(days=7), week),
        "this-month": Days(month, months(month, 1)),
        "last-month": Days(months(month, -1), month),
        "last-30-days": Days(tomorrow - timedelta(days=30), tomorrow),
        "last-90-days": Days(tomorrow - timedelta(days=90), tomorrow),
        "this-quarter": Days(quarter, months(quarter, 3)),
        "last-quarter": Days(months(quarter, -3), quarter),
        "this-year": Days(year, months(year, 12)),
    }[preset]


def months(day: date, number: int) -> date:
    """Return the same day so many months on; a day that the month lacks is its last."""
    place = day.year * 12 + day.month - 1 + number
    year, month = divmod(place, 12)
    last = (date(year + (month == 11), (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month + 1, min(day.day, last))


def _week(today: date, start: str) -> date:
    return today - timedelta(days=(today.weekday() + (start == "sunday")) % 7)


def _year(today: date, start: str) -> date:
    """Return the first day of the fiscal year; 29 February is the 28th in other years."""
    month, day = map(int, start.split("-"))
    for year in (today.year, today.year - 1):
        first = months(date(year, month, 1), 0)
        last = (months(first, 1) - timedelta(days=1)).day
        began = first.replace(day=min(day, last))
        if began <= today:
            return began
    raise AssertionError  # a year ago there was one


def _quarter(year: date, today: date) -> date:
    return max(first for step in (0, 3, 6, 9) if (first := months(year, step)) <= today)
