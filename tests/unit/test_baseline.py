"""What was to be expected: the same hours of the same weekday, in open hours, on the wall."""

from datetime import datetime, timedelta
from math import fsum
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from schemas.calendars import Calendar
from streams.domain.calendar import open_hours, to_ms
from streams.live import baseline

PARIS = ZoneInfo("Europe/Paris")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")
OFFICE = open_hours(Calendar(zone="Europe/Paris", days=DAYS, hours=("09:00-18:00",), holidays="FR"))
WEEKS = 4


def at(text):
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=PARIS))


def every_hour(start, end, of=lambda _moment: 1):
    """Count events by quarter: `of` says how many at each full hour on the wall."""
    counts, moment = {}, datetime.fromisoformat(start)
    while moment < datetime.fromisoformat(end):
        quarter = baseline.quarter_of(to_ms(moment.replace(tzinfo=PARIS)))
        counts[quarter] = counts.get(quarter, 0) + of(moment)
        moment += timedelta(hours=1)
    return counts


def compared(counts, now, over="week", hours=OFFICE):
    return baseline.window(at(now), over, WEEKS, PARIS, hours).compare(counts)


def test_a_steady_firm_gets_what_was_expected_whatever_the_hour_of_the_week():
    counts = every_hour("2026-02-01", "2026-03-20")
    for now in ("2026-03-16T10:00", "2026-03-18T03:00", "2026-03-19T17:30"):
        for over in baseline.WINDOWS:
            seen, expected = compared(counts, now, over)
            assert seen == expected
    assert compared(counts, "2026-03-19T18:00", "day").seen == 9
    assert compared(counts, "2026-03-19T18:00").seen == 45


def test_a_weekend_a_holiday_and_a_night_are_no_drop():
    busy = every_hour(
        "2026-03-01", "2026-04-20", lambda moment: int(moment.weekday() < 5 and moment.hour > 8)
    )
    sunday = compared(busy, "2026-03-29T20:00", "day")
    assert sunday == (0, 0)
    easter_monday = {
        quarter: n
        for quarter, n in busy.items()
        if not at("2026-04-06") <= quarter < at("2026-04-07")
    }
    assert compared(easter_monday, "2026-04-06T18:00", "day") == (0, 0)
    # nor is it a weak Monday that later ones are held to
    assert compared(easter_monday, "2026-04-13T18:00", "day") == (9, 9)


def test_a_drop_is_seen_against_the_same_weekday_and_not_against_the_others():
    mondays = every_hour(
        "2026-02-01", "2026-03-17", lambda moment: 10 if not moment.weekday() else 1
    )
    monday = at("2026-03-16")
    fewer = {quarter: n // 5 if quarter >= monday else n for quarter, n in mondays.items()}
    assert compared(fewer, "2026-03-16T18:00", "day") == (18, 90)


def test_hours_are_those_of_the_wall_also_across_a_change_of_the_clocks():
    at_nine = every_hour("2026-03-01", "2026-04-08", lambda moment: 7 * (moment.hour == 9))
    # clocks went forward on 29 March
    assert compared(at_nine, "2026-04-07T09:30", "day") == (7, 7)


def test_a_young_history_makes_the_expectation_smaller():
    young = every_hour("2026-03-09", "2026-03-17")
    assert compared(young, "2026-03-16T18:00", "day") == (9, 9 / WEEKS)


def test_without_open_hours_every_hour_counts():
    counts = every_hour("2026-02-01", "2026-03-17")
    assert compared(counts, "2026-03-16T12:00", "day", hours=None) == (24, 24)


def slow(counts, now, quarters):
    """Expect, quarter by quarter, by walking the wall."""
    seen, expected = 0, []
    end = baseline.quarter_of(now)
    for number in range(1, quarters + 1):
        quarter = end - number * baseline.QUARTER_MS
        wall = datetime.fromtimestamp(quarter / 1000, PARIS)
        found = []
        for week in range(1, WEEKS + 1):
            then = (wall.replace(tzinfo=None) - timedelta(days=7 * week)).replace(tzinfo=PARIS)
            same = to_ms(then)
            if OFFICE.between(same, same + baseline.QUARTER_MS):
                found.append(counts.get(baseline.quarter_of(same), 0))
        if found and OFFICE.between(quarter, quarter + baseline.QUARTER_MS):
            seen += counts.get(quarter, 0)
            expected.append(sum(found) / len(found))
    return seen, fsum(expected)


INSTANTS = st.integers(at("2026-01-20"), at("2026-11-20"))


@given(
    now=INSTANTS,
    events=st.lists(st.integers(0, 40 * 96), max_size=200),
    over=st.sampled_from(sorted(baseline.WINDOWS)),
)
def test_it_is_what_walking_the_wall_gives(now, events, over):
    counts = {}
    for back in events:
        quarter = baseline.quarter_of(now) - back * baseline.QUARTER_MS
        counts[quarter] = counts.get(quarter, 0) + 1
    window = baseline.window(now, over, WEEKS, PARIS, OFFICE)
    assert window.compare(counts) == slow(counts, now, baseline.WINDOWS[over])
    first = min((one for _, earlier in window.quarters for one in earlier), default=now)
    assert baseline.begin(now, WEEKS) <= first
