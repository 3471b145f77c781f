"""Numbers, days and spans by the customs of each language."""

from datetime import UTC, date, datetime

import pytest

from schemas.durations import Duration
from streams.live.wording import LANGUAGES, Words


@pytest.mark.parametrize(
    ("language", "number", "share"),
    [
        ("en", "1,234,567.5", "23.5%"),
        ("fr", "1\u202f234\u202f567,5", "23,5\u202f%"),
        ("it", "1.234.567,5", "23,5%"),
        ("ru", "1\u00a0234\u00a0567,5", "23,5\u00a0%"),
        ("ja", "1,234,567.5", "23.5%"),
    ],
)
def test_numbers_have_the_signs_of_their_language(language, number, share):
    words = Words(language)
    assert words.number(1_234_567.5, 1) == number
    assert words.percent(0.235) == share


def test_a_negative_number_has_a_minus_and_one_that_rounds_to_nothing_has_none():
    words = Words("en")
    assert words.number(-1234) == "\u22121,234"
    assert words.number(-0.2) == "0"


def test_days_have_their_month_in_words():
    shown = {language: Words(language).day(date(2026, 11, 28)) for language in LANGUAGES}
    assert shown == {
        "en": "28 Nov 2026",
        "fr": "28 nov. 2026",
        "it": "28 nov 2026",
        "ru": "28 нояб. 2026 \N{CYRILLIC SMALL LETTER GHE}.",
        "ja": "2026年11月28日",
    }


def test_a_moment_is_that_of_the_zone_that_the_page_names():
    at = datetime(2026, 6, 30, 22, 30, tzinfo=UTC)
    assert Words("en").moment(at, "Europe/Paris") == "1 Jul 2026 00:30"
    assert Words("en").moment(at, "America/New_York") == "30 Jun 2026 18:30"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (28 * 86_400, "28 days late"),
        (2 * 86_400, "2 days late"),
        (47 * 3_600, "47 hours late"),
        (7_199, "119 minutes late"),
        (60, "1 minute late"),
        (0, "0 minutes late"),
    ],
)
def test_how_late_is_in_words(seconds, shown):
    assert Words("en").late(seconds) == shown


def test_a_span_of_the_funnel_file_reads_in_each_language():
    span = Duration.read("3 business days")
    assert Words("en").duration(span) == "3 days of working time"
    assert Words("fr").duration(span) == "3 jours de temps ouvré"
    assert Words("ru").duration(Duration.read("2 weeks")) == "2 недели"
