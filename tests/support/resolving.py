"""What tests share of identity."""

from collections import deque

import orjson

from streams.audit import archive
from streams.domain import aliases, identity, row
from tests.support.aliases import AliasRows
from tests.support.stories import DEFINITION

KEY = b"a key of sixteen bytes or more"


class World:
    """Every alias' row, fed with events in order, each with its effects before the next one."""

    def __init__(self):
        self.rows, self.read, self.touches, self.leads_to, self.stamp, self.now = (
            AliasRows(),
            archive.Archive(),
            [],
            [],
            0,
            0,
        )

    def happens(self, *aliases, kind="touch", name="", at=None, **fields):
        self.stamp += 1
        event = {
            "id": name or f"e{self.stamp}",
            "type": kind,
            "occurred_at": self.stamp if at is None else at,
            "source": "segment",
            **fields,
        }
        self.takes({**event, "aliases": list(aliases)})

    def takes(self, event):
        first, *_ = aliases.ordered(tuple(event["aliases"]))
        queue = deque([(first, {"record": "event", "event": event, "received_at": 1})])
        while queue:
            alias, record = queue.popleft()
            done = identity.resolve(
                self.row(alias),
                orjson.loads(orjson.dumps(record)),
                self.stamp,
                self.now or self.stamp,
                KEY,
            )
            self.rows.put(alias, done.row)
            queue += done.links
            self.leads_to += [(alias, *one) for one in done.leads_to]
            for touch in done.touches:
                self.touches.append(touch)
                if touch.record["record"] == "edge":
                    self.read.edges.add(row.edge_of(touch.record["edge"]))
                else:
                    self.read.events[touch.lead].add(row.Event(*touch.record["event"]))

    def row(self, alias):
        return self.rows.get(alias)

    def id(self, alias):
        return aliases.origin_id(KEY, alias)

    def facts(self):
        return {
            lead: part.fold(lead, DEFINITION, self.stamp)
            for part in archive.components(self.read)
            for lead in part.leads()
        }

    def leads(self):
        """Return the aliases of each lead, as sets."""
        names = {self.id(alias): alias for alias in self.rows.heads}
        return {
            frozenset(names[origin] for origin in folded.state["origins"])
            for folded in self.facts().values()
            if folded.state
        }

    def released(self):
        return [touch.record["name"] for touch in self.touches if touch.record.get("held")]
