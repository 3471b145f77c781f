"""Schema drift: each change of bodies is noticed once, by its path; and nobody's data is kept."""

import json
import logging
import pickle
import tracemalloc

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from prometheus_client import REGISTRY

from streams import app, health
from streams.agents import drift as edge
from streams.agents.drift import Drift
from streams.agents.normalise import normalise
from streams.settings import Settings
from streams.sources import drift
from streams.sources.adapter import Connection
from streams.sources.drift import LEARN, STEADY, WINDOW, Change, Seen, kind_of, notice
from streams.sources.registry import SOURCES
from tests.support.kafka import record

PAGE = {
    "type": "page",
    "anonymousId": "a",
    "context": {"locale": "de-DE", "library": {"name": "js"}},
    "tags": ["x"],
}


def look(seen, *bodies):
    """Look at bodies one after the other; return what is seen and every change."""
    found = []
    for body in bodies:
        seen, changes = notice(seen, body)
        found += changes
    return seen, found


def learnt(body=PAGE, times=LEARN):
    seen, changes = look(Seen(), *[body] * times)
    assert changes == []
    return seen


def without(body, name):
    return {key: value for key, value in body.items() if key != name}


def test_what_stays_as_it_was_is_no_change_however_long_it_lasts():
    assert look(learnt(), *[PAGE] * (3 * WINDOW))[1] == []


def test_a_new_field_is_noticed_once_with_its_path_and_kind():
    body = {**PAGE, "context": {**PAGE["context"], "consent": {"given": True}}}
    seen, changes = look(learnt(), body, body)
    assert changes == [
        Change("new", "page", "context.consent"),
        Change("new", "page", "context.consent.given"),
    ]
    assert look(seen, *[PAGE, body] * WINDOW)[1] == []


def test_before_a_kind_is_learnt_nothing_is_news_and_one_kind_is_not_news_to_another():
    seen, changes = look(learnt(), {"type": "identify", "traits": {"email": "jane@example.com"}})
    assert changes == []
    assert set(seen.kinds) == {"page", "identify"}


def test_a_field_that_vanished_is_noticed_once_a_window_has_none_and_its_return_is_news():
    seen, changes = look(learnt(), *[without(PAGE, "anonymousId")] * WINDOW)
    assert changes == [Change("vanished", "page", "anonymousId")]
    assert look(seen, *[without(PAGE, "anonymousId")] * WINDOW)[1] == []
    assert look(seen, PAGE)[1] == [Change("new", "page", "anonymousId")]


def test_it_is_noticed_too_where_the_change_falls_into_a_window():
    seen, _ = look(learnt(), *[PAGE] * (WINDOW // 2))
    seen, changes = look(seen, *[without(PAGE, "tags")] * (WINDOW // 2))
    assert changes == []
    assert look(seen, *[without(PAGE, "tags")] * WINDOW)[1] == [Change("vanished", "page", "tags")]


def test_of_an_object_that_vanished_only_the_object_is_named():
    changes = look(learnt(), *[without(PAGE, "context")] * WINDOW)[1]
    assert changes == [Change("vanished", "page", "context")]


def test_a_field_that_is_null_from_now_on_has_vanished():
    changes = look(learnt(), *[{**PAGE, "anonymousId": None}] * WINDOW)[1]
    assert changes == [Change("vanished", "page", "anonymousId")]


def test_a_field_that_some_bodies_never_had_does_not_vanish():
    often = [PAGE] * 9 + [without(PAGE, "tags")]
    seen, _ = look(Seen(), *often * (WINDOW // 10))
    assert look(seen, *[without(PAGE, "tags")] * (2 * WINDOW))[1] == []


def staged(value):
    return {"type": "track", "stage": value}


def test_a_new_value_of_a_field_of_few_is_noticed_once_and_never_repeated_anywhere():
    seen, changes = look(Seen(), *[staged(one) for one in ("open", "won", "lost")] * STEADY)
    assert changes == []
    seen, changes = look(seen, staged("frozen"), staged("frozen"))
    assert changes == [Change("value", "track", "stage")]
    assert b"frozen" not in pickle.dumps(seen)


def test_a_kind_of_body_that_never_came_is_a_new_value_of_what_tells_kinds_apart():
    seen, _ = look(Seen(), *[PAGE, staged("open")] * STEADY)
    seen, changes = look(
        seen, {"meta": {"entity": "deal", "action": "create"}}, {"type": "jane@example.com"}
    )
    assert changes == [Change("value", "deal/create", "meta.entity/meta.action")]


def test_a_field_of_many_values_or_of_a_persons_is_none_of_few():
    seen, _ = look(
        Seen(), *[staged(f"word {chr(97 + number % 26)}") for number in range(2 * STEADY)]
    )
    assert look(seen, staged("another"))[1] == []
    seen, _ = look(Seen(), *[staged("jane@example.com")] * (2 * STEADY))
    assert look(seen, staged("john@example.com"))[1] == []


@pytest.mark.parametrize(
    "key", ["jane@example.com", "4915112345678", "550e8400-e29b-41d4", "a" * 61, "", "ключ"]
)
def test_a_key_that_is_no_name_is_one_with_its_like_and_is_not_kept(key):
    seen = learnt({"type": "t", "by": {"x@y.example": 1}})
    seen, changes = look(seen, {"type": "t", "by": {key: 1}})
    assert changes == []
    assert "by.*" in seen.kinds["t"].paths
    assert not key or key.encode() not in pickle.dumps(seen)


def test_an_object_of_very_many_keys_is_a_map_and_its_keys_are_one():
    bodies = [
        {"type": "t", "by": {f"name{chr(97 + one % 26)}{chr(97 + one // 26)}": 1}}
        for one in range(300)
    ]
    seen, _ = look(Seen(), *bodies)
    assert "by" in seen.kinds["t"].maps
    assert len(seen.kinds["t"].paths) < 5
    assert (
        look(seen, *[{"type": "t", "by": {f"other{chr(97 + one)}": 1}} for one in range(26)])[1]
        == []
    )


def test_memory_is_bounded_whatever_comes():
    seen = Seen()
    for one in range(3_000):
        word = "".join(chr(97 + int(digit)) for digit in str(one))
        body = {
            "type": f"kind {word}",
            word: {word: {word: word}},
            "list": [{word: number} for number in range(50)],
        }
        seen, _ = notice(seen, body)
    assert len(seen.kinds) <= drift.MOST_KINDS + 1
    assert all(len(kind.paths) <= drift.MOST_PATHS for kind in seen.kinds.values())
    assert all(
        values is None or len(values.known) <= drift.FEW
        for kind in seen.kinds.values()
        for values in kind.values.values()
    )


def test_long_texts_and_long_names_are_not_kept_by_any_cache():
    def bodies():
        for one in range(100):
            text = f"{one:04d}" + "x" * 1_000_000
            yield {"type": text, text: {"a": text}, "list": [text]}

    tracemalloc.start()
    seen = Seen()
    for body in bodies():
        seen, _ = notice(seen, body)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 8_000_000  # the last body is 4 MB; all of them are 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.lists(JSON, max_size=8))
def test_any_bodies_are_looked_at_and_what_was_seen_before_stays_as_it_was(bodies):
    seen = learnt()
    before = pickle.dumps(seen)
    look(seen, *bodies)
    assert pickle.dumps(seen) == before
    deep = value = {}
    for _ in range(5_000):
        value["a"] = value = {}
    assert max(len(path) for path in notice(seen, deep)[0].kinds[""].paths) < 100


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("segment", "track"),
        ("hubspot", "contact.propertyChange"),
        ("salesforce", "Lead/CREATE"),
        ("calendly", "invitee.created"),
        ("pipedrive", "person/create"),
    ],
)
def test_kinds_are_what_vendors_tell_their_bodies_apart_by(source, kind):
    example = SOURCES[source].routes[0].example
    found = kind_of(example[0] if isinstance(example, list) else example)
    assert set(kind.split("/")) <= set(found.split("/"))


# ------------------------------------------------------------ the edge
@pytest.fixture
def watch(tmp_path):
    now, counted = [0.0], []
    made = Drift(lambda source, change: counted.append((source, change)), tmp_path, lambda: now[0])

    def show(body, source="segment", seconds=1.0):
        now[0] += seconds
        made.look(source, body)

    for _ in range(LEARN):
        show(PAGE)
    return show, counted


def test_a_change_is_counted_logged_by_path_and_line(watch, caplog, tmp_path):
    show, counted = watch
    with caplog.at_level(logging.WARNING):
        show({**PAGE, "campaign": "jane@example.com"})
    assert counted == [("segment", "new")]
    assert "the bodies of segment changed: a new field campaign (page)" in caplog.text
    assert "jane" not in caplog.text
    line = health.drift(Settings(home=tmp_path))
    assert line == "segment: a new field campaign (page). See docs/runbooks/schema-drift.md"
    assert (
        health.drift(Settings(home=tmp_path / "other"))
        == "no change noticed on this home within a week"
    )


def test_a_home_that_can_not_be_written_costs_only_doctors_line(watch, tmp_path, caplog):
    show, counted = watch
    (tmp_path / "drift.json.new").mkdir()
    show({**PAGE, "campaign": "x"})
    assert counted == [("segment", "new")]
    assert "campaign" in caplog.text


def test_each_source_is_looked_at_a_few_times_a_second(watch):
    show, counted = watch
    show(PAGE)
    show({**PAGE, "campaign": "x"}, seconds=0.01)
    assert counted == []
    show({**PAGE, "campaign": "x"}, seconds=1 / edge.LOOKS)
    assert counted == [("segment", "new")]


def test_normalise_shows_each_body_it_can_decode_and_no_other():
    seen = []
    headers = [("leadstream-source", b"hubspot")]
    for value in (b'[{"a": 1}]', b"no json", b'{"refused": true}'):
        try:
            normalise(
                record(value, headers=headers),
                Connection(),
                look=lambda source, body: seen.append((source, body)),
            )
        except Exception as error:  # what is refused was shown all the same
            assert "HubSpot" in str(error) or "no JSON" in str(error)
    assert seen == [("hubspot", [{"a": 1}]), ("hubspot", {"refused": True})]


def test_every_counter_begins_at_zero_so_that_a_first_change_is_a_rise(tmp_path):
    looks = app.drift_detector(Settings(home=tmp_path))
    for source in SOURCES:
        for change in drift.CHANGES:
            assert (
                REGISTRY.get_sample_value(
                    "leadstream_schema_drift_total", {"source": source, "change": change}
                )
                is not None
            )
    before = REGISTRY.get_sample_value(
        "leadstream_schema_drift_total", {"source": "meta", "change": "vanished"}
    )
    looks.count("meta", "vanished")
    assert (
        REGISTRY.get_sample_value(
            "leadstream_schema_drift_total", {"source": "meta", "change": "vanished"}
        )
        == before + 1
    )
    assert json.dumps(edge.read(tmp_path)) == "[]"
