"""An address says all that a page shows, and is read as it was written."""

from datetime import UTC, date, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.reading import FUNNELS, load
from sinks.clickhouse.asking import Asked
from streams.live.screens.filters import PERIODS
from streams.live.view import FILTERS, ROWS, Unclear, read

FUNNEL = load(FUNNELS / "default.yaml")
NOW = datetime(2026, 11, 28, 22, 30, tzinfo=UTC)  # Saturday; 23:30 in Paris


def view(**query):
    return read("/work", query, FUNNEL, NOW)


texts = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1)


@given(
    st.dictionaries(st.sampled_from(FILTERS), texts.map(str.strip).filter(bool)),
    st.sampled_from(["", *PERIODS]),
    st.booleans(),
    st.sampled_from(["", "source", "segment"]),
    st.integers(1, 9),
)
def test_an_address_is_read_as_it_was_written(where, preset, compare, by, page):
    query = {**where, "by": by, "page": str(page), "compare": str(int(compare))}
    query |= {"period": preset} if preset else {"from": "2026-01-05", "to": "2026-02-01"}
    seen = view(**query)
    again = dict(parse_qsl(urlsplit(seen.address("Europe/Paris")).query))
    assert read("/work", again, FUNNEL, NOW) == seen


def test_what_a_search_found_is_known_by_ids_and_by_nothing_else():
    lead = "018f0000-0000-8000-8000-000000000001"
    asked = {"ids": f"{lead},nobody,{lead.upper()},<img src=x>"}
    assert read("/leads", asked, FUNNEL, NOW).leads == (lead,)
    assert len(read("/leads", {"ids": ",".join([lead] * 90)}, FUNNEL, NOW).leads) == ROWS
    assert read("/work", asked, FUNNEL, NOW).leads == ()
    assert read("/leads", {}, FUNNEL, NOW).address("Europe/Paris") == "/leads"


def test_the_plain_address_shows_the_last_thirty_days_in_the_reporting_zone():
    seen = view()
    assert (seen.first, seen.last) == (date(2026, 10, 30), date(2026, 11, 28))
    assert seen.zone == "Europe/Paris"
    assert seen.address("Europe/Paris") == "/work"


def test_today_is_that_of_the_zone_asked_for():
    assert view(zone="Asia/Tokyo", period="today").first == date(2026, 11, 29)


@pytest.mark.parametrize(
    ("example", "query"),
    [
        ("Europe/Paris", {"zone": "Mars/Olympus"}),
        ("Europe/Paris", {"zone": "../../etc/passwd"}),
        ("last-week", {"period": "next-week"}),
        ("2026-01-31", {"from": "yesterday"}),
        ("not after", {"from": "2026-02-02", "to": "2026-02-01"}),
        ("2026-01-31", {"to": "9999-01-01"}),
        ("source, channel", {"by": "shoe size"}),
        ("from 1", {"page": "0"}),
        ("from 1", {"page": "²"}),
        ("200 characters", {"owner": "x" * 201}),
    ],
)
def test_what_there_is_not_is_refused_with_what_may_be_asked(example, query):
    with pytest.raises(Unclear, match=example):
        view(**query)


def test_figures_are_asked_by_what_they_know_and_the_other_filters_are_named():
    seen = view(channel="paid_social", owner="ann", period="last-week", compare="1", by="source")
    unnamed = FUNNEL.model_copy(update={"dimensions": ()})
    assert seen.asked(unnamed, "acceptance", trend="day") == (
        Asked(
            period="last-week",
            zone="Europe/Paris",
            by="source",
            where=(("channel", "paid_social"),),
            trend="day",
            compare=True,
            kpis=("acceptance",),
        ),
        ("owner",),
    )
    asked, ignored = seen.asked(FUNNEL, by="")
    assert (dict(asked.where)["owner"], asked.by, ignored) == ("ann", "", ())


def test_a_period_that_goes_on_ends_today_and_one_to_come_is_its_first_day():
    assert (view(period="this-month").first, view(period="this-month").last) == (
        date(2026, 11, 1),
        date(2026, 11, 28),
    )
    ahead = view(**{"from": "2027-01-01", "to": "2027-02-01"})
    assert (ahead.first, ahead.last) == (date(2027, 1, 1), date(2027, 1, 1))


def test_a_language_that_there_is_not_is_no_part_of_any_link():
    assert view(lang="ja").address("Europe/Paris") == "/work?lang=ja"
    assert view(lang='"><b>').address("Europe/Paris") == "/work"


def test_another_filter_begins_at_the_first_page_again():
    seen = view(page="7", owner="ann").filtered("owner", "bob").filtered("team", "sales")
    assert (seen.page, seen.where) == (1, (("owner", "bob"), ("team", "sales")))
    assert seen.filtered("owner", "").where == (("team", "sales"),)
