"""Contracts in both directions of time.

Today's readers read what was written before and what comes later.
"""

import copy

import pytest

from schemas import topics
from schemas.deadletters import LetterKind
from schemas.wire import versions
from streams import metrics
from streams.domain import head
from streams.engine.changelog import Marker, fence
from streams.engine.logic import MustAct, PayloadRejected
from tests.support import examples
from tests.support.counters import value_of
from tests.support.examples import READERS, as_record, example, named, newest, paths

NEWEST = newest()
# What these keys hold has keys that are data: one more is no new key of the form. Of `marketing` a
# new one is text, as all of it is.
_DATA = {
    "attributes", "breakdown", "dimensions", "emitted", "funnel", "held",
    "marketing", "moved", "notes", "ticks",
}  # fmt: skip
_LATER = {"a_later_key": {"with": ["anything", 1, None]}}


def ids(path):
    return "/".join(map(str, named(path)))


def later(value):
    """Give a value as a later release may write it: each object has one key more."""
    if isinstance(value, list):
        return [later(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {key: one if key in _DATA else later(one) for key, one in value.items()} | _LATER


@pytest.mark.parametrize("path", paths(), ids=ids)
def test_every_version_of_a_record_is_read_as_the_newest(path):
    topic, name, _ = named(path)
    latest = next(one for one in reversed(NEWEST) if named(one)[:2] == (topic, name))
    read = READERS[topic](as_record(topic, example(path)))
    assert read is not None
    assert read == READERS[topic](as_record(topic, example(latest)))
    assert not refused(read)


def refused(read):
    return (isinstance(read, list) and read and isinstance(read[0], tuple)) or getattr(
        read, "rejected", ()
    )


FLAT = [path for path in NEWEST if isinstance(example(path)["value"], dict)]
# What a body says passes through the archive unread, so there a new key shows.
THROUGH = (topics.TOUCHES, topics.FACTS, topics.STATE, topics.ALERTS, topics.RAW_WEB)


@pytest.mark.parametrize("path", FLAT, ids=ids)
def test_todays_reader_ignores_the_keys_of_a_later_release(path):
    topic, body = named(path)[0], example(path)
    today = READERS[topic](as_record(topic, copy.deepcopy(body)))
    body["value"] = {**body["value"], **_LATER}
    read = READERS[topic](as_record(topic, body))
    if topic in (topics.STATE, topics.ALERTS) or "funnel" in body["value"]:
        assert read.pop("a_later_key") == _LATER["a_later_key"]
    assert read == today


@pytest.mark.parametrize("path", FLAT, ids=ids)
def test_nor_does_a_key_deep_within_stop_it(path):
    topic, body = named(path)[0], example(path)
    today = READERS[topic](as_record(topic, copy.deepcopy(body)))
    body["value"] = later(body["value"])
    read = READERS[topic](as_record(topic, body))
    assert not refused(read)
    if topic not in THROUGH:
        assert read == today


def test_a_header_of_a_later_release_is_read_too():
    for path in (one for one in NEWEST if named(one)[0] == topics.DEADLETTERS):
        body = example(path)
        today = READERS[topics.DEADLETTERS](as_record(topics.DEADLETTERS, copy.deepcopy(body)))
        body["headers"] = {name: later(value) for name, value in body["headers"].items()}
        assert READERS[topics.DEADLETTERS](as_record(topics.DEADLETTERS, body)) == today


@pytest.mark.parametrize("topic", versions.VERSIONS)
@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"record": "a later kind", "version": 1}, "has no record of kind 'a later kind'"),
        ({"record": ["x"]}, "has no record of kind"),
        ({"version": 99}, "version 99 of the record"),
        ({"version": None}, "version None of the record"),
        ({"version": 0}, "version 0 of the record"),
        ({"version": True}, "version True of the record"),
    ],
)
def test_an_unknown_kind_or_version_is_refused_and_says_whose_move_it_is(topic, changed, why):
    path = next(one for one in NEWEST if named(one)[0] == topic and named(one)[1] != "tick")
    body = example(path)
    body["value"] = {**body["value"], **changed}
    try:
        read = READERS[topic](as_record(topic, body))
    except (PayloadRejected, versions.UnknownRecord) as error:
        text = str(error)
    else:
        ((kind, text),) = read
        assert kind is LetterKind.REFUSED
    assert why in text
    assert "update this worker and replay the letter" in text


def test_an_event_of_a_type_that_is_not_known_yet_is_refused_with_whose_move_it_is():
    body = example(examples.FOLDER / topics.EVENTS / "event.2.json")
    body["value"]["event"]["type"] = "lead.a_later_type"
    with pytest.raises(PayloadRejected, match="update this worker and replay the letter"):
        READERS[topics.EVENTS](as_record(topics.EVENTS, body))


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b"1", b"null", b'"x"', b"\xff", b"1e999"])
@pytest.mark.parametrize("topic", versions.VERSIONS)
def test_what_is_no_object_is_refused(topic, junk):
    with pytest.raises(versions.UnknownRecord, match=f"only our workers write to {topic}"):
        versions.read(topic, junk)


def test_a_changelog_of_a_later_release_stops_the_worker():
    value = fence(0, 17) + b'{"record":"marker","version":4,"ticks":{}}'
    with pytest.raises(MustAct, match="a later release wrote this changelog"):
        Marker.load(value)


def test_a_row_of_a_later_release_is_never_misread():
    body = bytearray(head.dump(head.new("lead"), None))
    body[0] += 1
    with pytest.raises(ValueError, match="a later release wrote it"):
        head.load(bytes(body), lambda _name: None)


def test_each_kind_of_record_has_an_example_of_each_of_its_versions():
    there = {(topic, name.split("-")[0], version) for topic, name, version in map(named, paths())}
    wanted = {
        (topic, name, version)
        for topic, kinds in versions.VERSIONS.items()
        for name, newest in kinds.items()
        for version in range(1, newest + 1)
    }
    assert not wanted - there


def test_a_letter_of_a_later_version_is_counted_and_stops_nobody():
    counted = metrics.FOREIGN.labels(topics.DEADLETTERS)
    before = value_of(counted)
    body = example(examples.FOLDER / topics.DEADLETTERS / "letter.1.json")
    body["headers"]["leadstream-letter"]["version"] = 2
    read = READERS[topics.DEADLETTERS](as_record(topics.DEADLETTERS, body))
    assert read == (None, [{}])
    assert value_of(counted) == before + 1
