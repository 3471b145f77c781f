"""An unreadable part becomes a letter whose replay its own adapter reads, alone and alike."""

import orjson
import pytest

from tests.support.bodies import (
    BODIES,
    outcome,
)


@pytest.mark.parametrize(("source", "good", "bad", "together"), BODIES.values(), ids=BODIES)
def test_a_letter_of_a_part_is_read_alone_and_says_the_same(source, good, bad, together):
    """Rows of Google's costs and Meta's insights were no body of theirs, so no replay was read."""
    first, others = outcome(source, orjson.dumps(together(good, {**good, **bad}, good)))
    ((letter, original),) = first
    assert others >= 2
    again, others = outcome(source, original.value)
    assert ([repeated.reason for repeated, _ in again], others) == ([letter.reason], 0)
    assert again[0][1].value == original.value
    mended = orjson.loads(original.value.replace(orjson.dumps({**good, **bad}), orjson.dumps(good)))
    assert outcome(source, orjson.dumps(mended))[0] == []


@pytest.mark.parametrize(("source", "good", "bad", "together"), BODIES.values(), ids=BODIES)
def test_a_body_that_is_one_bad_part_is_kept_as_it_came(source, good, bad, together):
    body = orjson.dumps(together({**good, **bad}), option=orjson.OPT_INDENT_2)
    ((_, original),), others = outcome(source, body)
    assert (original.value, others) == (body, 0)


def test_a_cloudevent_in_binary_mode_is_kept_as_it_came():
    """Its letter held the attributes twice, in headers and body: its replay was another event."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"1"),
        ("ce_source", b"shop"),
        ("ce_type", b"leadstream.touch"),
        ("ce_time", b"soon"),
    ]
    ((_, original),), _ = outcome("cloudevents", b'{"email": "a@b.example"}', headers)
    assert original.value == b'{"email": "a@b.example"}'
    assert [header for header in original.headers if header[0].startswith("ce_")] == headers
