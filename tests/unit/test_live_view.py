"""An address says all that a page shows, and is read as it was written."""

from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.calendars import Reporting
from schemas.reading import FUNNELS, load
from streams.live import periods
from streams.live.periods import Days, days, months
from streams.live.view import FILTERS, Unclear, read

FUNNEL = load(FUNNELS / "default.yaml")
NOW = datetime(2026, 11, 28, 22, 30, tzinfo=UTC)  # Saturday; 23:30 in Paris
PARIS = Reporting(zone="Europe/Paris")


def view(**query):
    return read("/work", query, FUNNEL, NOW)


texts = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1)


@given(
    st.dictionaries(st.sampled_from(FILTERS), texts.map(str.strip).filter(bool)),
    st.sampled_from(["", *periods.PRESETS]),
    st.booleans(),
    st.sampled_from(["", "source", "team"]),
    st.integers(1, 9),
)
def test_an_address_is_read_as_it_was_written(where, preset, compare, by, page):
    query = {**where, "by": by, "page": str(page), "compare": str(int(compare))}
    query |= {"period": preset} if preset else {"from": "2026-01-05", "to": "2026-02-01"}
    seen = view(**query)
    again = dict(parse_qsl(urlsplit(seen.address("Europe/Paris")).query))
    assert read("/work", again, FUNNEL, NOW) == seen


def test_the_plain_address_shows_the_last_thirty_days_in_the_reporting_zone():
    seen = view()
    assert (seen.first, seen.last) == (date(2026, 10, 30), date(2026, 11, 28))
    assert seen.zone == "Europe/Paris"
    assert seen.address("Europe/Paris") == "/work"


def test_today_is_that_of_the_zone_asked_for():
    assert view(zone="Asia/Tokyo", period="today").first == date(2026, 11, 29)


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("zone", {"zone": "Mars/Olympus"}),
        ("zone", {"zone": "../../etc/passwd"}),
        ("period", {"period": "next-week"}),
        ("from", {"from": "yesterday"}),
        ("from", {"from": "2026-02-02", "to": "2026-02-01"}),
        ("to", {"to": "9999-01-01"}),
        ("by", {"by": "shoe size"}),
        ("page", {"page": "0"}),
        ("page", {"page": "²"}),
        ("owner", {"owner": "x" * 201}),
    ],
)
def test_what_there_is_not_is_refused_by_its_name(name, query):
    with pytest.raises(Unclear) as refused:
        view(**query)
    assert refused.value.name == name


def test_another_filter_begins_at_the_first_page_again():
    seen = view(page="7", owner="ann").filtered("owner", "bob").filtered("team", "sales")
    assert (seen.page, seen.where) == (1, (("owner", "bob"), ("team", "sales")))
    assert seen.filtered("owner", "").where == (("team", "sales"),)


def test_presets_are_whole_weeks_months_and_quarters_of_the_firm():
    today = date(2026, 11, 28)
    found = {name: days(name, today, PARIS) for name in periods.PRESETS}
    assert found["this-week"] == Days(date(2026, 11, 23), date(2026, 11, 30))
    assert found["last-week"] == Days(date(2026, 11, 16), date(2026, 11, 23))
    assert found["last-month"] == Days(date(2026, 10, 1), date(2026, 11, 1))
    assert found["this-quarter"] == Days(date(2026, 10, 1), date(2027, 1, 1))
    assert found["last-quarter"] == Days(date(2026, 7, 1), date(2026, 10, 1))
    american = Reporting(zone="UTC", week_start="sunday", fiscal_year_start="02-01")
    assert days("this-week", today, american).first == date(2026, 11, 22)
    assert days("this-year", today, american) == Days(date(2026, 2, 1), date(2027, 2, 1))
    assert days("this-quarter", today, american).first == date(2026, 11, 1)


@given(
    st.dates(date(1990, 1, 1), date(2100, 1, 1)),
    st.sampled_from(["monday", "sunday"]),
    st.sampled_from(["01-01", "04-06", "02-29", "12-31"]),
)
def test_every_preset_that_runs_holds_today_and_the_one_before_it_ends_where_it_begins(
    today, week, year
):
    reporting = Reporting(zone="UTC", week_start=week, fiscal_year_start=year)
    for name in ("week", "month", "quarter"):
        now, before = (days(f"{which}-{name}", today, reporting) for which in ("this", "last"))
        assert now.first <= today < now.end
        assert before.first < before.end
        assert abs(before.end - now.first) <= timedelta(days=3)  # a month lacks the fiscal day
    assert days("this-year", today, reporting).first <= today


def test_a_day_that_a_month_lacks_is_its_last():
    assert months(date(2026, 1, 31), 1) == date(2026, 2, 28)
    assert months(date(2026, 1, 31), -2) == date(2025, 11, 30)
    assert months(date(2024, 12, 29), 2) == date(2025, 2, 28)
