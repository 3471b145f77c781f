"""Open time against a slow, obvious calendar that walks by the minute; wall time against walls."""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas.calendars import WEEKDAYS, Calendar
from schemas.durations import Duration
from streams.domain.calendar import OpenHours, add, local, to_ms
from tests.support.shuffling import EXAMPLES, PROPERTY

# India's holidays are known from 2001 to 2035.
pytestmark = pytest.mark.filterwarnings("ignore:Requested Holidays are available only")

MINUTE, DAY = 60_000, 24 * 60
# Days worth a look: clocks turn, a year ends (a block of years, too), far and near history.
PLACES = {
    "Europe/Paris": (
        "2025-03-30",
        "2025-10-26",
        "2024-12-31",
        "2026-06-10",
        "1976-03-28",
        "2088-02-29",
    ),
    "Asia/Kolkata": ("2025-12-31", "2029-12-31"),
    "Asia/Kathmandu": ("1985-12-31", "2026-01-01"),  # 5:30 became 5:45 at New Year of 1986
    # It used to turn at 00:01.
    "America/St_Johns": ("2006-04-02", "2010-11-07", "2026-03-08", "2026-11-01"),
    "Australia/Lord_Howe": ("2026-04-05", "2026-10-04", "2025-12-31"),  # by half an hour
    "America/Sao_Paulo": ("2018-02-18", "2018-11-04"),  # at midnight
    # The midnight that comes twice, and the one that never comes.
    "America/Havana": ("2025-03-09", "2025-11-02"),
    "Antarctica/Troll": ("2026-03-29", "2026-10-25"),  # by two hours
    "Pacific/Apia": ("2011-12-30",),  # a Friday that never was
    "UTC": ("2026-07-04",),
}
WINDOWS = [(zone, date.fromisoformat(day)) for zone, days in PLACES.items() for day in days]
LENGTH = 3 * DAY
BUILDS = settings(PROPERTY, max_examples=max(EXAMPLES // 5, 1))  # of what builds many years


@lru_cache
def shown(zone, day):
    """Return what the wall shows, minute by minute around `day`, as (day, minute).

    While it repeats itself, that is the latest time that it showed.
    """
    out, latest = [], None
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=2)
    for minute in range(LENGTH + DAY):
        wall = (begin + timedelta(minutes=minute)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        latest = max(latest or wall, wall)
        out.append((latest.date(), latest.hour * 60 + latest.minute))
    return to_ms(begin) + DAY * MINUTE, out[DAY:]


def slow(calendar, day):
    """Return for each minute of the window whether the calendar is open."""
    own, after = set(), set()  # minutes of a working day, and of the day after one
    for text in calendar.hours:
        opening, closing = (int(part[:2]) * 60 + int(part[3:]) for part in text.split("-"))
        own |= set(range(opening, closing if closing >= opening else DAY))
        after |= set(range(closing)) if closing < opening else set()
    _, walls = shown(calendar.zone, day)
    free = holidays.country_holidays(calendar.holidays) if calendar.holidays else ()
    days = {day for day, _ in walls} | {day - timedelta(days=1) for day, _ in walls}
    working = {
        d
        for d in days
        if WEEKDAYS[d.weekday()] in calendar.days and d not in calendar.closed and d not in free
    }
    return [
        (m in own and d in working) or (m in after and d - timedelta(days=1) in working)
        for d, m in walls
    ]


EDGES = [
    0,
    1,
    30,
    60,
    61,
    90,
    120,
    135,
    150,
    165,
    180,
    240,
    540,
    720,
    780,
    1080,
    1320,
    1380,
    1381,
    1410,
    1439,
    1440,
]
edges = st.sampled_from(EDGES) | st.integers(0, DAY)


@st.composite
def calendars(draw, zone, day):
    text = "{:02}:{:02}-{:02}:{:02}".format
    spans = draw(
        st.lists(st.tuples(edges.filter(lambda edge: edge < DAY), edges), min_size=1, max_size=4)
    )
    assume(any(opening != closing for opening, closing in spans))
    near = st.integers(-2, 3).map(lambda days: day + timedelta(days=days))
    return Calendar(
        zone=zone,
        days=draw(
            st.just(WEEKDAYS)
            | st.just(WEEKDAYS[:5])
            | st.lists(st.sampled_from(WEEKDAYS), min_size=1).map(tuple)
        ),
        hours=tuple(text(*divmod(opening, 60), *divmod(closing, 60)) for opening, closing in spans),
        holidays=draw(st.sampled_from([None, None, None, "FR", "US", "IN", "CA", "WS"])),
        closed=tuple(draw(st.lists(near, max_size=3))),
    )


class Walk:
    """The slow calendar of one window, with instants in it."""

    def __init__(self, calendar, day):
        self.begin, _ = shown(calendar.zone, day)
        self.open = slow(calendar, day)
        self.sums = [0, *accumulate(self.open)]
        self.end = self.begin + LENGTH * MINUTE - 1
        # where it opens, closes or the wall turns
        walls = shown(calendar.zone, day)[1]
        self.turns = [
            i
            for i in range(1, LENGTH)
            if self.open[i] != self.open[i - 1] or (walls[i][1] - walls[i - 1][1]) % DAY != 1
        ] or [0]

    def elapsed(self, at):
        minute, ms = divmod(at - self.begin, MINUTE)
        return self.sums[minute] * MINUTE + ms * self.open[minute]

    def add(self, at, budget):
        """Walk on from a minute until the budget is spent; return the first such instant."""
        minute = (at - self.begin) // MINUTE
        while budget:
            stop = self.begin + (minute + 1) * MINUTE
            if self.open[minute]:
                spent = min(budget, stop - at)
                at, budget = at + spent, budget - spent
            if budget:
                minute, at = minute + 1, stop
        return at

    def instants(self, draw):
        """Draw an instant: often a turn, or near one; often a whole minute."""
        minute = draw(st.sampled_from(self.turns) | st.integers(0, LENGTH - 1))
        ms = draw(st.sampled_from([0, 0, -1, 1, 59_999]) | st.integers(-90 * MINUTE, 90 * MINUTE))
        return min(max(self.begin + minute * MINUTE + ms, self.begin), self.end)


@st.composite
def cases(draw):
    """Draw a calendar, its walk, and two instants in order."""
    zone, day = draw(st.sampled_from(WINDOWS))
    calendar = draw(calendars(zone, day))
    walk = Walk(calendar, day)
    return calendar, walk, *sorted((walk.instants(draw), walk.instants(draw)))


@PROPERTY
@given(cases())
def test_open_time_is_what_a_walk_minute_by_minute_counts(case):
    calendar, walk, start, end = case
    hours = OpenHours(calendar)
    counted = walk.elapsed(end) - walk.elapsed(start)
    assert hours.between(start, end) == counted
    assert hours.between(end, start) == -counted
    assert 0 <= counted <= end - start
    assert hours.between(walk.begin, walk.end) == walk.elapsed(walk.end)


@PROPERTY
@given(cases(), st.data())
def test_adding_open_time_ends_where_the_walk_ends(case, data):
    calendar, walk, start, end = case
    left = walk.elapsed(walk.end) - walk.elapsed(start)
    budget = data.draw(st.integers(0, left) | st.just(walk.elapsed(end) - walk.elapsed(start)))
    assert OpenHours(calendar).add(start, budget) == walk.add(start, budget)


@BUILDS
@given(
    cases(),
    st.integers(1, 2000 * MINUTE),
    st.integers(0, 200) | st.integers(0, 90_000),
    st.integers(0, 2000 * MINUTE),
)
def test_open_time_adds_up_in_ms_and_never_runs_backwards(case, budget, minutes, more):
    calendar, _, start, end = case
    # Up to months, so over blocks of years, too.
    hours, budget = OpenHours(calendar), budget + minutes * MINUTE
    due = hours.add(start, budget)
    assert hours.between(start, due) == budget
    assert hours.between(start, due - 1) == budget - 1  # the first such instant
    assert hours.add(due, more) == hours.add(start, budget + more)
    assert due <= hours.add(end, budget)
    assert hours.between(start, end) + hours.between(end, due) == budget


@BUILDS
@given(cases(), st.lists(st.integers(2008, 2036), min_size=1, max_size=2))
def test_what_a_calendar_says_does_not_depend_on_the_years_it_was_asked_for_before(case, years):
    calendar, _, start, end = case
    fresh, grown = OpenHours(calendar), OpenHours(calendar)
    for year in years:
        grown.elapsed(to_ms(datetime(year, 7, 1, tzinfo=UTC)))
    assert grown.elapsed(start) == fresh.elapsed(start)
    assert grown.between(start, end) == fresh.between(start, end)
    assert grown.add(start, 5 * grown.day_ms) == fresh.add(start, 5 * fresh.day_ms)


ALWAYS = {
    zone: OpenHours(Calendar(zone=zone, days=WEEKDAYS, hours=("00:00-24:00",))) for zone in PLACES
}


@PROPERTY
@given(
    st.sampled_from(WINDOWS),
    st.integers(-DAY * MINUTE, 2 * DAY * MINUTE)
    | st.integers(-8, 136).map(lambda quarters: quarters * 15 * MINUTE),
    st.integers(1, 40),
    st.sampled_from(("day", "week", "month")),
)
def test_days_weeks_and_months_keep_the_wall_time_where_the_wall_shows_it(
    window, offset, amount, unit
):
    (name, day), zone = window, ZoneInfo(window[0])
    # So that the end is worth a look, or (months) the start.
    days = amount * {"day": 1, "week": 7, "month": 0}[unit]
    start = (
        to_ms(datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=days)) + offset
    )
    wall = local(start, zone).replace(tzinfo=None, fold=0)
    if unit == "month":
        year, month = divmod(wall.year * 12 + wall.month - 1 + amount, 12)
        wanted = wall.replace(year=year, month=month + 1, day=1)
        wanted = wanted.replace(day=min(wall.day, monthrange(year, month + 1)[1]))
    else:
        wanted = wall + timedelta(days=amount * (7 if unit == "week" else 1))
    due = add(start, Duration(amount, unit, business=False), ALWAYS[name])
    got = local(due, zone)
    # No instant shows it: the wall jumped over it, and it moves on by as much.
    if got.replace(tzinfo=None) != wanted:
        assert (
            local(to_ms(wanted.replace(tzinfo=zone, fold=1)), zone).replace(tzinfo=None)
            < wanted
            < got.replace(tzinfo=None, fold=0)
        )
    else:
        assert got.fold == 0


@PROPERTY
@given(
    st.integers(0, 4_102_444_800_000),
    st.sampled_from(sorted(PLACES)),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
)
def test_always_open_is_elapsed_time_and_an_instant_survives_the_wall(at, zone, ms, days):
    assert to_ms(local(at, ZoneInfo(zone))) == at
    assert ALWAYS[zone].between(at, at + ms) == ms
    assert ALWAYS[zone].add(at, days * DAY * MINUTE) == at + days * DAY * MINUTE
