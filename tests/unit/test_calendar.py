"""Open time and durations by example; tests/property/test_calendar.py walks minute by minute."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from schemas.calendars import WEEKDAYS, Calendar
from schemas.durations import Duration
from schemas.reading import FUNNELS, FunnelError, load
from streams.domain.calendar import OpenHours, add, local, open_hours, to_ms

MINUTE, HOUR = 60_000, 3_600_000
WEEK = WEEKDAYS[:5]


def table(zone="Europe/Paris", hours=("09:00-18:00",), days=WEEK, **rest):
    return OpenHours(Calendar(zone=zone, days=days, hours=hours, **rest))


def at(text, zone="Europe/Paris"):
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def wall(ms, zone="Europe/Paris"):
    return local(ms, ZoneInfo(zone)).isoformat(timespec="minutes")[:16]


OFFICE = table()


@pytest.mark.parametrize(
    ("text", "start", "expected"),
    [
        ("1 day", "2025-10-25T10:00", "2025-10-26T10:00"),  # 25 hours
        # The wall time falls into the gap and moves on.
        ("1 day", "2025-03-29T02:30", "2025-03-30T03:30"),
        ("1 week", "2025-03-23T02:30", "2025-03-30T03:30"),
        ("24 hours", "2025-10-25T10:00", "2025-10-26T09:00"),
        ("5 minutes", "2025-10-26T02:58", "2025-10-26T02:03"),  # elapsed, through the fold
        ("1 business day", "2025-12-31T17:00", "2026-01-01T17:00"),
        ("1 business hour", "2026-06-12T17:30", "2026-06-15T09:30"),  # Friday to Monday
        ("90 business minutes", "2026-06-12T20:00", "2026-06-15T10:30"),
        ("1 month", "2026-01-31T12:00", "2026-02-28T12:00"),
        ("1 month", "2028-01-31T12:00", "2028-02-29T12:00"),
        ("1 month", "2026-12-31T12:00", "2027-01-31T12:00"),
        ("13 months", "2026-11-30T12:00", "2027-12-30T12:00"),
        ("3 months", "2026-11-30T12:00", "2027-02-28T12:00"),
    ],
)
def test_the_three_kinds_of_units(text, start, expected):
    assert wall(add(at(start), Duration.read(text), OFFICE)) == expected


def test_a_budget_that_ends_at_a_closing_ends_there_and_not_at_the_next_opening():
    assert OFFICE.add(at("2026-06-15T09:00"), 9 * HOUR) == at("2026-06-15T18:00")
    assert OFFICE.add(at("2026-06-12T23:00"), 0) == at("2026-06-12T23:00")
    with pytest.raises(ValueError, match="open time is only added"):
        OFFICE.add(at("2026-06-15T09:00"), -1)


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (("09:00-12:00", "13:00-18:00"), 8),  # a pause is no open time
        # What two cover counts once, what has no length is nothing.
        (("09:00-13:00", "12:00-18:00", "09:00-09:00"), 9),
        (("00:00-24:00",), 24),
        (("22:00-06:00",), 8),
        (("22:00-06:00", "05:00-12:00"), 14),  # 05:00 to 06:00 is two days' and counts once
        (("00:00-24:00", "22:00-06:00"), 24),
        (("22:00-00:00",), 2),
    ],
)
def test_a_business_day_is_as_much_as_the_calendar_is_open_on_one_day(hours, expected):
    hours = table(hours=hours, days=WEEKDAYS)
    assert hours.day_ms == expected * HOUR
    assert hours.between(at("2026-06-15T12:00"), at("2026-06-22T12:00")) == 7 * expected * HOUR


def test_a_business_day_goes_on_over_a_pause():
    assert (
        wall(
            add(
                at("2026-06-15T11:00"),
                Duration.read("1 business day"),
                table(hours=("09:00-12:00", "13:00-18:00")),
            )
        )
        == "2026-06-16T11:00"
    )


def test_a_share_of_business_time_is_open_time_too():
    assert (
        wall(add(at("2026-06-15T16:00"), Duration.read("4 business hours"), OFFICE, (3, 4)))
        == "2026-06-16T10:00"
    )


def test_a_span_over_midnight_belongs_to_the_day_on_which_it_begins():
    night = table(hours=("22:00-06:00",), closed=(date(2026, 6, 17),))
    # Friday's, on Saturday.
    assert night.between(at("2026-06-13T00:00"), at("2026-06-13T12:00")) == 6 * HOUR
    # Nobody began on Sunday.
    assert night.between(at("2026-06-15T00:00"), at("2026-06-15T12:00")) == 0
    # Tuesday's, but not Wednesday's.
    assert night.between(at("2026-06-16T12:00"), at("2026-06-18T12:00")) == 8 * HOUR
    # Over New Year, and from one block of years to the next.
    assert night.between(at("2025-12-31T20:00"), at("2026-01-01T12:00")) == 8 * HOUR
    assert night.between(at("2024-12-31T20:00"), at("2025-01-01T12:00")) == 8 * HOUR


@pytest.mark.parametrize(
    ("hours", "gap", "fold"),
    [
        ("00:00-24:00", 23, 25),
        ("00:00-06:00", 5, 7),
        # It closes at the gap; at the first 02:30, and the second is no opening.
        ("01:00-02:30", 1, 1.5),
        ("02:30-06:00", 3, 4.5),  # it opens behind the gap; at the first 02:30, and goes on
        ("02:15-02:45", 0, 0.5),  # the wall never shows it; once, not twice
        ("01:00-03:00", 1, 3),  # 03:00 comes once
        ("03:00-06:00", 3, 3),
    ],
)
def test_where_the_clocks_turn_an_edge_is_the_first_instant_that_shows_its_time_or_a_later_one(
    hours, gap, fold
):
    hours = table(hours=(hours,), days=("sunday",))
    assert hours.between(at("2025-03-29T12:00"), at("2025-03-31T12:00")) == gap * HOUR
    assert hours.between(at("2025-10-25T12:00"), at("2025-10-27T12:00")) == fold * HOUR


def test_a_night_shift_is_an_hour_shorter_or_longer_when_the_clocks_turn():
    night = table(hours=("22:00-06:00",), days=("saturday",))
    assert night.between(at("2025-03-29T12:00"), at("2025-03-30T12:00")) == 7 * HOUR
    assert night.between(at("2025-10-25T12:00"), at("2025-10-26T12:00")) == 9 * HOUR


@pytest.mark.parametrize(
    ("zone", "opening"),
    [
        ("Asia/Kolkata", "03:30"),
        ("Asia/Kathmandu", "03:15"),
        ("America/St_Johns", "11:30"),
        ("Australia/Lord_Howe", "22:30"),
    ],
)
def test_zones_may_lie_half_an_hour_or_three_quarters_beside_utc(zone, opening):
    hours = table(zone)
    found = local(hours.add(at("2026-06-16T00:00", zone), 1) - 1, ZoneInfo("UTC"))
    assert f"{found:%H:%M}" == opening


def test_a_zone_may_turn_by_half_an_hour_and_skip_a_midnight_or_a_day():
    lord_howe = table("Australia/Lord_Howe", ("00:00-24:00",), ("sunday",))
    assert (
        lord_howe.between(at("2026-04-04T00:00", "UTC"), at("2026-04-06T00:00", "UTC"))
        == 24.5 * HOUR
    )
    assert (
        lord_howe.between(at("2026-10-03T00:00", "UTC"), at("2026-10-05T00:00", "UTC"))
        == 23.5 * HOUR
    )
    havana = table("America/Havana", ("00:00-24:00",), ("sunday",))
    assert havana.between(at("2025-03-08T12:00", "UTC"), at("2025-03-10T12:00", "UTC")) == 23 * HOUR
    assert havana.between(at("2025-11-01T12:00", "UTC"), at("2025-11-03T12:00", "UTC")) == 25 * HOUR
    # That of 30 December 2011 never was, and does not move to Saturday.
    friday = table("Pacific/Apia", days=("friday",))
    assert friday.between(at("2011-12-25T00:00", "UTC"), at("2012-01-04T00:00", "UTC")) == 0


def test_holidays_and_own_closed_days_are_closed():
    hours = table(holidays="FR", closed=(date(2026, 7, 15),))
    # 14 July, and the day after it.
    assert hours.between(at("2026-07-13T00:00"), at("2026-07-18T00:00")) == 3 * 9 * HOUR
    # New Year, observed in the year before.
    american = table(holidays="US")
    assert american.between(at("2021-12-31T00:00"), at("2022-01-01T00:00")) == 0
    # 31 December is a holiday, and in another block of years.
    night = table(hours=("22:00-06:00",), holidays="PH")
    assert night.between(at("2024-12-31T12:00"), at("2025-01-01T12:00")) == 0


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("hours", [], "never open; write hours like"),
        ("hours", ["09:00-09:00", "24:00-24:00"], "no hours: '24:00-24:00'"),
        ("hours", ["09:00-09:00"], "never open; write hours like"),
        ("hours", ["09:00-25:00"], "no hours: '09:00-25:00'; write two times"),
        ("hours", ["09:75-18:00"], "no hours: '09:75-18:00'; write two times"),
        ("hours", ["24:00-06:00"], "no hours"),
        ("hours", ["09:00-24:01"], "no hours"),
        ("hours", ["9-18"], "no hours"),
        ("hours", ["٠٩:00-18:00"], "no hours"),
        ("days", [], "no weekday: none given"),
        ("holidays", "XX", "the holidays of 'XX' are not known; write an ISO 3166 country"),
        ("holidays", False, "write 'NO' in quotes"),
        ("holidays", ["FR"], "valid string"),
    ],
)
def test_a_calendar_that_cannot_be_is_refused_with_a_hint(key, value, hint):
    good = {"zone": "Europe/Paris", "days": ["monday"], "hours": ["09:00-18:00"]}
    with pytest.raises(ValidationError, match=hint):
        Calendar.model_validate(good | {key: value})


def test_check_names_the_line_of_a_calendar_that_is_never_open(tmp_path):
    text = (FUNNELS / "default.yaml").read_text()
    path = tmp_path / "funnel.yaml"
    path.write_text(text.replace('hours: ["09:00-18:00"]', 'hours: ["09:00-09:00"]'))
    with pytest.raises(
        FunnelError,
        match=r"calendars\.office\.hours: a calendar that is never open; write hours like",
    ):
        load(path)


def test_a_duration_is_at_most_ten_years_so_that_it_ends_within_the_years_of_a_calendar():
    for text in ("3661 days", "121 months", "99999999999 business days"):
        with pytest.raises(ValueError, match="is more than 10 years: write at most"):
            Duration.read(text)
    once_a_week = table(days=("monday",))
    assert add(
        at("2100-01-01T00:00"), Duration.read("3660 business days"), once_a_week, (3, 2)
    ) > at("2200-01-01T00:00")


def test_events_from_1970_to_2100_find_a_calendar_and_the_years_outside_are_refused():
    for text in ("1970-01-01T00:00", "1990-06-14T00:00", "2090-06-14T00:00", "2100-01-01T00:00"):
        hours = table("America/New_York")  # where the first instant of 1970 is still 1969
        start = to_ms(datetime.fromisoformat(text).replace(tzinfo=UTC))
        assert hours.between(start, start + 7 * 24 * HOUR) == 45 * HOUR
        assert hours.between(start, hours.add(start, 100 * HOUR)) == 100 * HOUR
    for year in (1960, 2300):
        with pytest.raises(
            ValueError, match="lies outside of the years 1965 to 2299 that a calendar covers"
        ):
            OFFICE.elapsed(to_ms(datetime(year, 6, 1, tzinfo=UTC)))
    with pytest.raises(ValueError, match="outside of the years"):
        OFFICE.add(at("2026-06-15T09:00"), 3_000_000 * HOUR)


def test_years_are_built_when_they_are_asked_for_and_once():
    calendar = Calendar(zone="Europe/Paris", days=WEEK, hours=("09:00-18:00",))
    assert open_hours(calendar) is open_hours(calendar.model_copy())
    hours = OpenHours(calendar)
    assert not hours.table.opens
    hours.elapsed(at("2026-06-15T09:00"))
    built = hours.table
    assert (built.first, built.last) == (2020, 2030)
    hours.add(at("2021-06-15T09:00"), 90 * HOUR)
    assert hours.table is built


@pytest.mark.parametrize("year", [1987, 2004, 2026, 2038, 2039])
def test_no_ms_is_lost_on_the_way_to_the_wall_and_back(year):
    begin = to_ms(datetime(year, 3, 1, tzinfo=UTC))
    zone = ZoneInfo("Europe/Paris")
    assert all(to_ms(local(ms, zone)) == ms for ms in range(begin, begin + 2000))
    assert add(begin + 1, Duration.read("1 day"), OFFICE) == begin + 1 + 24 * HOUR


def test_a_moment_before_1970_is_counted_down():
    assert to_ms(datetime(1970, 1, 1, tzinfo=UTC) - timedelta(milliseconds=5)) == -5
