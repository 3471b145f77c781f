"""resolve, by itself: without conflicts, any order puts the same events together."""

from collections import defaultdict

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.domain import identity
from streams.domain.members import groups
from streams.domain.row import edge_of
from tests.property.test_any_order import EXAMPLES

KEY = b"a key of sixteen bytes or more"
PEOPLE = [
    ("hubspot:1:contact:{n}", "email:{n}@x.example", "segment:user:{n}", "segment:anon:{n}", "gclid:{n}"),
]


def aliases_of(person):
    return [pattern.format(n=person) for pattern in PEOPLE[0]]


@st.composite
def worlds(draw):
    events = []
    for number in range(draw(st.integers(1, 12))):
        person = draw(st.integers(1, 3))
        known = draw(st.lists(st.sampled_from(aliases_of(person)), min_size=1, max_size=3, unique=True))
        events.append((person, {"id": f"e{number}", "type": "touch", "occurred_at": number, "source": "segment", "aliases": known}))
    # a weak alias of two leads that nothing joins goes to whoever links it first: a conflict, so each person is joined
    for person in {person for person, _ in events}:
        known = aliases_of(person)[:3]
        events.append((person, {"id": f"join{person}", "type": "touch", "occurred_at": 99, "source": "segment", "aliases": known}))
    return events, draw(st.randoms(use_true_random=False))


def play(events, random):
    rows, edges, placed = {}, set(), defaultdict(set)
    queue = [(identity.ordered(tuple(event["aliases"]))[0], {"t": "event", "event": event, "received_at": 1}) for _, event in events]
    random.shuffle(queue)
    stamp = 0
    while queue:
        stamp += 1
        alias, record = queue.pop(random.randrange(len(queue)))
        before = rows.get(alias) or identity.AliasRow(alias)
        done = identity.resolve(before, record, stamp, stamp, KEY)
        rows[alias] = identity.load(identity.dump(done.row))
        queue += list(done.links)
        for touch in done.touches:
            if touch.record["t"] == "edge":
                edges.add(edge_of(touch.record["edge"]))
            else:
                placed[touch.record["name"]].add(touch.record["event"][4])
    joined = groups(frozenset(edges))
    held = {record["event"]["id"] for row in rows.values() for _, record in row.held}
    together = defaultdict(set)
    for name, origins in placed.items():
        for origin in origins:
            together[joined.of(origin)].add(name)
    return {frozenset(names) for names in together.values()}, held


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_any_order_of_messages_puts_the_same_events_together(world):
    events, random = world
    first = play(events, random)
    assert play(events, random) == first
    people = {event["id"]: person for person, event in events}
    assert all(len({people[name] for name in names}) == 1 for names in first[0])


@settings(max_examples=EXAMPLES, deadline=None)
@given(worlds())
def test_no_event_is_lost_between_what_was_given_to_a_lead_and_what_is_held(world):
    events, random = world
    together, held = play(events, random)
    assert set().union(*together, held) == {event["id"] for _, event in events}


def test_an_origins_id_gives_its_alias_away_to_nobody_without_the_key():
    assert identity.origin_id(KEY, "email:a@x.example") != identity.origin_id(b"another key, also long enough", "email:a@x.example")
