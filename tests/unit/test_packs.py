"""Old touches in little room: ten years of newsletters fit a row, fold fast, and lose nothing."""

import random

import orjson
import pytest
from msgspec.structs import replace

from schemas.events import RANK, Event, EventType, short
from schemas.reading import FUNNELS, load
from streams.domain import head, members, packs, row
from streams.domain.definition import prepare
from streams.domain.group import fold_group
from tests.support.shelf import Shelf

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
    shelf = Shelf()
    for each in events:
        shelf.put(head.advance(shelf.row("lead"), each, DEFINITION))
    return shelf.row("lead")


@pytest.fixture(scope="module")
def decade():
    return [event("first", T0, EventType.CREATED, kind="form"), *newsletters(400)]


@pytest.fixture(scope="module")
def kept(decade):
    return grown(decade)


@pytest.fixture(scope="module")
def old(kept):
    return head.whole(kept)


def said(folded):
    """Give what a fold comes to, without the state at its end."""
    return folded._replace(end=b"")


def folded(events, now):
    return fold_group("lead", frozenset(events), frozenset(), DEFINITION, now)


def test_a_row_of_four_hundred_newsletters_is_small_and_says_what_the_whole_history_says(
    decade, kept, old
):
    pages = [kept.page(b"e%d" % number) for number in range(kept.body.pages)]
    assert len(old.events) <= head.RECENT + 1
    assert len(head.dump(kept, None)) + sum(map(len, pages)) < 20_000
    assert said(row.state_of(old, DEFINITION)) == said(folded(decade, 0))


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
def test_nothing_is_too_late_for_packed_touches(decade, kept, late):
    shelf = Shelf()
    shelf.put(head.advance(kept, late, DEFINITION))
    here = replace(shelf.row("lead"), read=lambda name: shelf.page("lead", name) or kept.read(name))
    ticked = head.tick(here, T0 + 4000 * HOUR, DEFINITION).row
    now = row.state_of(head.whole(ticked), DEFINITION)
    assert said(now) == said(folded([*decade, late], T0 + 4000 * HOUR))


def test_a_packed_touch_delivered_again_changes_nothing(decade, kept):
    step = head.advance(kept, decade[5], DEFINITION)
    assert step.repeated
    assert step.row is kept


def test_a_touch_a_day_is_packed_as_well_as_many():
    daily = [event("first", T0, EventType.CREATED, kind="form")]
    daily += [
        event(f"d{n}", T0 + n * 24 * HOUR, kind="page_view", direction="inbound")
        for n in range(1, 400)
    ]
    current = head.whole(grown(daily))
    assert len(current.events) <= head.RECENT + 1
    assert said(row.state_of(current, DEFINITION)) == said(folded(daily, 0))


def test_unpacking_gives_back_what_was_packed(decade):
    ordered = [(one, True) for one in sorted(decade)]
    left, made = packs.packed(ordered, None, (-1, 0, 0, "", ""), frozenset(), ZONE)
    events, direct = packs.unpack(made)
    assert {event for event, _ in left} | events == frozenset(decade)
    assert direct == {(e.id, e.origin) for e in events}
    assert len(events) > len(left)


def test_erasing_an_origin_erases_its_packs_from_every_page(kept, decade):
    step = head.advance(kept, event("gone", T0 + 9 * HOUR, EventType.ERASE), DEFINITION)
    after = head.whole(step.row)
    assert after.packs == ()
    assert [each.type for each in after.events] == ["erase"]
    assert step.row.fresh.keys() == {b"e%d" % number for number in range(kept.body.pages)}
    assert not any(b"email_sent" in page for page in step.row.fresh.values())


def test_a_row_with_packs_is_read_as_it_was_written(kept, old):
    assert old.packs
    body = head.dump(kept, 7)
    assert head.whole(head.load(body, kept.read)) == old
    assert head.dump(head.load(body, kept.read), 7) == body
    assert head.due_of(body) == 7


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
    shelf = Shelf()
    shelf.put(head.connect(head.new("lead"), edge, DEFINITION))
    for each in events:
        copied = each.origin == "other"
        shelf.put(head.advance(shelf.row("lead"), each, DEFINITION, copied=copied))
    current = head.whole(shelf.row("lead"))
    assert not any(one.origin == "other" for one in current.events)
    whole = fold_group("lead", frozenset(events), frozenset({edge}), DEFINITION, current.watermark)
    assert said(row.state_of(current, DEFINITION)) == said(whole)
    assert whole.state["stage"] != "disqualified"
