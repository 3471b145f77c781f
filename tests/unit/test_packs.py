"""Old touches in little room: ten years of newsletters fit a row, fold fast, and lose nothing."""

import random

import orjson
import pytest

from schemas.events import RANK, Event, EventType, short
from schemas.reading import FUNNELS, load
from streams.domain import members, packs, row
from streams.domain.definition import prepare
from streams.domain.group import fold_group

DEFINITION = prepare(load(FUNNELS / "default.yaml"))
T0, HOUR = 1_767_600_000_000, 3_600_000
ZONE = "Europe/Paris"


def event(name, at, kind=EventType.TOUCH, /, **fields):
    body = orjson.dumps({"source": "segment", **fields}, option=orjson.OPT_SORT_KEYS).decode()
    return Event(at, RANK[kind], 0, short(name), "lead", kind.value, body)


def newsletters(count):
    rng = random.Random(1)
    at = T0
    for number in range(count):
        at += rng.choice([HOUR // 4, HOUR, 30 * HOUR])
        yield event(f"n{number}", at, kind="email_sent", direction="automated")


def grown(events):
    current = row.Row("lead")
    for each in events:
        current = row.load(row.dump(row.advance(current, each, DEFINITION).row, None))
    return current


@pytest.fixture(scope="module")
def decade():
    return [event("first", T0, EventType.CREATED, kind="form"), *newsletters(400)]


@pytest.fixture(scope="module")
def old(decade):
    return grown(decade)


def folded(events, now):
    return fold_group("lead", frozenset(events), frozenset(), DEFINITION, now)


def test_a_row_of_four_hundred_newsletters_is_small_and_says_what_the_whole_history_says(
    decade, old
):
    current = old
    assert len(current.events) <= packs.KEEP + packs.SLACK + sum(1 for _ in current.packs)
    assert len(row.dump(current, None)) < 50_000
    assert row.state_of(current, DEFINITION) == folded(decade, 0)


def test_packs_in_which_nothing_can_happen_are_folded_without_being_unpacked(old, monkeypatch):
    current = old
    unpacked, events = [], packs.Pack.events

    def watched(one):
        unpacked.append(one)
        return events(one)

    monkeypatch.setattr(packs.Pack, "events", watched)
    row.state_of(current, DEFINITION)
    assert len(current.packs) >= 3
    assert len(unpacked) <= 1  # the one within which the lead was moved to nurturing by its timer


@pytest.mark.parametrize(
    "late",
    [
        event(
            "late",
            T0 + 60 * HOUR,
            EventType.STAGE_REPORTED,
            source="hubspot",
            stage="marketingqualifiedlead",
        ),
        event("late", T0 + 60 * HOUR, EventType.VOID, voids="n3"),
        event("late", T0 + 60 * HOUR, kind="call", direction="human"),
        event("n7", T0 + 2 * HOUR, kind="demo_form"),
        event("late", T0 + 60 * HOUR, EventType.ACCEPTED),
    ],
    ids=["a move", "a void", "a touch", "another content of a packed id", "an acceptance"],
)
def test_nothing_is_too_late_for_packed_touches(decade, old, late):
    step = row.advance(old, late, DEFINITION)
    ticked = row.tick(step.row, T0 + 4000 * HOUR, DEFINITION).row
    assert row.state_of(ticked, DEFINITION) == folded([*decade, late], T0 + 4000 * HOUR)


def test_a_packed_touch_delivered_again_changes_nothing(decade, old):
    current = old
    step = row.advance(current, decade[5], DEFINITION)
    assert step.repeated
    assert step.row is current


def test_a_touch_a_day_is_packed_as_well_as_many():
    daily = [event("first", T0, EventType.CREATED, kind="form")]
    daily += [
        event(f"d{n}", T0 + n * 24 * HOUR, kind="page_view", direction="inbound")
        for n in range(1, 400)
    ]
    current = grown(daily)
    assert len(current.events) <= packs.KEEP + packs.SLACK + 1
    assert row.state_of(current, DEFINITION) == folded(daily, 0)


def test_unpacking_gives_back_what_was_packed(decade):
    kept, made = packs.pack(
        frozenset(decade), frozenset({(e.id, e.origin) for e in decade}), (), ZONE
    )
    events, direct = packs.unpack(made)
    assert kept | events == frozenset(decade)
    assert direct == {(e.id, e.origin) for e in events}
    for one in made:
        places = list(range(len(one.bodies)))
        assert packs.pack_of(orjson.loads(orjson.dumps(one.plain(places))), one.bodies) == one


def test_erasing_an_origin_erases_its_packs(old):
    step = row.advance(old, event("gone", T0 + 9 * HOUR, EventType.ERASE), DEFINITION)
    assert step.row.packs == ()
    assert [each.type for each in step.row.events] == ["erase"]


def test_a_row_with_packs_is_read_as_it_was_written(old):
    assert old.packs
    body = row.dump(old, 7)
    assert row.load(body) == old
    assert row.dump(row.load(body), 7) == body
    assert row.due_of(body) == 7


def test_a_row_of_the_first_form_is_read_with_its_packs(old):
    """It was one JSON document with the bodies as text in it."""
    first, _, rest = row.dump(old, 7).partition(b"\n")
    head, bodies = orjson.loads(first), rest.decode().split("\n")
    events = [[*one[:6], bodies[one[6]], one[7]] for one in head["events"]]
    held = [[*one[:4], [bodies[n] for n in one[4]], *one[5:]] for one in head["packs"]]
    first_form = {
        "lead": head["lead"], "told": head["watermark"], "revision": head["revision"], "due": 7,
        "origins": head["origins"], "events": events, "packs": held, "edges": head["edges"],
        "erased": head["erased"], "emitted": head["emitted"], "stated": head["stated"],
    }  # fmt: skip
    assert row.load(orjson.dumps(first_form)) == old
    assert row.due_of(orjson.dumps(first_form)) == 7


def test_a_record_that_is_known_by_packed_touches_alone_outlives_the_deletion_of_another():
    early = [
        event(f"o{n}", T0 + n * HOUR, source="hubspot", kind="email_open")._replace(origin="other")
        for n in range(20)
    ]
    later = [one._replace(at=one.at + 30 * HOUR) for one in newsletters(300)]
    deleted = event("gone", later[-1].at + HOUR, EventType.DELETED, source="hubspot")
    events = [*early, event("first", T0 + 25 * HOUR, EventType.CREATED), *later, deleted]
    edge = members.Edge(
        T0, 0, "e", "link", members.Origin(1, "", "lead", ""), members.Origin(2, "", "other", "")
    )
    current = row.connect(row.Row("lead"), edge, DEFINITION).row
    for each in events:
        current = row.advance(current, each, DEFINITION, copied=each.origin == "other").row
    assert not any(one.origin == "other" for one in current.events)
    whole = fold_group("lead", frozenset(events), frozenset({edge}), DEFINITION, current.watermark)
    assert row.state_of(current, DEFINITION) == whole
    assert whole.state["stage"] != "disqualified"
