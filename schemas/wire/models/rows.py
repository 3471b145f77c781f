"""The changelogs of the stateful workers: rows by lead and by alias, and the marker of a partition.

In the changelog four bytes of checksum and eight of fence stand before each
(streams/engine/changelog.py).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from .base import Identity, Name8, Offset, Time, Wire
from .touches import PlacedEdge


class KeptEvent(NamedTuple):
    """An event of a row; its identity and its body are places among the row's."""

    at: Time
    rank: int
    sequence: int
    id: Name8
    origin: Annotated[int, Field(ge=0, description="place in `origins`")]
    type: str
    body: Annotated[int, Field(ge=0, description="which of the lines behind the first")]
    direct: Annotated[int, Field(ge=0, le=1, description="1: it lives here; 0: it is a copy")]


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
    bodies: list[int]
    counts: list[DaySum]
    touches: Annotated[str, Field(description="base64 of 20 bytes a touch")]


class Emitted(NamedTuple):
    """What was stated of a fact last."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    kind: str
    journey: int
    at: Time
    level: Annotated[str, Field(description="the level that a clock has notified; or empty")]


class LeadRow(Wire):
    """The first line of a lead's row. Each line behind it is the body of events and packs."""

    record: Literal["lead"]
    version: Literal[2]
    lead: str
    watermark: Annotated[int, Field(ge=0)]
    revision: Annotated[int, Field(ge=0)]
    due: int | None
    origins: list[str]
    events: list[KeptEvent]
    packs: list[KeptPack]
    edges: list[PlacedEdge]
    erased: list[str]
    emitted: dict[Name8, Emitted]
    stated: Annotated[str, Field(description="digest of the state as it was stated last")]


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
    version: Literal[2]
    ticks: dict[str, list[Offset]]
