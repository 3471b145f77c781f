"""The facts of a group: which events count for the identities that are one lead.

An event of a member counts. So does an opt-out of somebody who was a member: it outlives the
unmerge that parted them (history h27). The edges say what is in conflict, and which deals a contact
only influenced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.events import Event, EventType, parse, short
from schemas.facts import Fact, FactKind, make

from . import members, opt_outs
from .end import at_end, dump, with_group
from .fold import Fold, applied, finished
from .history import canonical, capped
from .journey import Folded
from .standing import deleted_deals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .definition import Definitions
    from .packs import Pack

# Opt-outs, and what takes them back: a merge carries them to the whole, an unmerge leaves them on
# both parts.
SPREAD = (EventType.CONSENT, EventType.ERASE, EventType.VOID)


def fold_group(
    lead: str,
    events: frozenset[Event],
    edges: frozenset[members.Edge],
    definitions: Definitions,
    now: int,
    packs: tuple[Pack, ...] = (),
    *,
    ends: bool = False,
) -> Folded:
    """Return the fold of the group that `lead` speaks for, with its members' conflicts.

    `events` and `edges` may hold more than the group's: those of all that an edge connects. With
    `ends` the state at the end is beside it, where an event can go on from it: not where an unmerge
    or an erasure makes other identities' events count in part.
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

    def lifts(consent: Event, opt_out: Event) -> bool:
        since = parted.get(opt_out)
        return (since is not None and since <= consent.at) or opt_outs.were_one(
            consent.origin, opt_out.origin, consent.at, edges
        )

    run = Fold(lead, definitions, lifts)
    applied(run, canonical([*own, *parted]), old, frozenset(parted))
    mine = [edge for edge in groups.conflicts if edge.ends & group]
    # one that names no time differs at each receipt
    counted = len({event.id for event in own}) + sum(one.size for one in old)
    kept = b""
    if ends and _goes_on(erased, edges):
        influenced = any(edge.ends & group for edge in groups.influenced)
        end = at_end(lead, run, own, old, group, len(mine), events=counted, influenced=influenced)
        kept = dump(end, definitions)
    folded = finished(run, now)
    facts = dict(folded.facts)
    for edge in mine:  # of both identities: whoever looks at either must see it
        fact = make(lead, FactKind.CONFLICT, 0, edge.at, "link", edge.id, a=edge.a.id, b=edge.b.id)
        facts[fact.id] = fact
    if groups.influenced:
        facts.update({fact.id: fact for fact in _influenced(lead, group, groups, own)})
    return Folded(facts, with_group(folded.state, group, len(mine), counted), folded.next_due, kept)


def forwarding(
    survivor: str,
    group: frozenset[str],
    events: frozenset[Event],
    edges: frozenset[members.Edge],
    definitions: Definitions,
    packs: tuple[Pack, ...],
) -> bytes:
    """Return the end of a row that another speaks for: it forwards what comes in order."""
    erased = {event.origin for event in events if event.type == EventType.ERASE}
    if not _goes_on(erased, edges):
        return b""
    own = [event for event in events if event.origin in group]
    old = [one for one in packs if one.origin in group]
    return dump(at_end(survivor, None, own, old, group, 0, events=0, influenced=False), definitions)


def _goes_on(erased: set[str], edges: frozenset[members.Edge]) -> bool:
    """Return whether events in order can go on from an end: no other's opt-outs bind the group."""
    return not erased and not any(edge.type == members.UNMERGE for edge in edges)


def _influenced(
    lead: str, group: frozenset[str], groups: members.Groups, events: list[Event]
) -> Iterator[Fact]:
    """Yield a fact for each deal that a contact of the group influenced (identity i13).

    The deal is another contact's. What the CRM says of it goes to that contact's lead: here it has
    a name, and neither an amount nor an end.
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
    """Return the opt-outs of others that bind a group after an unmerge, and since when (ms).

    The others' own voids count, but for those of an erased identity: its row keeps nothing but the
    erasure. A consent that another gave does not bind the group.
    """
    if not any(edge.type == members.UNMERGE for edge in edges):
        return {}
    groups, found = members.groups(edges), []
    spread = [e for e in events if e.type in SPREAD and e.origin not in group]
    for other in {groups.of(event.origin) for event in spread}:
        own = canonical(
            e
            for e in spread
            if e.origin in other and (e.type == EventType.ERASE or e.origin not in erased)
        )
        found += [
            e for e in own if e.type == EventType.ERASE or not parse(e.body).get("granted", False)
        ]
    left = {event: opt_outs.binds_since(event.origin, event.at, group, edges) for event in found}
    return {event: at for event, at in left.items() if at is not None}
