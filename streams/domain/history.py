"""The canonical set: which of all events count, and in which order (history h1 to h3 and h23).

Every function here depends on the set it is given and never on the order in which it was collected.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from schemas.events import Event, EventType, parse, short

from .intents import intent_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .definition import Definitions

FLOOD_CAP = 60  # of one type of one origin in one minute; a bot's page views, never a person's
MINUTE_MS = 60_000


def bucket(event: Event) -> tuple[str, str, int]:
    """Name the minute that the flood cap counts: by identity, so that no merge changes a cap."""
    return event.origin, event.type, event.at // MINUTE_MS


def capped(events: Iterable[Event]) -> list[Event]:
    """Keep the smallest contents of each flooded minute, over everything that came."""
    minutes: dict[tuple[str, str, int], list[Event]] = {}
    for event in set(events):
        minutes.setdefault(bucket(event), []).append(event)
    return [event for minute in minutes.values() for event in sorted(minute)[:FLOOD_CAP]]


def canonical(events: Iterable[Event]) -> list[Event]:
    """Return the events that count, sorted.

    Flood cap, one content an id, voids, order: in this sequence and no other.
    """
    seen: set[str] = set()
    kept: list[Event] = []
    for event in sorted(capped(events)):
        if event.id not in seen:
            seen.add(event.id)
            kept.append(event)
    dead = _voided(kept)
    return (
        [event for event in kept if event.id not in dead and event.type != EventType.VOID]
        if dead
        else kept
    )


def _voided(events: list[Event]) -> set[str]:
    """Decide voids from the largest key down: a voided void has no effect."""
    dead: set[str] = set()
    for event in reversed(events):
        if event.type == EventType.VOID and event.id not in dead:
            dead.add(short(parse(event.body).get("voids", "")))
    return dead


def by_stage(events: list[Event], definitions: Definitions) -> list[Event]:
    """Put stages that were reported at one instant in the order of the funnel (moves m8).

    The order in which their source sent them does not count.
    """
    if not any(
        one.type == other.type == EventType.STAGE_REPORTED and one.at == other.at
        for one, other in pairwise(events)
    ):
        return events

    def place(event: Event) -> tuple[int, int, int]:
        if event.type != EventType.STAGE_REPORTED:
            return event.at, event.rank, 0
        current = definitions.at(event.at)
        to = intent_of(event, current, current).to
        return event.at, event.rank, current.order.index(to) if to else len(current.order)

    return sorted(events, key=place)
