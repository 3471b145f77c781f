"""A question of the figures in words: what is read of it, and what it is compared with."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from schemas.reading import FUNNELS, load
from sinks.clickhouse import asking, spans
from sinks.clickhouse.asking import Asked, Unreadable

FUNNEL = load(FUNNELS / "default.yaml")
PARIS = "Europe/Paris"


def ms(text, zone=PARIS):
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


NOW = ms("2026-04-15T09:30")  # a Wednesday


def reporting(**changes):
    return FUNNEL.model_copy(update={"reporting": FUNNEL.reporting.model_copy(update=changes)})


def period(name, funnel=FUNNEL, now=NOW, zone=PARIS):
    """Return the first and last instant's walls of a named period, without the cut at now."""
    place = ZoneInfo(zone)
    read = asking._period(Asked(period=name), funnel.reporting, place, now)
    return [datetime.fromtimestamp(at / 1000, place).isoformat()[:16] for at in read]


def days(name, *args, **named):
    first, last = period(name, *args, **named)
    assert first[10:] == last[10:] == "T00:00"
    return first[:10], last[:10]


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("today", "2026-04-15", "2026-04-16"),
        ("yesterday", "2026-04-14", "2026-04-15"),
        ("this-week", "2026-04-13", "2026-04-20"),
        ("last-week", "2026-04-06", "2026-04-13"),
        ("this-month", "2026-04-01", "2026-05-01"),
        ("last-month", "2026-03-01", "2026-04-01"),
        ("this-quarter", "2026-04-01", "2026-07-01"),
        ("last-quarter", "2026-01-01", "2026-04-01"),
        ("this-year", "2026-01-01", "2027-01-01"),
        ("last-year", "2025-01-01", "2026-01-01"),
        ("last-7-days", "2026-04-09", "2026-04-16"),
        ("last-30-days", "2026-03-17", "2026-04-16"),
    ],
)
def test_a_period_by_name_has_whole_days_of_the_reporting_zone(name, first, last):
    assert days(name) == (first, last)


def test_every_period_that_an_error_names_can_be_asked_for():
    assert all(days(name)[0] < days(name)[1] for name in asking.PERIODS)


def test_a_week_begins_on_sunday_where_the_installation_says_so():
    sunday = reporting(week_start="sunday")
    assert days("this-week", sunday) == ("2026-04-12", "2026-04-19")
    assert days("this-week", sunday, ms("2026-04-12T12:00")) == ("2026-04-12", "2026-04-19")
    assert days("last-week", sunday) == ("2026-04-05", "2026-04-12")


@pytest.mark.parametrize(
    ("start", "now", "name", "first", "last"),
    [
        ("04-01", "2026-02-15", "this-year", "2025-04-01", "2026-04-01"),
        ("04-01", "2026-02-15", "last-year", "2024-04-01", "2025-04-01"),
        ("04-01", "2026-02-15", "this-quarter", "2026-01-01", "2026-04-01"),
        ("02-01", "2026-01-31", "this-quarter", "2025-11-01", "2026-02-01"),
        ("04-06", "2026-04-05", "this-year", "2025-04-06", "2026-04-06"),
        ("04-06", "2026-04-06", "this-year", "2026-04-06", "2027-04-06"),
        ("04-06", "2026-07-05", "this-quarter", "2026-04-06", "2026-07-06"),
        ("05-31", "2026-03-01", "this-quarter", "2026-02-28", "2026-05-31"),
        ("04-06", "2026-04-05", "this-month", "2026-04-01", "2026-05-01"),
    ],
)
def test_years_and_quarters_are_the_fiscal_ones_to_the_day_and_months_the_calendars(
    start, now, name, first, last
):
    funnel = reporting(fiscal_year_start=start)
    assert days(name, funnel, ms(f"{now}T12:00")) == (first, last)


def test_the_days_of_a_clock_change_have_23_and_25_hours():
    for day, hours in (("2026-03-29", 23), ("2026-10-25", 25)):
        first, last = asking._period(
            Asked(period="today"), FUNNEL.reporting, ZoneInfo(PARIS), ms(f"{day}T12:00")
        )
        assert last - first == hours * 3_600_000


def test_days_and_times_without_a_zone_are_the_reporting_ones_or_those_of_the_zone_asked_for():
    read = asking.read(FUNNEL, Asked(start="2026-01-05", as_of="2026-02-01T09:00"), NOW)
    assert (read.start, read.asof) == (ms("2026-01-05"), ms("2026-02-01T09:00"))
    tokyo = Asked(start="2026-01-05", end="2026-01-06", zone="Asia/Tokyo")
    there = asking.read(FUNNEL, tokyo, NOW)
    assert (there.start, there.end) == (ms("2026-01-05", tokyo.zone), ms("2026-01-06", tokyo.zone))
    assert there.zone == "Asia/Tokyo"
    stated = asking.read(FUNNEL, Asked(as_of="2026-02-01T09:00:00Z"), NOW)
    assert stated.asof == ms("2026-02-01T09:00", "UTC")


def test_a_period_ends_at_the_instant_asked_for_and_an_earlier_one_is_past():
    now = asking.read(FUNNEL, Asked(period="this-year"), NOW)
    assert (now.end, now.past) == (NOW + 1, False)
    then = asking.read(FUNNEL, Asked(period="this-year", as_of="2026-02-01"), NOW)
    assert (then.end, then.past) == (ms("2026-02-01") + 1, True)
    assert asking.read(FUNNEL, Asked(as_of=str(NOW - 1_000)), NOW).past is False


def test_values_of_one_filter_are_any_of_them():
    where = (("source", "meta"), ("stage", "mql"), ("source", ""), ("campaign", " Spring "))
    read = asking.read(FUNNEL, Asked(where=where), NOW)
    assert dict(read.where) == {"source": ("meta", ""), "stage": ("mql",), "campaign": ("spring",)}


@pytest.mark.parametrize(
    ("asked", "example"),
    [
        (Asked(zone="Paris"), "write one like Europe/Paris"),
        (Asked(trend="hour"), "by day, week or month"),
        (Asked(as_of="yesterday"), "write one like 2026-01-31T09:00"),
        (Asked(as_of="1969-01-01"), "from 1970 to 2099"),
        (Asked(start="31.1.2026"), "write one like 2026-01-31"),
        (Asked(end="2026-02-30"), "write one like 2026-01-31"),
        (Asked(start="2026-02-01", end="2026-02-01"), "the day after the last"),
        (Asked(period="last week"), "ask for one of today"),
        (Asked(period="last-0-days"), "ask for one of today"),
        (Asked(period="this-30-days"), "ask for one of today"),
        (Asked(period="today", start="2026-01-01"), "not both"),
    ],
)
def test_a_word_that_cannot_be_read_is_refused_with_an_example(asked, example):
    with pytest.raises(Unreadable) as error:
        asking.read(FUNNEL, asked, NOW)
    assert example in str(error.value)
    assert "§" not in str(error.value)
    assert error.value.marked("--").startswith("--")


def test_what_there_is_not_is_refused_with_what_there_is():
    with pytest.raises(ValueError, match="ask for one of inflow, outflow"):
        asking.read(FUNNEL, Asked(kpis=("inflo",)), NOW)
    with pytest.raises(ValueError, match="ask by one of source, channel"):
        asking.read(FUNNEL, Asked(by="sorce"), NOW)
    with pytest.raises(ValueError, match="ask by one of source, channel"):
        asking.read(FUNNEL, Asked(where=(("sorce", "x"),)), NOW)
    with pytest.raises(ValueError, match="is no dimension"):
        asking.read(FUNNEL, Asked(by="stage"), NOW)  # a filter, no dimension


def before(start, end):
    moved = spans.before(ms(start), ms(end), PARIS)
    return [datetime.fromtimestamp(at / 1000, ZoneInfo(PARIS)).isoformat()[:16] for at in moved]


@pytest.mark.parametrize(
    ("start", "end", "earlier", "until"),
    [
        ("2026-03-01T00:00", "2026-04-01T00:00", "2026-02-01T00:00", "2026-03-01T00:00"),
        ("2026-01-01T00:00", "2026-04-01T00:00", "2025-10-01T00:00", "2026-01-01T00:00"),
        ("2026-03-30T00:00", "2026-04-06T00:00", "2026-03-23T00:00", "2026-03-30T00:00"),
        ("2026-03-01T00:00", "2026-03-31T09:30", "2026-02-01T00:00", "2026-02-28T09:30"),
        ("2026-04-09T00:00", "2026-04-15T09:30", "2026-04-02T00:00", "2026-04-08T09:30"),
        ("2026-03-29T00:00", "2026-03-30T00:00", "2026-03-28T00:00", "2026-03-29T00:00"),
    ],
)
def test_the_span_before_is_of_whole_months_as_many_else_as_many_days(start, end, earlier, until):
    assert before(start, end) == [earlier, until]


@pytest.mark.parametrize(
    ("name", "earlier", "until"),
    [
        ("this-week", "2026-04-06T00:00", "2026-04-08T09:30"),  # the same weekdays
        ("this-month", "2026-03-01T00:00", "2026-03-15T09:30"),
        ("this-quarter", "2026-01-01T00:00", "2026-01-15T09:30"),
        ("this-year", "2025-01-01T00:00", "2025-04-15T09:30"),
        ("last-quarter", "2025-10-01T00:00", "2026-01-01T00:00"),
        ("last-year", "2024-01-01T00:00", "2025-01-01T00:00"),
        ("today", "2026-04-14T00:00", "2026-04-14T09:30"),
    ],
)
def test_a_running_period_is_compared_with_as_much_of_the_one_before(name, earlier, until):
    asked = Asked(period=name, compare=True)
    old = asking._before(asking.read(FUNNEL, asked, NOW), asked)
    walls = [
        datetime.fromtimestamp(at / 1000, ZoneInfo(PARIS)).isoformat()[:16]
        for at in (old.start, old.end)
    ]
    assert walls == [earlier, until]


def test_all_time_has_no_period_before_it():
    with pytest.raises(Unreadable, match="all time has no period before it"):
        asking._before(asking.read(FUNNEL, Asked(), NOW), Asked())


def buckets(trend, start, end, **changes):
    asked = Asked(start=start, end=end, trend=trend)
    return list(spans.buckets(asking.read(reporting(**changes), asked, NOW + 400 * 86_400_000)))


def test_buckets_are_cut_by_the_period_and_named_by_their_first_day():
    found = buckets("month", "2026-03-10", "2026-05-02")
    assert [first for first, _, _ in found] == ["2026-03-01", "2026-04-01", "2026-05-01"]
    assert (found[0][1], found[-1][2]) == (ms("2026-03-10"), ms("2026-05-02"))
    assert all(one[2] == other[1] for one, other in pairwise(found))


def test_weeks_begin_where_the_installation_begins_them_and_a_clock_change_loses_no_hour():
    assert buckets("week", "2026-03-25", "2026-04-05")[0][0] == "2026-03-23"
    found = buckets("week", "2026-03-25", "2026-04-05", week_start="sunday")
    assert [first for first, _, _ in found] == ["2026-03-22", "2026-03-29"]
    (_, start, end) = buckets("day", "2026-03-29", "2026-03-30")[0]
    assert end - start == 23 * 3_600_000


def test_too_many_buckets_are_refused_with_what_to_ask_for():
    with pytest.raises(ValueError, match="ask for a shorter period, or by month"):
        buckets("day", "2020-01-01", "2026-01-01")
