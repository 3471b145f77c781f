"""How cells are read: numbers, times, and what is refused because it could mean two things."""

import pytest

from streams.sources.files import numbers, times

NINE = 1_793_696_400_000  # 3 November 2026, 09:00 UTC

NUMBERS = [
    # what stands there, decimal and thousands of the mapping, what it is
    ("1900", None, None, "1900"),
    ("1.234,56", None, None, "1234.56"),
    ("1,234.56", None, None, "1234.56"),
    ("99,00", None, None, "99.00"),
    ("1.234.567", None, None, "1234567"),
    ("0.125", None, None, "0.125"),
    ("1 234,5", None, None, "1234.5"),
    ("1\u202f234,5", None, None, "1234.5"),
    ("12'345.60", None, None, "12345.60"),
    ("1.900", ",", None, "1900"),
    ("1.900", ".", None, "1.900"),
    ("1,900", ".", None, "1900"),
    ("-5", None, None, "-5"),
    ("\u22125", None, None, "-5"),
    ("(1.200,00)", None, None, "-1200.00"),
    ("1.1234567", ".", None, "1.123457"),
    (".5", None, None, "0.5"),
    ("007", None, None, "7"),
    ("144.", None, None, "144"),
    ("144,", ",", None, "144"),
]
NO_NUMBERS = [
    ("1.900", None, None, "may be thousands or a fraction"),
    ("1,900", None, None, "may be thousands or a fraction"),
    ("1.9", ",", None, "is no number like 1.234,50"),
    ("99,00", ".", None, "is no number like 1,234.50"),
    ("1,900", ".", "", "is no number like 1234.50"),
    ("1.23.456", None, None, "is no number"),
    ("1,234.567,8", None, None, "is no number"),
    ("1,2E+06", None, None, "exponent"),
    ("12 €", None, None, "is no number: name what stands beside it in strip"),
    ("EUR 12", ",", None, "is no number like 1.234,50: name what stands beside it in strip"),
    ("n/a", None, None, "is no number"),
    ("", None, None, "is no number"),
    ("١٢", None, None, "is no number"),
]


@pytest.mark.parametrize(("text", "decimal", "thousands", "found"), NUMBERS)
def test_a_number_is_read_as_its_country_means_it(text, decimal, thousands, found):
    assert numbers.number(text, decimal, thousands) == found


@pytest.mark.parametrize(("text", "decimal", "thousands", "why"), NO_NUMBERS)
def test_what_could_be_two_numbers_or_is_none_is_refused(text, decimal, thousands, why):
    with pytest.raises(ValueError, match=why):
        numbers.number(text, decimal, thousands)


TIMES = [
    ("2026-11-03T09:00:00Z", "iso", "Europe/Paris", NINE),
    ("2026-11-03 10:00", "iso", "Europe/Paris", NINE),
    ("2026-11-03 9:00:00", "%Y-%m-%d %H:%M:%S", "UTC", NINE),
    ("2026-11-03T09:00:00+0000", "%Y-%m-%dT%H:%M:%S%z", None, NINE),
    ("2026-11-03T09:00:00.25Z", "%Y-%m-%dT%H:%M:%S%z", None, NINE + 250),
    ("2026-11-03T09:00:00Z", "%Y-%m-%dT%H:%M:%S.%f%z", None, NINE),
    ("2026-11-03T09:00:00.2500000+00:00", "%Y-%m-%dT%H:%M:%S.%f%z", None, NINE + 250),
    ("2026-11-03T09:00:00Z", "%Y-%m-%dT%H:%M:%SZ", "Europe/Paris", NINE),
    ("03.11.2026 09:00", "%d.%m.%Y %H:%M", "UTC", NINE),
    ("03.11.2026 09:00:00,250", "%d.%m.%Y %H:%M:%S", "UTC", NINE + 250),
    ("11/3/2026 9:00 AM", "%m/%d/%Y %I:%M %p", "UTC", NINE),
    ("1793696400", "epoch_s", None, NINE),
    ("1793696400000", "epoch_ms", None, NINE),
    ("1793696400000000", "epoch_us", None, NINE),
    ("1793696400000000", "%s", None, NINE),
    ("1793696400000000000", "%s", None, NINE),
    ("03.11.2026 09:00", "%d.%m.%Y %H:%M:%S", "UTC", NINE),
    ("03.11.2026 09:00:30", "%d.%m.%Y %H:%M", "UTC", NINE + 30_000),
    ("03.11.2026 09:00:30.5", "%d.%m.%Y %H:%M", "UTC", NINE + 30_500),
    ("46329.375", "serial", "UTC", NINE),
    ("46329,375", "serial", "UTC", NINE),
    ("46329.41666667", "serial", "Europe/Paris", NINE),
    *((text, "%s", "UTC", NINE) for text in ("1793696400", "1793696400000", "46329.375")),
]


@pytest.mark.parametrize(("text", "form", "zone", "at"), TIMES)
def test_a_time_is_read_whatever_wrote_it(text, form, zone, at):
    assert times.moment(text, (times.checked_format(form),), zone) == at


def test_of_several_formats_the_one_that_fits_holds_and_where_two_fit_nobody_guesses():
    both = ("%d/%m/%Y", "%m/%d/%Y")
    assert times.moment("31/12/2026", both, "UTC") == times.moment("12/31/2026", both, "UTC")
    with pytest.raises(ValueError, match="can be read as two times"):
        times.moment("03/11/2026", both, "UTC")
    assert times.moment("03/03/2026", both, "UTC") == times.moment("2026-03-03", ("iso",), "UTC")


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("123456", "%s"),
        ("20261103", "%s"),
        ("2026-13-45", "iso"),
        ("yesterday", "iso"),
        ("٤٦٣٢٩", "serial"),
        ("1e9", "epoch_s"),
    ],
)
def test_what_is_no_time_says_like_what_it_should_be(text, form):
    with pytest.raises(ValueError, match="is no time like"):
        times.moment(text, (times.checked_format(form),), "UTC")


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ("%d.%m.%Y %Z", "names of zones"),
        ("%Q", "means nothing"),
        ("%d.%m.", "leaves the day open"),
        ("%H:%M", "leaves the day open"),
        ("dd.mm.yyyy", "leaves the day open"),
        ("%Y-%m-%d %I:%M", "go together"),
        ("%Y-%m-%d %d", "stands twice"),
        ("%Y-%m-%d %", "means nothing"),
    ],
)
def test_a_format_that_can_read_no_time_is_refused_before_the_first_row(form, why):
    with pytest.raises(ValueError, match=why):
        times.checked_format(form)
