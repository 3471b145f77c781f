"""Whatever a file says, an import does not raise, and each of its rows has one fate."""

import csv
import io
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.sources.files import lines, numbers, times
from tests.support.imports import run, spec

LETTERS = st.sampled_from(
    [*"\",;\t\n\r|'ab1.@-0 ", "\u00a0", "\u200b", "ü", "\0", "\ufeff", "2026-11-03", "a@x.example"]
)
TEXT = st.lists(LETTERS, max_size=60).map("".join)
HEAD = "Id,Email,Created,Note\n"
ROW = st.builds(
    "{},{}@x.example,2026-11-0{},{}\n".format,
    st.integers(0, 9),
    st.sampled_from("abc"),
    st.integers(1, 9),
    st.sampled_from(["", "x", '"a, b"', '"two\nlines"', '"open', 'in" ch', '"']),
)
CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def accounted(counts, made, refused):
    assert counts.read == counts.accepted + counts.refused
    assert len(refused) == counts.refused
    assert all(one.reason and one.line > 0 for one in refused)


@given(st.one_of(TEXT, st.lists(ROW, max_size=12).map("".join)), st.sampled_from(["file", "lead"]))
@settings(max_examples=150, deadline=None)
def test_no_text_raises_and_every_row_is_accepted_or_refused(text, order):
    with tempfile.TemporaryDirectory() as name:
        made, refused, counts = run(Path(name), spec(order=order), a_csv=HEAD + text)
    accounted(counts, made, refused)


@given(st.binary(max_size=200))
@settings(max_examples=80, deadline=None)
def test_nor_do_any_bytes_whatever_encoding_they_are_taken_for(data):
    with tempfile.TemporaryDirectory() as name:
        made, refused, counts = run(
            Path(name), spec(encoding="utf-8", delimiter=","), a_csv=HEAD.encode() + data
        )
        accounted(counts, made, refused)
        made, refused, counts = run(
            Path(name),
            spec(file="a.jsonl", optional=["Id", "Email", "Created"]),
            a_jsonl=b'{"Id": "1"}\n' + data,
        )
        accounted(counts, made, refused)


@given(
    st.lists(st.lists(CELL, min_size=4, max_size=4), max_size=8),
    st.sampled_from(",;\t|"),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_what_the_csv_module_writes_is_read_as_it_was_written(rows, delimiter, quoted):
    text = io.StringIO()
    csv.writer(
        text, delimiter=delimiter, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    ).writerows(rows)
    given_lines = (
        lines.Line(number, line)
        for number, line in enumerate(io.StringIO(text.getvalue(), newline=""), 1)
    )
    found = list(lines.rows_of(given_lines, delimiter, '"'))
    assert [one.cells for one in found] == rows


@given(
    st.lists(
        st.sampled_from(
            [
                "1,a,b\n",
                '2,"x,y",b\n',
                '3,"two\nlines",b\n',
                '4,"open,b\n',
                '5,in"ch,b\n',
                '6,"24" wide",b\n',
            ]
        ),
        max_size=20,
    )
)
@settings(max_examples=300, deadline=None)
def test_a_quote_that_does_not_close_costs_no_line_but_its_own(written):
    text = "".join(written)
    physical = (
        lines.Line(number, line) for number, line in enumerate(io.StringIO(text, newline=""), 1)
    )
    found = list(lines.rows_of(physical, ",", '"', 3))
    good = [one.cells[0] for one in found if not one.problem and len(one.cells) == 3]
    assert [one for one in good if one in "15"] == [row[0] for row in written if row[0] in "15"]
    assert len({one.line for one in found}) == len(found)


@given(
    st.integers(-(10**11), 10**11),
    st.integers(0, 99),
    st.sampled_from([(".", ","), (",", "."), (",", " "), (".", "'"), (",", "\u00a0")]),
)
def test_a_number_is_read_back_however_a_country_writes_it(whole, part, marks):
    decimal, thousands = marks
    text = f"{whole:,}".replace(",", "\1") + f"{decimal}{part:02}"
    assert numbers.number(text.replace("\1", thousands), decimal) == (
        f"{whole}.{part:02}" if whole or part else "0.00"
    )


@given(st.text(max_size=20))
def test_no_text_is_a_number_by_accident(text):
    for decimal in (None, ".", ","):
        try:
            found = numbers.number(text, decimal)
        except ValueError as error:
            assert str(error)
        else:
            assert found.strip("-").replace(".", "", 1).isdigit()


@given(
    st.integers(0, 4_102_444_799_999),
    st.sampled_from(["%Y-%m-%d %H:%M:%S.%f%z", "%d.%m.%Y %H:%M:%S.%f %z", "iso"]),
)
def test_an_instant_is_read_back(at, form):
    from datetime import timedelta

    moment = times.EPOCH + timedelta(milliseconds=at)
    text = moment.isoformat() if form == "iso" else moment.strftime(form)
    assert times.moment(text, (form,), None) == at


@given(st.text(max_size=30))
def test_no_text_makes_a_time_raise_anything_but_why(text):
    for form in ("iso", "number", "serial", "%d.%m.%Y %H:%M", "%Y-%m-%dT%H:%M:%S%z"):
        try:
            times.moment(text, (form,), "Europe/Paris")
        except ValueError as error:
            assert "time" in str(error)
