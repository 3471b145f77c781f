"""What of a history stands: which records were deleted, which deals deleted, merged or reopened.

What a CRM states of a record, it does not state of the person: a lead is gone when the last of its
records in that system is. What was restored was never gone. A deleted deal is in no figure, merged
deals are one, and a win that the same deal takes back was none. Functions of the set: what came
first changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.events import Event, EventType, parse

from .intents import intent_of
from .lifecycle import Ask

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .definition import Definitions
    from .packs import Pack

OF_DEALS = frozenset({
    EventType.OPPORTUNITY_CREATED, EventType.OPPORTUNITY_STAGE_CHANGED,
    EventType.OPPORTUNITY_WON, EventType.OPPORTUNITY_LOST,
    EventType.OPPORTUNITY_DELETED, EventType.OPPORTUNITY_RESTORED,
})  # fmt: skip
_DEAL_ENDS = frozenset({EventType.OPPORTUNITY_DELETED, EventType.OPPORTUNITY_RESTORED})
_RECORD_ENDS = frozenset({EventType.DELETED, EventType.RESTORED})
_JOINS = frozenset({EventType.LINKED, EventType.MERGE, EventType.UNMERGE})
# What is stated of people only: an identity of which any of it is stated is no deal's.
OF_PEOPLE = (
    frozenset(EventType) - OF_DEALS - _JOINS - {EventType.TOUCH, EventType.ASSIGNED, EventType.VOID}
)
ENDS = _DEAL_ENDS | _RECORD_ENDS | {EventType.MERGE}  # of records and deals, or what may be one
_JUDGED = OF_DEALS | ENDS  # without any of these all stands


class Standing(NamedTuple):
    """What stands."""

    events: list[Event]  # in their order
    undone: frozenset[Event]  # wins that were taken back
    renamed: Mapping[str, str]  # deals, by the name of the one that they became
    gone: frozenset[str]  # identities of records that were deleted


def standing(events: list[Event], definitions: Definitions, packs: Iterable[Pack] = ()) -> Standing:
    """Judge canonical events as a whole; a record may be known by touches of `packs` alone."""
    if not any(event.type in _JUDGED for event in events):
        return Standing(events, frozenset(), {}, frozenset())
    deals = _deals(events)
    nobody = _of_deals_only(events, deals.gone)
    kept = [
        event
        for event in events
        if event.type not in _DEAL_ENDS
        and (event.type in _JOINS or not (deal_of(event) in deals.gone or event.origin in nobody))
    ]
    records = _records(kept, packs)
    kept = [
        event
        for event in kept
        if event not in records.ending_nothing and event.type != EventType.RESTORED
    ]
    undone, _ = _undone(kept, deals.renamed, definitions)
    return Standing(kept, undone, deals.renamed, records.gone)


def wins_of(judged: Standing, definitions: Definitions) -> frozenset[str]:
    """Name the deals of which the last word is a win: the next one may take it back."""
    if not any(event.type in OF_DEALS for event in judged.events):
        return frozenset()
    _, won = _undone(judged.events, judged.renamed, definitions)
    return frozenset(won)


def deleted_deals(events: Iterable[Event]) -> frozenset[str]:
    """Name the deals that are in no figure."""
    ends = (event for event in events if event.type in _DEAL_ENDS or event.type == EventType.MERGE)
    return _deals(sorted(ends)).gone


# --- deals ------------------------------------------------------------------------------------


class _Deals(NamedTuple):
    renamed: dict[str, str]  # those that go on under another's name
    gone: frozenset[str]  # deleted, or merged into another


def _deals(events: list[Event]) -> _Deals:
    """Return what deletions and merges did to the deals of a history."""
    renamed, merged = _merged(events)
    return _Deals(renamed, _deleted(events) - renamed.keys() | merged)


def deal_of(event: Event) -> str:
    """Return the id of the deal that an event is of, or nothing."""
    found: dict[str, Any] = parse(event.body).get("deal") or {}
    return str(found.get("id", ""))


def _deleted(events: list[Event]) -> frozenset[str]:
    """Name the deals that were deleted and not restored since."""
    last = {deal_of(event): event.type for event in events if event.type in _DEAL_ENDS}
    return frozenset(deal for deal, kind in last.items() if kind == EventType.OPPORTUNITY_DELETED)


def _merged(events: list[Event]) -> tuple[dict[str, str], frozenset[str]]:
    """Return what merges did to deals: those that go on under another name, those that are gone.

    The deal that is left may have been there before; a new one has the history of the first one
    named.
    """
    first: dict[str, int] = {}
    for event in events:
        if event.type in OF_DEALS:
            first.setdefault(deal_of(event), event.at)
    renamed: dict[str, str] = {}
    gone: set[str] = set()
    for event in events:
        left, others = _merge_of_deals(event)
        if others and others[0] in first and first.get(left, event.at) >= event.at:
            heir, *others = others
            renamed = {old: left if new == heir else new for old, new in renamed.items()}
            renamed[heir] = left
        gone.update(others)
    return renamed, frozenset(gone - renamed.keys())


def _merge_of_deals(event: Event) -> tuple[str, list[str]]:
    """Return the deal that a merge leaves and the others that became it; none for other events."""
    if event.type != EventType.MERGE:
        return "", []
    left = deal_of(event)
    merged = (parse(event.body).get("deal") or {}).get("merged", ())
    return left, [deal for deal in merged if deal != left]


def _of_deals_only(events: list[Event], gone: frozenset[str]) -> frozenset[str]:
    """Name the identities of which nothing was stated but of deals that are gone."""
    if not gone:
        return frozenset()
    of_deals = [
        (event.origin, deal_of(event) in gone) for event in events if event.type in OF_DEALS
    ]
    people = {event.origin for event in events if event.type in OF_PEOPLE}
    alive = {origin for origin, is_gone in of_deals if not is_gone}
    return frozenset({origin for origin, is_gone in of_deals if is_gone} - people - alive)


def _undone(
    events: list[Event], renamed: Mapping[str, str], definitions: Definitions
) -> tuple[frozenset[Event], dict[str, list[Event]]]:
    """Return the wins after which the same deal was open or lost, and by deal those that stand."""
    wins: dict[str, list[Event]] = {}
    undone: set[Event] = set()
    for event in events:
        if event.type not in OF_DEALS:
            continue
        current = definitions.at(event.at)
        intent = intent_of(event, current, current)
        deal = renamed.get(deal_of(event), deal_of(event))
        if intent.to == current.shape.won:
            wins.setdefault(deal, []).append(event)
        elif intent.ask in (Ask.REACH, Ask.LOSE):
            undone.update(wins.pop(deal, ()))
    return frozenset(undone), wins


# --- records ----------------------------------------------------------------------------------


class _Records(NamedTuple):
    gone: frozenset[str]  # identities of records that were deleted and not restored since
    ending_nothing: frozenset[Event]  # deletions that end no lead


def _records(events: list[Event], packs: Iterable[Pack]) -> _Records:
    """Return which records are gone.

    A deletion ends no lead where the record was restored, or where another record of its system is
    there at that time.
    """
    if not any(event.type in _RECORD_ENDS for event in events):
        return _Records(frozenset(), frozenset())
    restored = {event.origin: event.key for event in events if event.type == EventType.RESTORED}
    deletions = [event for event in events if event.type == EventType.DELETED]
    undone = [event for event in deletions if event.key < restored.get(event.origin, (0,))]
    final = {
        event.origin: event for event in deletions if event.key > restored.get(event.origin, (0,))
    }
    touches = [event for one in packs for event in one.events()]
    seen, converted = _first_seen(sorted([*events, *touches])), _converted(events)
    outlived = [
        deletion
        for deletion in final.values()
        if _others(deletion, seen) - _ended(deletion, final, converted)
    ]
    return _Records(frozenset(final), frozenset([*undone, *outlived]))


def _others(deletion: Event, seen: Mapping[tuple[str, str], int]) -> set[str]:
    """Name the other records of a system that were seen when one was deleted."""
    system = parse(deletion.body)["source"]
    return {
        origin
        for (source, origin), at in seen.items()
        if source == system and origin != deletion.origin and at <= deletion.at
    }


def _ended(deletion: Event, final: Mapping[str, Event], converted: Mapping[str, int]) -> set[str]:
    """Name the records that were deleted or converted by the time of a deletion."""
    deleted = {origin for origin, end in final.items() if end.key <= deletion.key}
    return deleted | {origin for origin, at in converted.items() if at <= deletion.at}


def _first_seen(events: list[Event]) -> dict[tuple[str, str], int]:
    """Return since when (ms) each record of a person is known, by system and identity."""
    people = {event.origin for event in events if event.type in OF_PEOPLE}
    deals = {event.origin for event in events if event.type in OF_DEALS} - people
    seen: dict[tuple[str, str], int] = {}
    for event in events:
        body = parse(event.body)
        if event.origin not in deals and not body.get("deal") and not _converts(event):
            seen.setdefault((body["source"], event.origin), event.at)
    return seen


def _converted(events: list[Event]) -> dict[str, int]:
    """Return since when (ms) a record is another one, by conversion."""
    found: dict[str, int] = {}
    for event in events:
        if _converts(event):
            found.setdefault(event.origin, event.at)
    return found


def _converts(event: Event) -> bool:
    if event.type != EventType.MERGE:
        return False
    attributes: Mapping[str, Any] = parse(event.body).get("attributes", {})
    return attributes.get("record") == "converted"
