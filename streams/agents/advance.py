"""advance: each lead through the lifecycle. State: lead -> its history. Out: facts, state, alerts, and cuts of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from schemas import topics
from schemas.events import Event
from schemas.facts import FactKind
from streams.domain import row as rows
from streams.engine.commit import Out
from streams.engine.processor import Effects

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.domain.definition import Definition

NOTIFY_MS = 86_400_000  # what fell due longer ago is recorded, not notified: importing history wakes nobody
ROW_BYTES = 1_500_000  # what the changelog takes; about 50,000 packed touches (docs/adr/0006)
_LATE = ("breached", "escalated")


class Advance:
    """The engine's logic around the pure `row.advance`, `row.connect` and `row.tick`."""

    def __init__(self, definition: Definition, generation: int, count: Callable[[str, int], None]) -> None:
        """`generation` names the set of facts that this application writes."""
        self.definition, self.generation, self.count = definition, generation, count

    def record(self, record: Any, row: bytes | None, now: int) -> Effects:
        """Fold one event or edge into the lead of its key."""
        before = rows.load(row) if row else rows.Row(record.key.decode())
        said = orjson.loads(record.value)
        if said["t"] == "edge":
            step = rows.connect(before, rows.edge_of(said["edge"]), self.definition)
        else:
            event = Event(*said["event"])
            copied = said.get("copy", False)
            step = rows.advance(before, event, self.definition, copied=copied)
            self.count("events", not copied)
            self.count("duplicates", step.repeated and not copied)
        if step.repeated and step.row is before:
            return Effects()
        effects = self._effects(step, record, now)
        if effects.row is not None and len(effects.row) > ROW_BYTES:
            raise ValueError(f"the row of lead {step.row.lead} would be larger than {ROW_BYTES} bytes; merge bots' aliases out of it")
        return effects

    def due(self, _key: bytes, row: bytes, now: int, record: Any) -> Effects:
        """Tell a lead how far time has come."""
        return self._effects(rows.tick(rows.load(row), now, self.definition), record, now)

    def next_due(self, row: bytes) -> int | None:
        """Read when time alone changes a lead next."""
        return rows.due_of(row)

    def told(self, partition: int, next_offset: int, now: int) -> tuple[Out, ...]:
        """Cut: all facts below this offset of this partition were folded up to this time."""
        cut = {
            "k": "cut",
            "generation": self.generation,
            "partition": partition,
            "next_offset": next_offset,
            "now": now,
        }
        return (Out(topics.FACTS, None, orjson.dumps(cut), partition),)

    def _effects(self, step: rows.Step, record: Any, now: int) -> Effects:
        lead = step.row.lead
        common = {"lead": lead, "generation": self.generation, "partition": record.partition, "offset": record.offset}
        outs: list[Out] = []
        for change in step.changes:
            outs.append(Out(topics.FACTS, lead.encode(), orjson.dumps({"k": "fact", **common, **change._asdict()})))
            if change.kind == FactKind.CLOCK and change.content:
                outs += self._alert(lead, change.id, change.revision, orjson.loads(change.content), now)
        if step.state:
            body = orjson.dumps({"k": "state", **common, **step.state._asdict()})
            outs += [Out(topics.FACTS, lead.encode(), body), Out(topics.STATE, lead.encode(), body)]
        for forward in step.forwards:
            what = {"t": "event", "copy": True} if forward.kind == "event" else {"t": "edge"}
            value = {**what, forward.kind: forward.value, "received_at": record.timestamp}
            outs.append(Out(topics.TOUCHES, forward.to.encode(), orjson.dumps(value)))
        self.count("facts", len(step.changes))
        self.count("forwarded", len(step.forwards))
        return Effects(tuple(outs), rows.dump(step.row, step.next_due), step.next_due)

    @staticmethod
    def _alert(lead: str, name: str, revision: int, clock: dict[str, Any], now: int) -> list[Out]:
        due = clock["due_at"]
        if not now or now - due > NOTIFY_MS or clock["test"] or (clock["status"] not in _LATE and clock["status"] != "met"):
            return []
        what = "raised" if clock["status"] in _LATE and clock["stopped_at"] is None else "retracted"
        alert = {"id": name, "lead": lead, "revision": revision, "what": what, **clock}
        return [Out(topics.ALERTS, lead.encode(), orjson.dumps(alert))]
