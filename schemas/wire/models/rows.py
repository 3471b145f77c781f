"""The changelogs of the stateful workers: rows by lead and by alias, and the marker of a partition.

In the changelog four bytes of checksum and eight of fence stand before each
(streams/engine/changelog.py).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from .base import Identity, Name8, Offset, Time, Wire
from .touches import PlacedEdge

Key = tuple[int, int, int, str, str]  # of an event: time, rank, sequence, id, identity


class KeptEvent(NamedTuple):
    """An event of a row; its identity and its body are places in the lists beside it."""

    at: Time
    rank: int
    sequence: int
    id: Name8
    origin: Annotated[int, Field(ge=0, description="place among the identities")]
    type: str
    body: Annotated[int, Field(ge=0, description="place among the bodies")]
    direct: Annotated[bool, Field(description="it lives here; else it is a copy")]


class DaySum(NamedTuple):
    """Touches of one body on one day."""

    body: Annotated[int, Field(ge=0, description="place among the pack's bodies")]
    touches: int
    last: Time


class KeptPack(NamedTuple):
    """Old touches in little room (docs/adr/0006)."""

    first: Time
    last: Time
    origin: str
    direct: bool
    bodies: list[str]
    counts: list[DaySum]
    touches: Annotated[bytes, Field(description="20 bytes a touch")]


class KeptEvents(NamedTuple):
    """Events that share identities and bodies."""

    origins: list[str]
    bodies: list[str]
    events: list[KeptEvent]
    packs: list[KeptPack]


class Emitted(NamedTuple):
    """What was stated of a fact last."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    kind: str
    journey: int
    at: Time
    level: Annotated[str, Field(description="the level that a clock has notified; or empty")]


class LeadHead(NamedTuple):
    """A lead's row but for its pages, behind 25 bytes: version 3, due, watermark and revision.

    The version is one byte, each of the others eight, big-endian; due is the largest number where
    time alone changes nothing.
    """

    lead: str
    stated: Annotated[str, Field(description="digest of the state as it was stated last")]
    mark: Annotated[str, Field(description="of the definitions that the end is of")]
    end: Annotated[Any, Field(description="the state at the end; under other definitions: nothing")]
    emitted: Annotated[dict[Name8, Emitted], Field(description="facts of the newest journey")]
    recent: KeptEvents
    pages: Annotated[int, Field(ge=0, description="how many hold events: e0, e1, ...")]
    reach: Annotated[Key, Field(description="of the newest event in a page")]
    odd: Annotated[list[str], Field(description="ids that a void or another content names")]
    settled: Annotated[dict[Name8, Emitted], Field(description="all other facts, the newest")]
    settled_pages: Annotated[int, Field(ge=0, description="how many hold facts: f0, f1, ...")]
    edges: list[PlacedEdge]
    erased: list[str]


class Notes(NamedTuple):
    """What a row notes of other aliases, by a letter for the kind of note and 8 bytes of a hash."""

    head: dict[str, Any]
    pages: Annotated[int, Field(ge=0)]
    size: Annotated[int, Field(ge=0)]


class AliasRow(Wire):
    """What an alias leads to, and what it holds until it has an identity."""

    due: int | None
    origin: Identity | None
    notes: Notes
    leads: list[str]
    joins: list[str]
    held: list[tuple[Time, dict[str, Any]]]
    shared: int
    expired: int


class Marker(Wire):
    """Where a partition goes on; its fence holds epoch and next offset.

    `version` is the changelog's.
    """

    record: Literal["marker"]
    version: Literal[3]
    ticks: dict[str, list[Offset]]
