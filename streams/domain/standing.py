"""What of a history stands: which records were deleted, and which deals deleted, merged or reopened.

A CRM's word about a record is no word about the person: a lead is gone when the last of its records in that
system is. What was restored was never gone. A deleted deal is in no figure, merged deals are one, and a win
that the same deal takes back was none. Functions of the set: what came first changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.events import Event, EventType, parse

from .lifecycle import Ask, intent_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .definition import Definitions

_DEALS = frozenset({
    EventType.OPPORTUNITY_CREATED, EventType.OPPORTUNITY_STAGE_CHANGED, EventType.OPPORTUNITY_WON, EventType.OPPORTUNITY_LOST,
    EventType.OPPORTUNITY_DELETED, EventType.OPPORTUNITY_RESTORED,
})  # fmt: skip
_LIFE = frozenset({EventType.DELETED, EventType.RESTORED})
_DEAL_LIFE = frozenset({EventType.OPPORTUNITY_DELETED, EventType.OPPORTUNITY_RESTORED})
_JOINS = frozenset({EventType.LINKED, EventType.MERGE, EventType.UNMERGE})
# What is said of people: whoever says any of it under an alias does not mean a deal by it.
_PERSONAL = (
    frozenset(EventType) - _DEALS - _JOINS - {EventType.TOUCH, EventType.ASSIGNED, EventType.VOID}
)


class Standing(NamedTuple):
    """What stands."""

    events: list[Event]  # in their order
    undone: frozenset[Event]  # wins that were taken back
    renamed: Mapping[str, str]  # deals, by the name of the one that they became
    gone: frozenset[str]  # origins of records that were deleted


def standing(events: list[Event], definitions: Definitions) -> Standing:
    """Judge canonical events as a whole."""
    if not any(
        event.type in _DEALS or event.type in _LIFE or event.type == EventType.MERGE
        for event in events
    ):
        return Standing(events, frozenset(), {}, frozenset())
    renamed, lost = _merged(events)
    deleted = _deleted(events) - renamed.keys() | lost
    nobody = _of_deals_only(events, deleted)
    kept = [
        event
        for event in events
        if event.type not in _DEAL_LIFE
        and (event.type in _JOINS or (_deal(event) not in deleted and event.origin not in nobody))
    ]
    gone, dropped = _records(kept)
    kept = [event for event in kept if event not in dropped and event.type != EventType.RESTORED]
    return Standing(kept, _undone(kept, renamed, definitions), renamed, gone)


def deleted_deals(events: Iterable[Event]) -> frozenset[str]:
    """Name the deals that are in no figure."""
    ordered = sorted(
        event for event in events if event.type in _DEAL_LIFE or event.type == EventType.MERGE
    )
    renamed, lost = _merged(ordered)
    return _deleted(ordered) - renamed.keys() | lost


def _deal(event: Event) -> str:
    found: dict[str, Any] = parse(event.body).get("deal") or {}
    return str(found.get("id", ""))


def _merged(events: list[Event]) -> tuple[dict[str, str], frozenset[str]]:
    """Return what merges did to deals: those that go on under another name, and those that are gone.

    The one that is left may have been there before; a new one has the history of the first one named.
    """
    first: dict[str, int] = {}
    for event in events:
        if event.type in _DEALS:
            first.setdefault(_deal(event), event.at)
    renamed: dict[str, str] = {}
    lost: set[str] = set()
    for event in events:
        about: dict[str, Any] = (
            (parse(event.body).get("deal") or {}) if event.type == EventType.MERGE else {}
        )
        left = str(about.get("id", ""))
        others = [one for one in about.get("merged", ()) if one != left]
        if not others:
            continue
        new = first.get(left, event.at) >= event.at and others[0] in first
        if new:
            renamed = {one: left if to == others[0] else to for one, to in renamed.items()} | {
                others[0]: left
            }
        lost |= set(others[1:] if new else others)
    return renamed, frozenset(lost - renamed.keys())


def _deleted(events: list[Event]) -> frozenset[str]:
    """Name the deals whose last word is that they were deleted."""
    last = {_deal(event): event.type for event in events if event.type in _DEAL_LIFE}
    return frozenset(deal for deal, kind in last.items() if kind == EventType.OPPORTUNITY_DELETED)


def _of_deals_only(events: list[Event], deleted: frozenset[str]) -> frozenset[str]:
    """Name the origins under which nothing was said but of deals that are gone."""
    if not deleted:
        return frozenset()
    theirs = {event.origin for event in events if event.type in _DEALS and _deal(event) in deleted}
    others = {
        event.origin
        for event in events
        if event.type in _PERSONAL or (event.type in _DEALS and _deal(event) not in deleted)
    }
    return frozenset(theirs - others)


def _records(events: list[Event]) -> tuple[frozenset[str], frozenset[Event]]:
    """Return the origins of records that are gone, and the deletions that end no lead.

    One ends none where it was taken back, or where another record of its system is there at that time.
    """
    ends = [event for event in events if event.type in _LIFE]
    if not ends:
        return frozenset(), frozenset()
    since: dict[tuple[str, str], int] = {}  # of each record of a person, by system and origin
    deals = {event.origin for event in events if event.type in _DEALS} - {
        event.origin for event in events if event.type in _PERSONAL
    }
    became: dict[str, int] = {}  # another record, by conversion
    for event in events:
        body = parse(event.body)
        if (
            event.type == EventType.MERGE
            and body.get("attributes", {}).get("record") == "converted"
        ):
            became.setdefault(event.origin, event.at)
        elif not body.get("deal") and event.origin not in deals:
            since.setdefault((body["source"], event.origin), event.at)
    restored = {
        event.origin: event.key for event in ends if event.type == EventType.RESTORED
    }  # the last of each
    final = {
        event.origin: event
        for event in ends
        if event.type == EventType.DELETED and event.key > restored.get(event.origin, (0,))
    }
    dropped = {
        event
        for event in ends
        if event.type == EventType.DELETED and event.key < restored.get(event.origin, (0,))
    }
    for event in final.values():
        system = parse(event.body)["source"]
        others = [
            origin
            for (source, origin), at in since.items()
            if source == system and origin != event.origin and at <= event.at
        ]
        ended = {origin for origin, end in final.items() if end.key <= event.key} | {
            one for one, at in became.items() if at <= event.at
        }
        if set(others) - ended:
            dropped.add(event)
    return frozenset(final), frozenset(dropped)


def _undone(
    events: list[Event], renamed: Mapping[str, str], definitions: Definitions
) -> frozenset[Event]:
    """Name the wins after which the same deal was open or lost."""
    wins: dict[str, list[Event]] = {}
    undone: set[Event] = set()
    for event in events:
        if event.type not in _DEALS:
            continue
        current = definitions.at(event.at)
        intent = intent_of(event, current, current)
        deal = renamed.get(_deal(event), _deal(event))
        if intent.to == current.shape.won:
            wins.setdefault(deal, []).append(event)
        elif intent.ask in (Ask.REACH, Ask.LOSE):
            undone.update(wins.pop(deal, ()))
    return frozenset(undone)
