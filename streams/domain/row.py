"""One lead's row: the set of what came, and what it said of it. `advance` and `tick` are all that ever changes one.

A row is an origin's own. It keeps its events for ever, forwards copies to the survivor of its group, and states facts
only while it is the survivor itself (6-history, rules 17 to 19). On the wire it is one orjson document.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from schemas.events import Event, EventType, parse, short
from schemas.facts import Change, Fact, FactKind, digest, make

from . import clocks, members, opt_outs
from .fold import fold
from .history import FLOOD_CAP, bucket, canonical, capped
from .journey import Folded
from .packs import Pack, key_of, pack, pack_of, unpack
from .standing import deleted_deals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .definition import Definitions

# What may forbid contact, and what takes that back: a merge carries it to the whole, an unmerge leaves it on both halves.
_SPREAD = (EventType.CONSENT, EventType.ERASE, EventType.VOID)

Emitted = tuple[
    str, str, int, int, str
]  # digest, kind, journey, event time: what a tombstone needs; a clock's level that was told


@dataclass(frozen=True)
class Row:
    """The row as a value. `told` is how far it was told that time has come; `revision` is never reset (rule 13)."""

    lead: str
    watermark: int = 0
    revision: int = 0
    events: frozenset[Event] = frozenset()
    direct: frozenset[tuple[str, str]] = (
        frozenset()
    )  # (event id, origin) that live here; the others are copies
    edges: frozenset[members.Edge] = frozenset()
    erased: frozenset[str] = frozenset()
    packs: tuple[Pack, ...] = ()  # old touches in little room, in order; never among `events` too
    emitted: dict[str, Emitted] = field(default_factory=dict)
    stated: str = ""  # digest of the lead's state as last sent

    def group(self) -> frozenset[str]:
        """Name the origins that are one lead with this one."""
        return members.groups(self.edges).of(self.lead)

    def survivor(self) -> str:
        """Name the row that speaks for this one's group."""
        return members.survivor(self.group(), self.edges)


class Forward(NamedTuple):
    """A copy of an event, or an edge, for another row."""

    to: str
    kind: str
    value: tuple[Any, ...]


class State(NamedTuple):
    """A lead's absolute state under a revision; `content` is None when the row no longer speaks for a lead."""

    revision: int
    content: str | None


class Step(NamedTuple):
    """What one record did: the row after it, what to state, what to forward, when time alone changes it next."""

    row: Row
    changes: tuple[Change, ...] = ()
    state: State | None = None
    forwards: tuple[Forward, ...] = ()
    next_due: int | None = None
    repeated: bool = False  # it changed nothing
    flooded: int = 0  # contents beyond the flood cap that this record brought: its own, or one that came before
    stands: dict[str, Any] | None = None  # the lead's row of state, whether or not it changed


def advance(row: Row, event: Event, definitions: Definitions, *, copied: bool = False) -> Step:
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


def connect(row: Row, edge: members.Edge, definitions: Definitions) -> Step:
    """Take one edge into the set; tell everybody whom it connects, and forward what now counts elsewhere."""
    known = [one for one in row.edges if one.id == edge.id]
    if (
        known and min(known) <= edge
    ):  # the smallest of an id counts: a link was seen earlier than was known, or not
        return Step(row, repeated=True)
    row = _unpacked(
        row, row.packs
    )  # whose events count where may change, and each may have to go elsewhere
    after = replace(row, edges=row.edges - set(known) | {edge})
    moved = {event: _targets(after, event) - _targets(row, event) for event in _at_home(after)}
    forwards = (*_flood(row, after, edge), *_forward(after, moved))
    return _state_anew(after, definitions, forwards)


def tick(row: Row, now: int, definitions: Definitions) -> Step:
    """Tell the row how far time has come (ms). Time never falls."""
    return _state_anew(replace(row, watermark=max(row.watermark, now)), definitions, ())


def _at_home(row: Row) -> list[Event]:
    return sorted(event for event in row.events if (event.id, event.origin) in row.direct)


def _targets(row: Row, event: Event) -> frozenset[str]:
    """Name the rows that an event counts in: its survivor's. What forbids contact goes to all that an edge connects."""
    groups = members.groups(row.edges)
    near = members.reach(event.origin, row.edges) if event.type in _SPREAD else (event.origin,)
    return frozenset(members.survivor(groups.of(origin), row.edges) for origin in near)


def _forward(row: Row, targets: dict[Event, frozenset[str]]) -> tuple[Forward, ...]:
    return tuple(
        Forward(to, "event", tuple(event))
        for event in sorted(targets)
        for to in sorted(targets[event])
        if to != row.lead
    )


def _flood(before: Row, after: Row, edge: members.Edge) -> tuple[Forward, ...]:
    """Send a new edge to the row's neighbours, every edge to whoever is new among them; they pass it on.

    Neighbours only: were each row to send to all that it knows of, a chain of n merges would take n^3 records in place of n^2.
    A housed origin need not know where it lives until another edge may part it, or until one of its events was
    forwarded to it because that event came before its housing.
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


def _state_anew(row: Row, definitions: Definitions, forwards: tuple[Forward, ...]) -> Step:
    folded = state_of(row, definitions)
    return _emit(_packed(row, definitions), folded, forwards)


def _unpacked(row: Row, packs: Sequence[Pack]) -> Row:
    if not packs:
        return row
    events, direct = unpack(packs)
    kept = tuple(one for one in row.packs if one not in packs)
    return replace(row, events=row.events | events, direct=row.direct | direct, packs=kept)


def _packed(row: Row, definitions: Definitions) -> Row:
    events, made = pack(row.events, row.direct, row.packs, definitions.first.funnel.reporting.zone)
    if not made:
        return row
    names = {(event.id, event.origin) for event in row.events - events}
    return replace(
        row,
        events=events,
        direct=row.direct - names,
        packs=tuple(sorted((*row.packs, *made), key=key_of)),
    )


def state_of(row: Row, definitions: Definitions) -> Folded:
    """Fold what the row speaks for; nothing while another row does."""
    if row.survivor() != row.lead:
        return Folded({}, {}, None)
    return fold_group(row.lead, row.events, row.edges, definitions, row.watermark, row.packs)


def fold_group(
    lead: str,
    events: frozenset[Event],
    edges: frozenset[members.Edge],
    definitions: Definitions,
    now: int,
    packs: tuple[Pack, ...] = (),
) -> Folded:
    """Fold as one lead what counts of `events` for the group that `lead` speaks for, and state its members' conflicts.

    `events` and `edges` may say more than the group: all that an edge connects.
    """
    groups = members.groups(edges)
    group = groups.of(lead)
    erased = {event.origin for event in events if event.type == EventType.ERASE}
    parted = _carried(group, events, edges, erased)
    own = capped(
        e
        for e in events
        if e.origin in group and (e.type == EventType.ERASE or e.origin not in erased)
    )
    old = [one for one in packs if one.origin in group and one.origin not in erased]

    def lifts(consent: Event, refusal: Event) -> bool:
        since = parted.get(refusal)
        return (since is not None and since <= consent.at) or opt_outs.were_one(
            consent.origin, refusal.origin, consent.at, edges
        )

    folded = fold(lead, canonical([*own, *parted]), definitions, now, old, frozenset(parted), lifts)
    mine = [edge for edge in groups.conflicts if edge.ends & group]
    facts = dict(folded.facts)
    for edge in mine:  # on both halves: whoever looks at either must see it
        fact = make(lead, FactKind.CONFLICT, 0, edge.at, "link", edge.id, a=edge.a.id, b=edge.b.id)
        facts[fact.id] = fact
    if groups.influenced:
        facts.update({fact.id: fact for fact in _influenced(lead, group, groups, own)})
    counted = len({event.id for event in own}) + sum(
        one.size for one in old
    )  # one that names no time differs at each receipt
    state = (
        {**folded.state, "origins": sorted(group), "conflicts": len(mine), "events": counted}
        if folded.state
        else {}
    )
    return Folded(facts, state, folded.next_due)


def _influenced(
    lead: str, group: frozenset[str], groups: members.Groups, events: list[Event]
) -> Iterator[Fact]:
    """State the deals that a group's contacts stand on beside the contact whose deal it is (1-product).

    What the CRM says of the deal itself goes to that one's lead: here it has a name, and no amount and no end.
    """
    links, gone = (
        {event.id: event for event in events if event.type == EventType.LINKED},
        deleted_deals(events),
    )
    for edge in groups.influenced:
        event = links.get(short(edge.event)) if edge.ends & group else None
        deal = parse(event.body).get("deal") if event else None
        if event and deal and deal["id"] not in gone:
            yield make(
                lead,
                FactKind.DEAL,
                0,
                event.at,
                "influenced",
                deal["id"],
                deal=deal["id"],
                role="influenced",
                status="open",
            )


def _carried(
    group: frozenset[str],
    events: frozenset[Event],
    edges: frozenset[members.Edge],
    erased: set[str],
) -> dict[Event, int]:
    """Give what forbade contact to others before a group was parted from them, as their own voids leave it, and when that was (ms).

    Only what forbids: a consent that somebody else gave is nobody's of this group.
    """
    if not any(edge.type == members.UNMERGE for edge in edges):
        return {}
    groups, found = members.groups(edges), []
    spread = [e for e in events if e.type in _SPREAD and e.origin not in group]
    for other in {groups.of(event.origin) for event in spread}:
        own = canonical(
            e
            for e in spread
            if e.origin in other and (e.type != EventType.CONSENT or e.origin not in erased)
        )
        found += [
            e for e in own if e.type == EventType.ERASE or not parse(e.body).get("granted", False)
        ]
    left = {event: opt_outs.binds_since(event.origin, event.at, group, edges) for event in found}
    return {event: at for event, at in left.items() if at is not None}


def _emit(row: Row, folded: Folded, forwards: tuple[Forward, ...]) -> Step:
    """State the difference to what was stated, tombstones first, each under a revision of its own (rules 12 to 14)."""
    revision, emitted = row.revision, dict(row.emitted)
    marks = {
        fact.id: (digest(fact), fact.kind, fact.journey, fact.at) for fact in folded.facts.values()
    }
    changes: list[Change] = []
    for name in sorted(emitted):
        _, kind, journey, at, level = emitted[name]
        # Gone, or dated elsewhere: taken back under its old time.
        if name not in marks or marks[name][3] != at:
            revision += 1
            changes.append(Change(name, kind, journey, at, revision, None, level))
            del emitted[name]
    for fact in sorted(folded.facts.values(), key=_in_time):
        before = emitted.get(fact.id)
        if before is None or before[:4] != marks[fact.id]:
            revision += 1
            changes.append(
                Change(
                    fact.id,
                    fact.kind,
                    fact.journey,
                    fact.at,
                    revision,
                    fact.content,
                    before[4] if before else "",
                )
            )
            emitted[fact.id] = (*marks[fact.id], _level(fact))
    content = (
        orjson.dumps(folded.state, option=orjson.OPT_SORT_KEYS).decode() if folded.state else None
    )
    stated = blake2b(content.encode(), digest_size=6).hexdigest() if content else ""
    state = None
    if stated != row.stated:
        revision += 1
        state = State(revision, content)
    after = replace(row, revision=revision, emitted=emitted, stated=stated)
    return Step(after, tuple(changes), state, forwards, folded.next_due, stands=folded.state)


def _level(fact: Fact) -> str:
    """Name the level that a clock which still runs has reached and somebody is told of; empty for all else."""
    return clocks.level(orjson.loads(fact.content), fact.at) if fact.kind == FactKind.CLOCK else ""


def _in_time(fact: Fact) -> tuple[int, str]:
    return fact.at, fact.id


def dump(row: Row, next_due: int | None) -> bytes:
    """Write a row as bytes; sets are sorted, so equal rows are equal bytes."""
    origins = sorted({event.origin for event in row.events})
    return orjson.dumps(
        {
            "lead": row.lead,
            "told": row.watermark,
            "revision": row.revision,
            "due": next_due,
            "origins": origins,
            "events": [_plain(event, origins, row.direct) for event in sorted(row.events)],
            "packs": [one.plain() for one in row.packs],
            "edges": [edge.plain() for edge in sorted(row.edges)],
            "erased": sorted(row.erased),
            "emitted": dict(sorted(row.emitted.items())),
            "stated": row.stated,
        }
    )


def _plain(event: Event, origins: list[str], direct: frozenset[tuple[str, str]]) -> tuple[Any, ...]:
    place = origins.index(event.origin)
    return (
        event.at,
        event.rank,
        event.sequence,
        event.id,
        place,
        event.type,
        event.body,
        int((event.id, event.origin) in direct),
    )


def edge_of(value: Any) -> members.Edge:
    """Read an edge as it stands in JSON."""
    at, sequence, name, word, a, b = value
    return members.Edge(at, sequence, name, word, members.Origin(*a), members.Origin(*b))


def load(body: bytes) -> Row:
    """Read a row that `dump` wrote."""
    raw = orjson.loads(body)
    origins = raw["origins"]
    events, direct = set(), set()
    for at, rank, sequence, name, place, kind, content, here in raw["events"]:
        events.add(Event(at, rank, sequence, name, origins[place], kind, content))
        if here:
            direct.add((name, origins[place]))
    return Row(
        raw["lead"],
        raw["told"],
        raw["revision"],
        frozenset(events),
        frozenset(direct),
        frozenset(edge_of(edge) for edge in raw["edges"]),
        frozenset(raw["erased"]),
        tuple(pack_of(one) for one in raw["packs"]),
        {
            name: (mark[0], mark[1], mark[2], mark[3], mark[4])
            for name, mark in raw["emitted"].items()
        },
        raw["stated"],
    )


def due_of(body: bytes) -> int | None:
    """Read only when time alone changes the row next."""
    return orjson.loads(body)["due"]  # type: ignore[no-any-return]
