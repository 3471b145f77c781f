"""Rows of earlier releases: a set written whole, in JSON. The next step of such a row parts it.

Version 2 is a line of JSON and a line for each body; version 1 was one JSON document.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import orjson

from schemas.events import Event

from .packs import Pack
from .row import Row, edge_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def load(body: bytes) -> Row:
    """Read a row of version 1 or 2.

    Raises:
        ValueError: its version is neither.

    """
    first, _, rest = body.partition(b"\n")
    raw, bodies = orjson.loads(first), rest.decode().split("\n")
    if "record" not in raw:
        raw, bodies = _from_first(raw)
    elif raw["version"] != 2:
        raise ValueError(f"version {raw['version']} of a lead's row is unknown")
    origins = raw["origins"]
    events, direct = set(), set()
    for at, rank, sequence, name, place, kind, content, here in raw["events"]:
        events.add(Event(at, rank, sequence, name, origins[place], kind, bodies[content]))
        if here:
            direct.add((name, origins[place]))
    return Row(
        raw["lead"],
        raw["watermark"],
        raw["revision"],
        frozenset(events),
        frozenset(direct),
        frozenset(edge_of(edge) for edge in raw["edges"]),
        frozenset(raw["erased"]),
        tuple(_pack_of(one, bodies) for one in raw["packs"]),
        {
            name: (mark[0], mark[1], mark[2], mark[3], mark[4])
            for name, mark in raw["emitted"].items()
        },
        raw["stated"],
    )


def _from_first(raw: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Convert a row of version 1, which was one JSON document with its bodies as strings in it."""
    bodies: dict[str, int] = {}
    place = bodies.setdefault
    events = [(*one[:6], place(one[6], len(bodies)), one[7]) for one in raw["events"]]
    packs = [
        (*one[:4], [place(body, len(bodies)) for body in one[4]], *one[5:]) for one in raw["packs"]
    ]
    return {**raw, "watermark": raw["told"], "events": events, "packs": packs}, list(bodies)


def due_of(body: bytes) -> int | None:
    """Return when time alone changes the row next (ms), without reading the rest of it."""
    return orjson.loads(body.partition(b"\n")[0])["due"]  # type: ignore[no-any-return]


def _pack_of(value: Any, bodies: Sequence[str]) -> Pack:
    """Read a pack; `bodies` are what its places name."""
    first, last, origin, direct, places, counts, touches = value
    own = tuple(bodies[place] for place in places)
    sums = tuple((place, count, at) for place, count, at in counts)
    return Pack(first, last, origin, direct, own, sums, base64.b64decode(touches))
