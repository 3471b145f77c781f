"""One lead's row: the set of what came, and what was stated of it.

The idea: a row is a set, and facts are a function of the set (history h1 to h4). `advance` adds an
event, `connect` adds an edge, `tick` raises the watermark; nothing else ever changes a row. Each of
them folds the set again and states the difference to what was stated before. So a late event, a
void, a merge and a repeat are one code path, and no state can disagree with the set.

A row is an identity's own, and an identity keeps its events for ever. When edges make several
identities one lead, one row speaks for them: the survivor (history h17 to h19). The others forward
copies of their events to it and state nothing. If an edge comes that parts them again, every row
still has its own events, so an unmerge is exact: the survivor stops counting the copies, and the
parted row states its own facts again.

Invariants:

- `events` holds what came first-hand and copies alike; `direct` names those that live here. Only
  what lives here is ever forwarded, or copies would travel in circles.
- An event is in `events` or in one of `packs`, never in both.
- Every row that an edge connects, however indirectly, comes to know every edge, because they decide
  together. A new edge goes to neighbours only, who pass it on.
- `revision` only rises, through tombstones, merges and erasures alike (history h13). Were it reset,
  a fact that comes back would lose to its own tombstone in ClickHouse.
- `emitted` is exactly what readers were sent: without it there is no difference to state. A fact
  whose time changed is taken back under the old time, since ClickHouse sorts by it (history h12).
- An event is folded up to the row's own watermark, not to the newest tick of the partition
  (history h9). Otherwise what a row states would depend on when it was read.
- Of an erased identity no content is kept, and none is taken later. Its ids and edges stay, so that
  the group does not fall apart.

Here is what a row means. How one is kept, so that an event in order costs one step, is head.py,
which the worker calls; it folds by these functions whatever is not in order. docs/architecture.md
has the way of a body through it; tests/property/test_any_order.py is the property that holds all of
this.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import orjson

from schemas.events import Event, EventType
from schemas.facts import Change, Fact, FactKind, digest

from . import clocks, members
from .group import SPREAD, fold_group, forwarding
from .history import FLOOD_CAP, bucket
from .journey import Folded
from .packs import Pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .definition import Definitions

# Digest, kind, journey, event time: what a tombstone needs; the level that a clock has notified.
Emitted = tuple[str, str, int, int, str]


@dataclass(frozen=True)
class Row:
    """The row as a value. `watermark` is ms; `revision` is never reset (history h13)."""

    lead: str
    watermark: int = 0
    revision: int = 0
    events: frozenset[Event] = frozenset()
    # (event id, origin) that live here; the others are copies
    direct: frozenset[tuple[str, str]] = frozenset()
    edges: frozenset[members.Edge] = frozenset()
    erased: frozenset[str] = frozenset()
    packs: tuple[Pack, ...] = ()  # old touches in little room, in order; never among `events` too
    emitted: dict[str, Emitted] = field(default_factory=dict)
    stated: str = ""  # digest of the lead's state as last sent

    def group(self) -> frozenset[str]:
        """Return the identities that are one lead with this one."""
        return members.groups(self.edges).of(self.lead)

    def survivor(self) -> str:
        """Return the identity whose row speaks for this one's group."""
        return members.survivor(self.group(), self.edges)


class Forward(NamedTuple):
    """A copy of an event, or an edge, for another row."""

    to: str
    kind: str
    value: tuple[Any, ...]


class State(NamedTuple):
    """A lead's absolute state; `content` is None once the row no longer speaks for a lead."""

    revision: int
    content: str | None


Kept = TypeVar("Kept")  # a row, as a set or as it is kept (head.py)


class Step(NamedTuple, Generic[Kept]):
    """The outcome of one record: the row after it, what to state and to forward, when it is due."""

    row: Kept
    changes: tuple[Change, ...] = ()
    state: State | None = None
    forwards: tuple[Forward, ...] = ()
    next_due: int | None = None
    repeated: bool = False  # it changed nothing
    # contents beyond the flood cap: this record's own, or one that it pushed out
    flooded: int = 0
    stands: dict[str, Any] | None = None  # the lead's row of state, whether or not it changed
    end: bytes = b""  # the state at the end (end.py); empty where none can be gone on from


def advance(row: Row, event: Event, definitions: Definitions, *, copied: bool = False) -> Step[Row]:
    """Take one event into the set. A repeat, or a content beyond the flood cap, changes nothing."""
    if event.origin in row.erased and event.type != EventType.ERASE:
        return Step(row, repeated=True)
    given = row
    row = _unpacked(row, [one for one in row.packs if one.touched_by(event)])
    if event in row.events and (copied or (event.id, event.origin) in row.direct):
        return Step(given, repeated=True)
    flooded = 0
    minute = [other for other in row.events if bucket(other) == bucket(event) and other != event]
    events = row.events | {event}
    if len(minute) >= FLOOD_CAP:
        last = max(*minute, event)
        events, flooded = events - {last}, 1
        if last == event:
            return Step(given, repeated=True, flooded=1)
    direct = row.direct if copied else row.direct | {(event.id, event.origin)}
    erased = row.erased
    if event.type == EventType.ERASE:
        erased |= {event.origin}
        kept = tuple(one for one in row.packs if one.origin != event.origin)
        row = replace(row, packs=kept)
        events = frozenset(
            e for e in events if e.origin != event.origin or e.type == EventType.ERASE
        )
    after = replace(row, events=events, direct=direct, erased=erased)
    forwards = () if copied else _forward(after, {event: _targets(after, event)})
    return _state_anew(after, definitions, forwards)._replace(flooded=flooded)


def connect(row: Row, edge: members.Edge, definitions: Definitions) -> Step[Row]:
    """Take one edge into the set; forward it to neighbours, and what now counts elsewhere."""
    known = [one for one in row.edges if one.id == edge.id]
    # the smallest of an id counts: a link was seen earlier than was known, or not
    if known and min(known) <= edge:
        return Step(row, repeated=True)
    # whose events count where may change, and each may have to go elsewhere
    row = _unpacked(row, row.packs)
    after = replace(row, edges=row.edges - set(known) | {edge})
    moved = {event: _targets(after, event) - _targets(row, event) for event in _at_home(after)}
    forwards = (*_flood(row, after, edge), *_forward(after, moved))
    return _state_anew(after, definitions, forwards)


def tick(row: Row, now: int, definitions: Definitions) -> Step[Row]:
    """Raise the row's watermark to `now` (ms); it never falls."""
    return _state_anew(replace(row, watermark=max(row.watermark, now)), definitions, ())


def _at_home(row: Row) -> list[Event]:
    return sorted(event for event in row.events if (event.id, event.origin) in row.direct)


def _targets(row: Row, event: Event) -> frozenset[str]:
    """Return the rows that an event counts in: that of its group's survivor.

    An opt-out counts in the groups of all that an edge connects.
    """
    groups = members.groups(row.edges)
    near = members.reach(event.origin, row.edges) if event.type in SPREAD else (event.origin,)
    return frozenset(members.survivor(groups.of(origin), row.edges) for origin in near)


def _forward(row: Row, targets: dict[Event, frozenset[str]]) -> tuple[Forward, ...]:
    return tuple(
        Forward(to, "event", tuple(event))
        for event in sorted(targets)
        for to in sorted(targets[event])
        if to != row.lead
    )


def _flood(before: Row, after: Row, edge: members.Edge) -> tuple[Forward, ...]:
    """Forward a new edge to the row's neighbours, and every edge to those that are new among them.

    They pass it on. If each row forwarded to all that it knows of, a chain of n merges would take
    n^3 records instead of n^2. A housed identity need not know where it lives until another edge
    may part it, or one of its events was forwarded to it because it came before the housing.
    """
    early = {origin for _, origin in before.direct} & edge.ends - {before.lead}
    if not early and all(known.housing for known in after.edges):
        return ()
    aware = (
        frozenset[str]()
        if all(known.housing for known in before.edges)
        else members.neighbours(before.lead, before.edges)
    )
    out = []
    for other in sorted(members.neighbours(after.lead, after.edges)):
        news = [edge] if other in aware else sorted(after.edges)
        out += [Forward(other, "edge", one.plain()) for one in news]
    return tuple(out)


def _state_anew(row: Row, definitions: Definitions, forwards: tuple[Forward, ...]) -> Step[Row]:
    return emit(row, state_of(row, definitions), forwards)


def _unpacked(row: Row, packs: Sequence[Pack]) -> Row:
    if not packs:
        return row
    events, direct = unpack(packs)
    kept = tuple(one for one in row.packs if one not in packs)
    return replace(row, events=row.events | events, direct=row.direct | direct, packs=kept)


def state_of(row: Row, definitions: Definitions) -> Folded:
    """Fold what the row speaks for; nothing while another row does."""
    if (survivor := row.survivor()) != row.lead:
        end = forwarding(survivor, row.group(), row.events, row.edges, definitions, row.packs)
        return Folded({}, {}, None, end)
    return fold_group(
        row.lead, row.events, row.edges, definitions, row.watermark, row.packs, ends=True
    )


def emit(row: Row, folded: Folded, forwards: tuple[Forward, ...]) -> Step[Row]:
    """Return the step that states what changed since what was stated last."""
    stated = changes_of(row.revision, row.emitted, row.stated, folded)
    after = replace(row, revision=stated.revision, emitted=stated.emitted, stated=stated.digest)
    return stated.step(after, folded, forwards)


class Stated(NamedTuple):
    """What is stated of a row, and what the row remembers of it."""

    changes: tuple[Change, ...]
    state: State | None
    revision: int
    emitted: dict[str, Emitted]
    digest: str  # of the lead's state

    def step(self, row: Kept, folded: Folded, forwards: tuple[Forward, ...]) -> Step[Kept]:
        """Return the step to a row that remembers it."""
        return Step(
            row,
            self.changes,
            self.state,
            forwards,
            folded.next_due,
            stands=folded.state,
            end=folded.end,
        )


def changes_of(
    before: int, stated: Mapping[str, Emitted], digest_before: str, folded: Folded
) -> Stated:
    """Return the changes since what was stated last, tombstones first, each with its own revision.

    See history h12 to h14.
    """
    revision, emitted = before, dict(stated)
    marks = {
        fact.id: (digest(fact), fact.kind, fact.journey, fact.at) for fact in folded.facts.values()
    }
    changes: list[Change] = []
    for name in sorted(emitted.keys() - folded.same):
        _, kind, journey, at, level = emitted[name]
        # Gone, or dated elsewhere: taken back under its old time.
        if name not in marks or marks[name][3] != at:
            revision += 1
            changes.append(Change(name, kind, journey, at, revision, None, level))
            del emitted[name]
    for fact in sorted(folded.facts.values(), key=_in_time):
        known = emitted.get(fact.id)
        if known is None or known[:4] != marks[fact.id]:
            revision += 1
            changes.append(
                Change(
                    fact.id,
                    fact.kind,
                    fact.journey,
                    fact.at,
                    revision,
                    fact.content,
                    known[4] if known else "",
                )
            )
            emitted[fact.id] = (*marks[fact.id], _level(fact))
    content = (
        orjson.dumps(folded.state, option=orjson.OPT_SORT_KEYS).decode() if folded.state else None
    )
    now = blake2b(content.encode(), digest_size=6).hexdigest() if content else ""
    state = None
    if now != digest_before:
        revision += 1
        state = State(revision, content)
    return Stated(tuple(changes), state, revision, emitted, now)


def _level(fact: Fact) -> str:
    """Return the level of a running clock of which somebody is notified; empty for all else."""
    return clocks.level(orjson.loads(fact.content), fact.at) if fact.kind == FactKind.CLOCK else ""


def _in_time(fact: Fact) -> tuple[int, str]:
    return fact.at, fact.id


def edge_of(value: Any) -> members.Edge:
    """Read an edge as it stands in JSON."""
    at, sequence, name, word, a, b = value
    return members.Edge(at, sequence, name, word, members.Origin(*a), members.Origin(*b))
