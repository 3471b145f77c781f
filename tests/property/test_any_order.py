"""The property that holds the house up: facts depend on what happened, never on how it arrived."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import EventType
from schemas.facts import digest
from streams.domain import head, members, row
from streams.domain.definition import prepare
from streams.domain.group import fold_group
from tests.property.strategies import (
    HOUSES,
    ORIGINS,
    SHIPPED,
    edge_sets,
    event,
    event_sets,
    times,
)
from tests.support.funnels import funnels, handoffs_of, stages_of
from tests.support.shelf import Shelf
from tests.support.shuffling import DEFINITION, EXAMPLES, PROPERTY, WHOLE, Sink


def batch(events, edges, now, definitions):
    """Fold everything at once, the sorted set, group by group.

    Return the facts and where each lead stands.
    """
    groups = members.groups(frozenset(edges))
    facts, states = {}, {}
    for origin in ORIGINS:
        group = groups.of(origin)
        if members.survivor(group, edges) == origin:
            folded = fold_group(origin, frozenset(events), frozenset(edges), definitions, now)
            facts.update(
                {(origin, fact.id, fact.at): fact.content for fact in folded.facts.values()}
            )
            states |= {origin: folded.state} if folded.state else {}
    return facts, states


@st.composite
def definitions_and_words(draw):
    """Draw a funnel of any shape, or the shipped one's versions; with what a CRM says of it."""
    if draw(st.integers(0, 2)) == 0:
        return DEFINITION, SHIPPED, ()
    funnel = draw(funnels())
    return prepare(funnel), stages_of(funnel), handoffs_of(funnel)


@st.composite
def deliveries(draw):
    definitions, words, handoffs = draw(definitions_and_words())
    events = draw(event_sets(10, ORIGINS, words, handoffs))
    edges = draw(edge_sets())
    stated = {"source": "hubspot", "deal": {"id": "d9"}}
    events += [
        event(edge.at, EventType.LINKED, edge.event, stated, origin=edge.a.id)
        for edge in edges
        if edge.event
    ]
    inputs = [("event", HOUSES.get(e.origin, e.origin), e) for e in events]
    for edge in edges:
        ends = (
            {edge.a.home}
            if edge.id.startswith("house")
            else {end for o in (edge.a, edge.b) for end in (o.id, o.home)}
        )
        inputs += [("edge", end, edge) for end in sorted(ends)]  # as resolve sends them
    inputs += draw(st.lists(st.sampled_from(inputs), max_size=4))
    return (
        events,
        edges,
        draw(st.permutations(inputs)),
        draw(st.lists(times, max_size=5)),
        draw(st.randoms(use_true_random=False)),
        draw(st.sampled_from([24, 0, 1, 4])),  # how many events a head holds
        definitions,
    )


@settings(PROPERTY, max_examples=max(EXAMPLES, WHOLE))
@given(deliveries())
def test_any_order_any_ticks_any_redelivery_and_any_crash_give_the_facts_of_one_batch_fold(case):
    events, edges, inputs, ticks, random, recent, definitions = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(head, "RECENT", recent)
        patch.setattr(head, "SETTLED", recent)
        patch.setattr(head, "PAGE", 3 * recent + 1)
        patch.setattr(head, "FACTS", 2 * recent + 1)
        facts, states, reached = arrived(inputs, ticks, random, definitions)
    assert (facts, states) == batch(events, edges, reached, definitions)


def arrived(inputs, ticks, random, definitions):
    """Let inputs and time arrive in an order of `random`.

    Return the facts and states that a sink shows, and the time that was reached (ms).
    """
    shelf = Shelf()
    due = dict.fromkeys(ORIGINS)
    sink, queue, reached, later = Sink(), list(inputs), 0, list(ticks)

    def visit(name, step):
        sink.take(name, step)
        shelf.put(step)
        if step.repeated:
            return
        due[name] = step.next_due
        if not step.end:  # a step from the end; else the set was folded just now
            as_of_the_set(shelf.row(name), definitions)

    def tick_all(now):
        for name in ORIGINS:
            if due[name] is not None and due[name] < now:
                visit(name, head.tick(shelf.row(name), now, definitions))

    while queue:
        if later and random.random() < 0.2:
            reached = max(reached, later.pop())
            tick_all(reached)
        kind, to, value = queue.pop(
            random.randrange(min(len(queue), 6))
        )  # messages overtake each other
        if random.random() < 0.1:
            queue.append((kind, to, value))
        step = _take(shelf.row(to), kind, value, definitions)
        if (
            random.random() < 0.1
        ):  # a crash after the outputs were sent and before the row was written
            sink.take(to, step)
            step = _take(shelf.row(to), kind, value, definitions)
        visit(to, step)
        queue += [
            ("copy" if forward.kind == "event" else "edge", forward.to, _value(forward))
            for forward in step.forwards
        ]
    reached = max([reached, *ticks])
    tick_all(reached)
    return sink.visible(), sink.standing(), reached


def _value(forward):
    return row.Event(*forward.value) if forward.kind == "event" else row.edge_of(forward.value)


def _take(before, kind, value, definitions):
    if kind == "edge":
        return head.connect(before, value, definitions)
    return head.advance(before, value, definitions, copied=kind == "copy")


def as_of_the_set(kept, definitions):
    """Hold the state at the end, and what was stated, to a fold of the set."""
    whole = head.whole(kept)
    folded = row.state_of(whole, definitions)
    stated = {name: mark[0] for name, mark in whole.emitted.items()}
    assert stated == {fact.id: digest(fact) for fact in folded.facts.values()}
    assert bytes(kept.body.end) == (folded.end or head.NO_END)
