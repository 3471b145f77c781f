"""advance: take each lead through the lifecycle.

State: a row a lead, which is its history. Out: facts, states, alerts and cuts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from schemas import topics
from schemas.events import Event, EventType
from schemas.facts import Change, FactKind
from schemas.wire import facts, touches
from schemas.wire.versions import VERSIONS, UnknownRecord
from streams.agents.versions import Versions
from streams.domain import clocks, head
from streams.domain import row as rows
from streams.domain.head import Head
from streams.domain.members import Edge
from streams.engine.commit import Out
from streams.engine.logic import Effects, Logic, Pages, PayloadRejected, no_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from schemas.funnel import Funnel

# A level that was reached longer ago is recorded, not notified: importing history wakes nobody.
NOTIFY_MS = 86_400_000
_PARTS = {"event": (int, int, int, str, str, str, str), "edge": (int, int, str, str, list, list)}
_TYPES = frozenset(EventType)
# Ids, as the CRM has them; an address is a person's, and no id.
_WHOM = ("owner", "queue", "manager")


class Advance(Logic):
    """The engine's logic around the pure `head.advance`, `head.connect` and `head.tick`."""

    def __init__(
        self,
        folder: Sequence[Funnel],
        generation: int,
        count: Callable[[str, int], None],
        live_from: Mapping[int, int] | None = None,
    ) -> None:
        """Begin with the definitions in `folder` and write the facts of `generation`.

        Below `live_from` (offsets by partition) an adopted generation only catches up: the
        generation before it has forwarded and notified what lies there.
        """
        self.live_from = live_from or {}
        self.versions, self.generation, self.count = Versions(folder, generation), generation, count

    def init_shared(self, partition: int) -> Effects:
        """Begin with the folder's definitions."""
        return self.versions.init_shared(partition)

    def restore_shared(self, partition: int, row: bytes | None) -> None:
        """Take the definitions from the log."""
        self.versions.restore_shared(partition, row)

    def apply_shared(self, record: Any, row: bytes | None, _now: int) -> Effects:
        """Take a later version of the definition."""
        return self.versions.apply_shared(record, row)

    def record(self, record: Any, row: bytes | None, now: int, pages: Pages = no_pages) -> Effects:
        """Fold one event or edge into the lead of its key."""
        touch, definitions = _read(record, known=bool(row)), self.versions.of(record.partition)
        before = head.load(row, pages) if row else head.new(record.key.decode())
        if touch["record"] == "edge":
            step = head.connect(before, rows.edge_of(touch["edge"]), definitions)
        else:
            event = Event(*touch["event"])
            copied = touch.get("copy", False)
            step = head.advance(before, event, definitions, copied=copied)
            self.count("events", not copied)
            self.count("duplicates", step.repeated and not step.flooded and not copied)
            self.count("flooded", 0 if copied else step.flooded)
        if step.repeated and step.row is before:
            return Effects()
        return self._effects(step, record, now)

    def due(
        self, _key: bytes, row: bytes, now: int, record: Any, pages: Pages = no_pages
    ) -> Effects:
        """Fold a watermark into a lead's row."""
        definitions = self.versions.of(record.partition)
        return self._effects(head.tick(head.load(row, pages), now, definitions), record, now)

    def next_due(self, row: bytes) -> int | None:
        """Read when time alone changes a lead next."""
        return head.due_of(row)

    def on_watermark(self, partition: int, next_offset: int, now: int) -> tuple[Out, ...]:
        """Cut: all facts below this offset of this partition were folded up to this time."""
        cut = {
            "generation": self.generation,
            "partition": partition,
            "next_offset": next_offset,
            "now": now,
        }
        return (Out(topics.FACTS, None, facts.dump("cut", cut), partition),)

    def _effects(self, step: rows.Step[Head], record: Any, now: int) -> Effects:
        lead = step.row.lead
        common = {
            "lead": lead,
            "generation": self.generation,
            "partition": record.partition,
            "offset": record.offset,
        }
        outs: list[Out] = []
        live = record.offset >= self.live_from.get(record.partition, 0)
        for change in step.changes:
            body = facts.dump("fact", {**common, **change._asdict()})
            outs.append(Out(topics.FACTS, lead.encode(), body))
            if change.kind == FactKind.CLOCK and live:
                outs += self._alert(step, change, record.partition, now)
        if step.state:
            body = facts.dump("state", {**common, **step.state._asdict()})
            outs += [
                Out(topics.FACTS, lead.encode(), body),
                Out(topics.STATE, f"{self.generation}:{lead}".encode(), body),
            ]
        for forward in step.forwards if live else ():
            copied = {"copy": True} if forward.kind == "event" else {}
            touch = {
                "record": forward.kind,
                **copied,
                forward.kind: forward.value,
                "received_at": record.timestamp,
            }
            outs.append(Out(topics.TOUCHES, forward.to.encode(), touches.dump(touch)))
        self.count("facts", len(step.changes))
        self.count("forwarded", len(step.forwards))
        row = head.dump(step.row, step.next_due)
        return Effects(tuple(outs), row, step.next_due, pages=step.row.fresh)

    def _alert(self, step: rows.Step[Head], change: Change, partition: int, now: int) -> list[Out]:
        """Return the alert of a level that a clock has reached, or the retraction of one.

        A repeat of either is harmless.

        What a lead's sources say of it stays out of an alert (`dimensions`). An alert says by ids
        whom it concerns: the lead, the team that owns the stage, owner, queue and manager. Whoever
        notifies people looks up their names and addresses by these ids, and the record's address by
        the lead.
        """
        clock: dict[str, Any] = orjson.loads(change.content) if change.content else {}
        if not now or clock.get("test"):
            return []
        level = clocks.level(clock, change.at) if clock else ""
        if level and now - clocks.levels(clock, change.at)[level] > NOTIFY_MS:
            return []
        if not level and not change.notified:
            return []  # nobody was notified, so there is nothing to take back
        lead, stands = step.row.lead, step.stands or {}
        alert = {
            "record": "alert",
            "version": VERSIONS[topics.ALERTS]["alert"],
            "id": change.id,
            "lead": lead,
            "revision": change.revision,
            "generation": self.generation,
            "what": "retracted",
            "funnel_version": clock.pop("version", ""),
            **{name: value for name, value in clock.items() if name != "dimensions"},
        }
        if level:
            funnel = self.versions.of(partition).at(change.at).funnel
            alert |= {
                "what": "raised",
                "title": funnel.title(clock["stage"]),
                "team": funnel.stages[clock["stage"]].owner,
            }
        alert |= {
            name: value if "@" not in (value := stands.get(name, "")) else "" for name in _WHOM
        }
        return [Out(topics.ALERTS, lead.encode(), orjson.dumps(alert))]


def _read(record: Any, *, known: bool) -> dict[str, Any]:
    """Read a record of `lead.touches`; the key of a known row was judged before.

    Raises:
        PayloadRejected: it is none; whoever wrote it there must act.

    """
    try:
        touch, _ = touches.load(record.value), known or UUID(record.key.decode())
    except UnknownRecord as error:
        raise PayloadRejected(str(error)) from error
    except (ValueError, UnicodeDecodeError) as error:
        raise PayloadRejected(
            "its key is no lead: only our workers write to lead.touches"
        ) from error
    kind = touch["record"]
    if kind not in _PARTS:
        raise PayloadRejected(f"a record of kind {kind} is for a partition, not for a lead")
    value, parts = touch.get(kind), _PARTS[kind]
    if (
        not isinstance(value, list)
        or len(value) != len(parts)
        or not all(map(isinstance, value, parts))
        or (kind == "event" and value[5] not in _TYPES)
    ):
        names = ", ".join(Event._fields if kind == "event" else Edge._fields)
        raise PayloadRejected(f"a record of kind {kind} is not made of {names}")
    return touch
