"""Open time against a slow, obvious calendar that walks minute by minute."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.funnel import Calendar, Duration
from streams.domain.calendar import OpenHours, add, local, to_ms

MINUTE = 60_000
OFFICE = {
    zone: OpenHours(Calendar(zone=zone, days=("monday", "tuesday", "wednesday", "thursday", "friday"), hours=hours))
    for zone, hours in {
        "Europe/Paris": ("09:00-18:00",),
        "Asia/Kolkata": ("09:30-13:00", "12:00-17:30"),
        "Australia/Lord_Howe": ("00:00-24:00",),
    }.items()
}


def slow(zone, spans, start, end):
    """Count open minutes between two whole minutes, one by one."""
    total = 0
    for minute in range(start, end, MINUTE):
        wall = local(minute, ZoneInfo(zone))
        clock = wall.hour * 60 + wall.minute
        total += wall.weekday() < 5 and any(a <= clock < b for a, b in spans)
    return total


SPANS = {"Europe/Paris": [(540, 1080)], "Asia/Kolkata": [(570, 1050)], "Australia/Lord_Howe": [(0, 1440)]}


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(SPANS)),
    st.sampled_from([(2025, 3, 29), (2025, 10, 25), (2025, 12, 30), (2026, 4, 4), (2026, 6, 10)]),
    st.integers(0, 3 * 1440),
    st.integers(0, 2 * 1440),
)
def test_open_time_equals_the_minute_by_minute_count_over_daylight_saving_and_new_year(zone, day, offset, length):
    start = to_ms(datetime(*day, tzinfo=UTC)) + offset * MINUTE
    end = start + length * MINUTE
    assert OFFICE[zone].between(start, end) == slow(zone, SPANS[zone], start, end) * MINUTE


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(SPANS)), st.integers(0, 500 * 1440), st.integers(1, 40 * 60))
def test_adding_open_time_and_measuring_it_gives_the_same(zone, offset, minutes):
    start = to_ms(datetime(2025, 1, 1, tzinfo=UTC)) + offset * MINUTE
    end = OFFICE[zone].add(start, minutes * MINUTE)
    assert OFFICE[zone].between(start, end) == minutes * MINUTE


@pytest.mark.parametrize(
    ("text", "start", "expected"),
    [
        ("1 day", "2025-10-25T10:00", "2025-10-26T10:00"),  # 25 hours
        ("1 day", "2025-03-29T02:30", "2025-03-30T03:30"),  # the wall time falls into the gap and moves on
        ("24 hours", "2025-10-25T10:00", "2025-10-26T09:00"),
        ("5 minutes", "2025-10-26T02:58", "2025-10-26T02:03"),  # elapsed, through the fold
        ("1 business day", "2025-12-31T17:00", "2026-01-01T17:00"),
        ("1 business hour", "2026-06-12T17:30", "2026-06-15T09:30"),  # Friday to Monday
        ("1 month", "2026-01-31T12:00", "2026-02-28T12:00"),
    ],
)
def test_the_three_kinds_of_units(text, start, expected):
    zone = ZoneInfo("Europe/Paris")
    begin = to_ms(datetime.fromisoformat(start).replace(tzinfo=zone))
    assert local(add(begin, Duration.read(text), OFFICE["Europe/Paris"]), zone).isoformat(timespec="minutes")[:16] == expected


def test_a_budget_that_ends_at_a_closing_ends_there_and_not_at_the_next_opening():
    zone = ZoneInfo("Europe/Paris")
    monday = datetime(2026, 6, 15, 9, tzinfo=zone)
    assert OFFICE["Europe/Paris"].add(to_ms(monday), 9 * 60 * MINUTE) == to_ms(monday + timedelta(hours=9))
