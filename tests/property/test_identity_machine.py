"""resolve and advance together, crashing while merges are in flight: they state what one fold does.

Partitions are queues. A crash sends a record's outputs and forgets its row, so the record is read
again: later, or at once, and whatever else happened meanwhile.
"""

from collections import deque

import orjson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from schemas.events import Event, EventType, short
from streams.audit import archive
from streams.domain import head, identity, row
from streams.domain.aliases import ordered
from tests.support.aliases import AliasRows
from tests.support.shelf import Shelf
from tests.support.shuffling import DEFINITION, EXAMPLES, Sink

KEY = b"a key of sixteen bytes or more"
T0, HOUR = 1_760_000_000_000, 3_600_000
PARTITIONS = 2
ALIASES = [
    "hubspot:1:contact:1", "hubspot:1:contact:2", "hubspot:1:contact:3", "salesforce:x:lead:1",
    "email:a@x.example", "email:b@x.example", "email:info@x.example", "segment:user:1",
    "hubspot:1:deal:1", "segment:anon:1", "segment:anon:2", "gclid:1",
]  # fmt: skip
CONTACTS = [alias for alias in ALIASES if alias.startswith("hubspot:1:contact")]
DOINGS = [
    (EventType.TOUCH, {"kind": "page_view", "direction": "inbound"}),
    (EventType.TOUCH, {"kind": "call", "direction": "human"}),
    (EventType.CREATED, {"kind": "demo_form"}),
    (EventType.ACCEPTED, {}),
    (EventType.REJECTED, {"reason": "not-ready"}),
    (EventType.CONSENT, {"granted": False}),
    (EventType.LINKED, {}),
    (EventType.ERASE, {}),
]


class Pipeline(RuleBasedStateMachine):
    """Two hops, each with queues by partition, rows by key, and a sink of the highest revisions."""

    @initialize()
    def begin(self):
        self.events = [deque() for _ in range(PARTITIONS)]
        self.touches = [deque() for _ in range(PARTITIONS)]
        self.aliases, self.leads, self.due = AliasRows(), Shelf(), {}
        self.sink, self.read = Sink(), archive.Archive()
        self.count = self.stamp = self.watermark = 0

    # ---------------------------------------------------------------- what happens outside
    def publish(self, kind, aliases, hours, /, **fields):
        self.count += 1
        first, *_ = ordered(tuple(aliases))
        event = {
            "id": f"e{self.count}",
            "type": kind,
            "occurred_at": T0 + hours * HOUR,
            "source": "hubspot",
            "aliases": list(aliases),
            **fields,
        }
        self.send_event(first, {"record": "event", "event": event, "received_at": 1})
        return event

    @rule(
        doing=st.sampled_from(DOINGS),
        aliases=st.lists(st.sampled_from(ALIASES), min_size=1, max_size=3, unique=True),
        hours=st.integers(0, 2000),
    )
    def somebody_does_something(self, doing, aliases, hours):
        kind, fields = doing
        self.publish(kind.value, aliases, hours, **fields)

    @rule(
        word=st.sampled_from([EventType.MERGE, EventType.MERGE, EventType.UNMERGE]),
        records=st.lists(st.sampled_from(CONTACTS), min_size=2, max_size=3, unique=True),
        hours=st.integers(0, 2000),
    )
    def the_crm_says_a_word(self, word, records, hours):
        self.publish(word.value, records, hours)

    @rule(
        word=st.sampled_from([EventType.LINKED, EventType.LINKED, EventType.UNMERGE]),
        contact=st.sampled_from(CONTACTS),
        hours=st.integers(0, 2000),
    )
    def the_crm_puts_a_contact_on_a_deal_or_takes_it_off(self, word, contact, hours):
        self.publish(
            word.value, (contact, "hubspot:1:deal:1"), hours, deal={"id": "hubspot:1:deal:1"}
        )

    @rule(hours=st.integers(0, 3000))
    def time_comes(self, hours):
        self.watermark = max(self.watermark, T0 + hours * HOUR)
        self.fire()

    # ---------------------------------------------------------------- the two hops
    def send_event(self, alias, record):
        self.stamp += 1  # the broker's: a record that is read again has the stamp that it had
        self.events[hash_of(alias)].append((alias, orjson.dumps(record), self.stamp))

    @rule(partition=st.integers(0, PARTITIONS - 1), crash=st.booleans(), times=st.integers(1, 6))
    def resolve_reads(self, partition, crash, times):
        for number in range(times):
            if not self.events[partition]:
                return
            alias, body, stamp = self.events[partition][0]
            before = self.aliases.get(alias)
            done = identity.resolve(before, orjson.loads(body), stamp, stamp, KEY)
            for touch in done.touches:
                self.touches[hash_of(touch.lead)].append((touch.lead, orjson.dumps(touch.record)))
            for other, link in done.links:
                self.send_event(other, link)
            if crash and number == times - 1:
                return
            self.aliases.put(alias, done.row)
            self.events[partition].popleft()

    @rule(partition=st.integers(0, PARTITIONS - 1), crash=st.booleans(), times=st.integers(1, 6))
    def advance_reads(self, partition, crash, times):
        for number in range(times):
            if not self.touches[partition]:
                return
            lead, body = self.touches[partition][0]
            message = orjson.loads(body)
            before = self.leads.row(lead)
            if message["record"] == "edge":
                step = head.connect(before, row.edge_of(message["edge"]), DEFINITION)
                self.read.edges.add(row.edge_of(message["edge"]))
            else:
                event, copied = Event(*message["event"]), message.get("copy", False)
                step = head.advance(before, event, DEFINITION, copied=copied)
                (self.read.copies if copied else self.read.events)[lead].add(event)
            self.sink.take(lead, step)
            for forward in step.forwards:
                what = (
                    {"record": "event", "copy": True}
                    if forward.kind == "event"
                    else {"record": "edge"}
                )
                self.touches[hash_of(forward.to)].append(
                    (forward.to, orjson.dumps({**what, forward.kind: forward.value}))
                )
            if crash and number == times - 1:
                return
            self.keep(lead, step)
            self.touches[partition].popleft()

    def keep(self, lead, step):
        self.leads.put(step)
        if not step.repeated:
            self.due[lead] = step.next_due

    def fire(self):
        for lead in sorted(self.leads.heads):
            if self.due.get(lead) is not None and self.due[lead] < self.watermark:
                step = head.tick(self.leads.row(lead), self.watermark, DEFINITION)
                self.sink.take(lead, step)
                self.keep(lead, step)

    # ---------------------------------------------------------------- what must hold
    @invariant()
    def no_two_leads_speak_for_one_origin_when_all_is_read(self):
        if not hasattr(self, "events") or any(self.events) or any(self.touches):
            return
        spoken = [
            origin
            for content in self.sink.standing().values()
            for origin in orjson.loads(content)["origins"]
        ]
        assert len(spoken) == len(set(spoken))

    def teardown(self):
        if not hasattr(self, "events"):
            return
        while any(self.events) or any(self.touches):
            for partition in range(PARTITIONS):
                self.resolve_reads(partition=partition, crash=False, times=50)
                self.advance_reads(partition=partition, crash=False, times=50)
        self.fire()
        expected = {}
        for component in archive.components(self.read):
            for lead in component.leads():
                folded = component.fold(lead, DEFINITION, self.watermark)
                expected.update(
                    {(lead, fact.id, fact.at): fact.content for fact in folded.facts.values()}
                )
        assert self.sink.visible() == expected
        for (
            alias
        ) in CONTACTS:  # a CRM id is never lost in another's row: it keeps an origin of its own
            known = self.aliases.get(alias)
            assert known is None or known.origin is None or known.origin.house == ""
        self.each_event_is_somewhere()

    def each_event_is_somewhere(self):
        """No event is lost: it is in a lead's row, held under an alias, or was erased."""
        here = {event.id for events in self.read.events.values() for event in events}
        held = {
            record["event"]["id"]
            for known in map(self.aliases.get, self.aliases.heads)
            for _, record in known.held
        }
        expired = sum(known.expired for known in map(self.aliases.get, self.aliases.heads))
        missing = [
            n
            for n in range(1, self.count + 1)
            if short(f"e{n}") not in here and f"e{n}" not in held
        ]
        assert len(missing) <= expired


def hash_of(key):
    return sum(key.encode()) % PARTITIONS


TestPipeline = Pipeline.TestCase
TestPipeline.settings = settings(
    max_examples=max(20, EXAMPLES // 5),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
