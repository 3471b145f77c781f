"""What a record costs `resolve` and `advance`, without Kafka: CPU, bytes of the row, growth.

Generated leads of 1 to 9 events, all in the order of time, each row read and written as bytes. Then
one lead of many touches: what its next one costs after 10, 100 and 1,000 of them.
"""

import argparse
import random
import sys
import time
from collections import defaultdict
from datetime import datetime

import orjson

from schemas import topics
from schemas.events import RANK, Event, EventType, LeadEvent, short
from schemas.reading import FUNNELS, load
from schemas.wire import touches
from streams.agents.advance import Advance
from streams.agents.normalise import Ignored
from streams.agents.resolve import Resolve
from streams.engine.changelog import page_key
from tests.integration import histories
from tests.support import kafka

FUNNEL = load(FUNNELS / "default.yaml")
_TYPES = {
    "created": EventType.CREATED,
    "touches": EventType.TOUCH,
    "stages": EventType.STAGE_REPORTED,
    "accepted": EventType.ACCEPTED,
    "rejected": EventType.REJECTED,
    "won": EventType.OPPORTUNITY_WON,
}


def events(leads, seed=1):
    """Return the lead events of so many generated leads, in the order of time."""
    rng = random.Random(seed)
    found = [_event(*row) for number in range(leads) for row in histories.lead(number, rng)]
    return sorted(found, key=lambda one: one.occurred_at)


def _event(file, row):
    aliases = [f"email:{row['email']}"]
    aliases += [f"hubspot:1:contact:{row['record']}"] if row["record"] else []
    more = {name: row[name] for name in ("kind", "direction", "stage", "reason") if name in row}
    if row.get("utm"):
        more["marketing"] = {"utm_source": row["utm"]}
    if "deal" in row:
        more["deal"] = {"id": row["deal"], "amount": row["amount"]}
    at = int(datetime.fromisoformat(row["at"]).timestamp() * 1000)
    return LeadEvent(
        id=f"gen:{row['id']}",
        type=_TYPES[file],
        occurred_at=at,
        aliases=aliases,
        source="hubspot",
        **more,
    )


class Hop:
    """A worker's logic with a table, and its CPU."""

    def __init__(self, logic, topic):
        self.logic, self.topic, self.rows = logic, topic, {}
        self.offset, self.seconds, self.records, self.written = 0, 0.0, 0, 0

    def take(self, key, value, at):
        """Fold a record into its row as the engine does; return what is sent."""
        self.offset += 1
        record = kafka.record(value, self.topic, key, (), 0, self.offset, at)
        begun = time.process_time()
        name = self.logic.row_key(key)
        done = self.logic.record(
            record, self.rows.get(name), at, lambda page: self.rows.get(page_key(name, page))
        )
        self.seconds += time.process_time() - begun
        self.records += 1
        for page, body in done.pages.items():
            self.rows[page_key(name, page)] = body
            self.written += len(body)
        if done.row is not None:
            self.rows[name] = done.row
            self.written += len(done.row)
        return done.outs

    @property
    def shown(self):
        """Return microseconds and bytes written a record."""
        return f"{self.seconds / self.records * 1e6:7.0f} us {self.written / self.records:7.0f} B"


def hops(leads):
    """Let all events pass both hops; return them."""
    resolve = Hop(Resolve(b"k" * 32, lambda *_: None), topics.EVENTS)
    advance = Hop(Advance([FUNNEL], 1, lambda *_: None), topics.TOUCHES)
    advance.logic.init_shared(0)
    queues = defaultdict(list)
    for event in events(leads):
        queues[topics.EVENTS] = list(Ignored().events_out([event], event.occurred_at))
        while queues[topics.EVENTS] or queues[topics.TOUCHES]:
            for hop in (resolve, advance):
                waiting, queues[hop.topic] = queues[hop.topic], []
                for out in waiting:
                    for made in hop.take(out.key, out.value, event.occurred_at):
                        if made.topic in (topics.EVENTS, topics.TOUCHES):
                            queues[made.topic].append(made)
    return resolve, advance


def growth(most=1_000):
    """Return microseconds and bytes of one more touch of a lead, by how many came before."""
    hop, found, start = Hop(Advance([FUNNEL], 1, lambda *_: None), topics.TOUCHES), {}, 0
    hop.logic.init_shared(0)
    lead = "00000000-0000-8000-8000-000000000001"
    body = orjson.dumps(
        {"source": "segment", "kind": "page_view", "direction": "inbound"},
        option=orjson.OPT_SORT_KEYS,
    ).decode()
    for number in range(most + 50):
        at = 1_767_600_000_000 + number * 5 * 3_600_000
        kind = EventType.TOUCH if number else EventType.CREATED
        event = Event(at, RANK[kind], 0, short(f"v{number}"), lead, kind.value, body)
        value = touches.dump({"record": "event", "event": tuple(event), "received_at": at})
        if number in (10, 100, most):
            hop.seconds = hop.written = hop.records = 0
            start = number
        hop.take(lead.encode(), value, at)
        if start and number == start + 49:
            found[start] = (hop.seconds / 50 * 1e6, hop.written / 50)
    return found


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--leads", type=int, default=2_000)
    asked = options.parse_args()
    resolve, advance = hops(asked.leads)
    sys.stdout.write(f"generated leads: {asked.leads}, a record\n")
    sys.stdout.write(f"  resolve  {resolve.shown}   of {resolve.records}\n")
    sys.stdout.write(f"  advance  {advance.shown}   of {advance.records}\n")
    sys.stdout.write("one more touch of a lead, by how many came before\n")
    for before, (micro, size) in growth().items():
        sys.stdout.write(f"  {before:5}    {micro:7.0f} us {size:7.0f} B\n")


if __name__ == "__main__":
    main()
