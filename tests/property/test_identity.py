"""resolve, by itself: without conflicts, any order puts the same events together."""

from collections import defaultdict

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.domain import identity
from streams.domain.aliases import ordered, origin_id
from streams.domain.members import groups
from streams.domain.row import edge_of
from tests.support.aliases import AliasRows
from tests.support.shuffling import EXAMPLES

KEY = b"a key of sixteen bytes or more"
PEOPLE = [
    (
        "hubspot:1:contact:{n}",
        "email:{n}@x.example",
        "segment:user:{n}",
        "segment:anon:{n}",
        "gclid:{n}",
    ),
]


def aliases_of(person):
    return [pattern.format(n=person) for pattern in PEOPLE[0]]


@st.composite
def worlds(draw):
    events = []
    for number in range(draw(st.integers(1, 12))):
        person = draw(st.integers(1, 3))
        known = draw(
            st.lists(st.sampled_from(aliases_of(person)), min_size=1, max_size=3, unique=True)
        )
        events.append(
            (
                person,
                {
                    "id": f"e{number}",
                    "type": "touch",
                    "occurred_at": number,
                    "source": "segment",
                    "aliases": known,
                },
            )
        )
    # A weak alias of two leads that nothing joins goes to its first: so each person is joined.
    for person in {person for person, _ in events}:
        known = aliases_of(person)[:3]
        events.append(
            (
                person,
                {
                    "id": f"join{person}",
                    "type": "touch",
                    "occurred_at": 99,
                    "source": "segment",
                    "aliases": known,
                },
            )
        )
    return events, draw(st.randoms(use_true_random=False))


def play(events, random):
    rows, edges, placed = AliasRows(), set(), defaultdict(set)
    queue = [
        (
            ordered(tuple(event["aliases"]))[0],
            {"record": "event", "event": event, "received_at": 1},
        )
        for _, event in events
    ]
    random.shuffle(queue)
    stamp = 0
    while queue:
        stamp += 1
        alias, record = queue.pop(random.randrange(len(queue)))
        before = rows.get(alias)
        done = identity.resolve(before, record, stamp, stamp, KEY)
        rows.put(alias, done.row)
        queue += list(done.links)
        for touch in done.touches:
            if touch.record["record"] == "edge":
                edges.add(edge_of(touch.record["edge"]))
            else:
                placed[touch.record["name"]].add(touch.record["event"][4])
    return edges, placed, rows


def settled(events, random):
    """Play; give which events came together, and which are held."""
    edges, placed, rows = play(events, random)
    joined = groups(frozenset(edges))
    held = {record["event"]["id"] for row in map(rows.get, rows.heads) for _, record in row.held}
    together = defaultdict(set)
    for name, origins in placed.items():
        for origin in origins:
            together[joined.of(origin)].add(name)
    return {frozenset(names) for names in together.values()}, held


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_any_order_of_messages_puts_the_same_events_together(world):
    events, random = world
    first = settled(events, random)
    assert settled(events, random) == first
    people = {event["id"]: person for person, event in events}
    assert all(len({people[name] for name in names}) == 1 for names in first[0])


@settings(max_examples=EXAMPLES, deadline=None)
@given(worlds())
def test_no_event_is_lost_between_what_was_given_to_a_lead_and_what_is_held(world):
    events, random = world
    together, held = settled(events, random)
    assert set().union(*together, held) == {event["id"] for _, event in events}


NAMED = [
    "hubspot:1:contact:1",
    "hubspot:1:contact:2",
    "hubspot:1:deal:1",
    "email:a@x.example",
    "email:b@x.example",
    "segment:user:1",
]
WORDS = ["touch", "touch", "touch", "merge", "unmerge", "identity.linked"]


@st.composite
def talks(draw):
    """Draw who CRM and people say is who: links seen again, words between, deals put on and off."""
    events = []
    for number in range(draw(st.integers(2, 8))):
        aliases = draw(st.lists(st.sampled_from(NAMED), min_size=2, max_size=3, unique=True))
        at, kind = draw(st.integers(0, 12)), draw(st.sampled_from(WORDS))
        events.append(
            (
                "",
                {
                    "id": f"e{number}",
                    "type": kind,
                    "occurred_at": at,
                    "source": "hubspot",
                    "aliases": aliases,
                },
            )
        )
    return events, draw(st.randoms(use_true_random=False))


def decided(events, random):
    """Play; give who is one, what is in conflict and what a deal was influenced by."""
    edges, _, _ = play(events, random)
    found = groups(frozenset(edges))
    return (
        set(found.members.values()),
        {edge.ends for edge in found.conflicts},
        {edge.ends for edge in found.influenced},
    )


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(talks())
def test_any_order_of_messages_gives_the_same_leads_conflicts_and_influenced_deals(
    talk,
):
    events, random = talk
    assert decided(events, random) == decided(events, random)


def test_an_origins_id_gives_its_alias_away_to_nobody_without_the_key():
    assert origin_id(KEY, "email:a@x.example") != origin_id(
        b"another key, also long enough", "email:a@x.example"
    )
