"""A lead's row as it is kept: an event in order costs the same however long the history is."""

import random
import sys
from hashlib import blake2b
from itertools import pairwise

import orjson
import pytest

from schemas.events import RANK, Event, EventType, short
from schemas.facts import digest
from schemas.reading import FUNNELS, load
from streams.domain import end, head, row
from streams.domain.clocks import ClockState, Running
from streams.domain.definition import END_VERSION, prepare
from streams.domain.group import fold_group
from streams.domain.journey import Before, Deal, Handoff, Journey, Move, Sealed, State
from streams.domain.members import Edge, Origin
from streams.domain.packs import key_of, packed
from tests.support.examples import ADVANCE, FOLDER, example, written
from tests.support.shelf import Shelf
from tests.support.variants import variant

DEFINITION = prepare(load(FUNNELS / "default.yaml"))
T0, HOUR = 1_767_600_000_000, 3_600_000
DAY = 24 * HOUR
MQL, RECYCLED = "marketingqualifiedlead", "recycled"


def event(name, at, kind=EventType.TOUCH, /, **fields):
    body = orjson.dumps({"source": "hubspot", **fields}, option=orjson.OPT_SORT_KEYS).decode()
    return Event(at, RANK[kind], 0, short(name), "lead", kind.value, body)


def visits(count):
    yield event("first", T0, EventType.CREATED, kind="form")
    for number in range(1, count):
        yield event(f"v{number}", T0 + number * 5 * HOUR, kind="page_view", direction="inbound")


def bouncing(count):
    """A lead that is qualified and recycled for ever: a journey each time."""
    for number in range(count):
        stage = (MQL, RECYCLED)[number % 2]
        yield event(f"s{number}", T0 + number * HOUR, EventType.STAGE_REPORTED, stage=stage)


def echoes(count):
    """A lead whose CRM says all the time what is known: each time a note."""
    for number in range(count):
        yield event(f"s{number}", T0 + number * HOUR, EventType.STAGE_REPORTED, stage=MQL)


def calls_of(step):
    """Count the calls that a step makes: a measure of work that no machine's load changes."""
    count = 0

    def called(_frame, what, _arg):
        nonlocal count
        count += what in ("call", "c_call")

    sys.setprofile(called)
    try:
        made = step()
    finally:
        sys.setprofile(None)
    return made, count


@pytest.mark.parametrize(("history", "most"), [(visits, 3_000), (bouncing, 4_500), (echoes, 4_500)])
def test_the_thousandth_event_costs_what_the_tenth_does_in_work_and_in_bytes(history, most):
    shelf, work, bytes_ = Shelf(), [], []
    for each in history(1010):
        kept = shelf.row("lead")
        step, calls = calls_of(lambda each=each, kept=kept: head.advance(kept, each, DEFINITION))
        work.append(calls)
        bytes_.append(
            len(head.dump(step.row, step.next_due)) + sum(map(len, step.row.fresh.values()))
        )
        shelf.put(step)
    early, late = slice(10, 60), slice(960, 1010)
    assert sum(work[late]) < 1.5 * sum(work[early])
    assert sum(bytes_[late]) / 50 < most


def test_what_is_in_order_is_never_put_together(monkeypatch):
    shelf = Shelf()
    first, *others = visits(200)
    shelf.put(head.advance(shelf.row("lead"), first, DEFINITION))
    monkeypatch.setattr(head, "_Whole", None)
    for each in others:
        shelf.put(head.advance(shelf.row("lead"), each, DEFINITION))
        shelf.put(head.tick(shelf.row("lead"), each.at + HOUR, DEFINITION))
    assert shelf.row("lead").body.pages == 1


def test_a_late_event_among_many_pages_writes_none_of_them_again():
    shelf = Shelf()
    for each in bouncing(700):
        shelf.put(head.advance(shelf.row("lead"), each, DEFINITION))
    late = event("late", T0 + 30, EventType.ASSIGNED, owner="7")
    step = head.advance(shelf.row("lead"), late, DEFINITION)
    assert not any(name.startswith(b"e") for name in step.row.fresh)


def test_an_id_that_came_before_is_known_from_its_page():
    shelf, history = Shelf(), list(visits(300))
    for each in history:
        shelf.put(head.advance(shelf.row("lead"), each, DEFINITION))
    kept = shelf.row("lead")
    assert kept.knows(history[3].id)
    assert not kept.knows(short("never"))
    again = history[3]._replace(at=history[-1].at + HOUR)
    step = head.advance(kept, again, DEFINITION)
    whole = fold_group("lead", frozenset([*history, again]), frozenset(), DEFINITION, 0)
    assert row.state_of(head.whole(step.row), DEFINITION).facts == whole.facts


def test_an_end_of_other_definitions_counts_for_nothing():
    shelf = Shelf()
    for each in visits(5):
        shelf.put(head.advance(shelf.row("lead"), each, DEFINITION))
    other = prepare(variant(version="2", dimensions=("owner",)))
    step = head.tick(shelf.row("lead"), T0 + 30 * DAY, other)
    assert step.row.body.mark == other.mark != DEFINITION.mark
    whole = fold_group("lead", frozenset(visits(5)), frozenset(), other, T0 + 30 * DAY)
    assert {one.id for one in step.changes} >= {
        name
        for name, fact in whole.facts.items()
        if '"owner"' in fact.content or fact.id not in shelf.row("lead").body.emitted
    }


def test_a_row_of_an_earlier_release_goes_on_and_is_parted_by_its_next_step():
    body = written(example(FOLDER / ADVANCE / "lead.2.json")["value"])
    old = head.whole(head.load(body, lambda _name: None))
    step = head.tick(head.load(body, lambda _name: None), T0 + 90 * DAY, DEFINITION)
    assert head.dump(step.row, None)[0] == head.VERSION
    after = head.whole(step.row)
    assert (after.events, after.edges, after.direct) == (old.events, old.edges, old.direct)
    assert after.revision > old.revision
    assert bytes(step.row.body.end) == row.state_of(after, DEFINITION).end


def test_the_largest_old_row_is_parted_into_full_pages():
    history = frozenset(bouncing(1500))
    direct = frozenset((one.id, one.origin) for one in history)
    old = row.Row("lead", events=history, direct=direct)
    step = head.tick(head.of_row(old), T0, DEFINITION)
    sizes = [len(page) for name, page in step.row.fresh.items() if name.startswith(b"e")]
    assert len(sizes) == -(-1500 // head.PAGE)
    shelf = Shelf()
    shelf.put(step)
    assert head.whole(shelf.row("lead")).events == history


def test_a_row_that_another_speaks_for_forwards_an_event_in_order_without_being_put_together(
    monkeypatch,
):
    elder, lead = Origin(1, "", "elder", ""), Origin(2, "", "lead", "")
    shelf = Shelf()
    shelf.put(head.connect(head.new("lead"), Edge(T0, 0, "m", "merge", elder, lead), DEFINITION))
    monkeypatch.setattr(head, "_Whole", None)
    for number, each in enumerate(visits(60)):
        step = head.advance(shelf.row("lead"), each, DEFINITION)
        shelf.put(step)
        assert [(one.to, one.kind) for one in step.forwards] == [("elder", "event")], number
        assert step.changes == ()


def test_the_end_of_a_fold_is_the_same_bytes_however_often_it_is_written():
    rng = random.Random(3)
    history = [*visits(40), *echoes(9)]
    for _ in range(5):
        rng.shuffle(history)
        folded = fold_group("lead", frozenset(history), frozenset(), DEFINITION, 0, ends=True)
        assert end.dump(end.load(folded.end, DEFINITION), DEFINITION) == folded.end


def test_the_form_of_an_end_is_that_of_its_version():
    """Whoever changes a field raises END_VERSION and writes the digest that this test prints."""
    kept = (end.End, State, Sealed, Journey, Move, Handoff, Deal, Before, Running, ClockState)
    fields = [(one.__name__, sorted(one.__annotations__.items())) for one in kept]
    form = blake2b(repr(fields).encode(), digest_size=8).hexdigest()
    assert (END_VERSION, form) == (1, "27ab39d97bae3619")


def deal(name, at, kind, /, deal_id="d1", **fields):
    return event(name, at, kind, deal={"id": deal_id, **fields})


E = EventType
SAYS_SOMETHING_OF_THE_PAST = {
    "a deal that was won is open again": [
        deal("a", T0, E.OPPORTUNITY_CREATED),
        deal("b", T0 + DAY, E.OPPORTUNITY_WON),
        deal("c", T0 + 2 * DAY, E.OPPORTUNITY_STAGE_CHANGED, stage="qualified"),
    ],
    "two stages of one instant": [
        event("a", T0, E.CREATED, kind="form"),
        event("b", T0 + DAY, E.STAGE_REPORTED, stage="salesqualifiedlead"),
        event("c", T0 + DAY, E.STAGE_REPORTED, stage=MQL)._replace(sequence=1),
    ],
    "a void comes before what it voids": [
        event("a", T0, E.CREATED, kind="form"),
        event("b", T0 + HOUR, E.VOID, voids="c"),
        event("c", T0 + DAY, E.STAGE_REPORTED, stage=MQL),
    ],
    "a void takes back what came last": [
        event("a", T0, E.CREATED, kind="form"),
        event("b", T0 + DAY, E.STAGE_REPORTED, stage=MQL),
        event("c", T0 + 2 * DAY, E.VOID, voids="b"),
    ],
    "an id comes again with another content": [
        event("a", T0, E.CREATED, kind="form"),
        event("b", T0 + DAY, E.STAGE_REPORTED, stage=MQL),
        event("b", T0 + 2 * DAY, E.STAGE_REPORTED, stage="salesqualifiedlead"),
    ],
    "a deal of an earlier journey ends": [
        deal("a", T0, E.OPPORTUNITY_CREATED),
        deal("b", T0 + DAY, E.OPPORTUNITY_LOST),
        event("c", T0 + 200 * DAY, E.STAGE_REPORTED, stage=MQL),
        deal("d", T0 + 201 * DAY, E.OPPORTUNITY_STAGE_CHANGED, amount="7"),
    ],
    "a segment is learned in a later journey": [
        event("a", T0, E.STAGE_REPORTED, stage=MQL),
        event("b", T0 + DAY, E.REJECTED, reason="not-ready"),
        event("c", T0 + 90 * DAY, E.STAGE_REPORTED, stage=MQL),
        event("d", T0 + 91 * DAY, E.ASSIGNED, owner="7", segment="large"),
    ],
    "touches come while a timer's move may be taken back": [
        event("a", T0, E.STAGE_REPORTED, stage=MQL),
        event("b", T0 + 20 * DAY, kind="demo_form", direction="inbound"),
        event("c", T0 + 21 * DAY, E.ACCEPTED),
        event("d", T0 + 22 * DAY, kind="demo_form", direction="inbound"),
    ],
    "a record is deleted and another one speaks": [
        event("a", T0, E.CREATED, kind="form"),
        event("b", T0 + DAY, E.DELETED),
        event("c", T0 + 2 * DAY, E.RESTORED),
        event("d", T0 + 3 * DAY, E.STAGE_REPORTED, stage=MQL),
    ],
}


@pytest.mark.parametrize(
    "history", SAYS_SOMETHING_OF_THE_PAST.values(), ids=SAYS_SOMETHING_OF_THE_PAST
)
@pytest.mark.parametrize("ticks", [False, True], ids=["at once", "with time between"])
def test_an_event_in_order_that_says_something_of_the_past_has_the_facts_of_the_set(history, ticks):
    shelf, now = Shelf(), 0
    for each in history:
        if ticks:
            now = max(now, each.at - HOUR)
            if "lead" in shelf.heads:
                shelf.put(head.tick(shelf.row("lead"), now, DEFINITION))
        shelf.put(head.advance(shelf.row("lead"), each, DEFINITION))
    now = max(now, shelf.row("lead").watermark)
    whole = fold_group("lead", frozenset(history), frozenset(), DEFINITION, now)
    stated = head.whole(shelf.row("lead")).emitted
    assert {name: mark[0] for name, mark in stated.items()} == {
        fact.id: digest(fact) for fact in whole.facts.values()
    }


def test_a_flood_in_order_counts_sixty_a_minute():
    shelf, flooded = Shelf(), 0
    for number in range(100):
        each = event(f"f{number}", T0 + number * 100, kind="page_view")
        step = head.advance(shelf.row("lead"), each, DEFINITION)
        flooded += step.flooded
        shelf.put(step)
    assert flooded == 40
    whole = head.whole(shelf.row("lead"))
    assert len(whole.events) + sum(pack.size for pack in whole.packs) == 60


def test_no_pack_of_an_old_row_reaches_around_another():
    """Between its loose touches lay a pack of another identity."""
    loose = [event(f"v{n}", T0 + n * HOUR, kind="page_view") for n in (0, *range(20, 60))]
    others = [
        event(f"o{n}", T0 + n * HOUR, kind="page_view")._replace(origin="other")
        for n in range(5, 10)
    ]
    _, made = packed([(one, True) for one in others], None, (-1, 0, 0, "", ""), frozenset(), "UTC")
    direct = frozenset((one.id, one.origin) for one in loose)
    old = row.Row("lead", events=frozenset(loose), direct=direct, packs=tuple(made))
    parted = head.whole(head.tick(head.of_row(old), T0, DEFINITION).row)
    assert len(parted.packs) > 1
    for before, after in pairwise(parted.packs):
        assert before.last_key < key_of(after)
