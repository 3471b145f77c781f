"""`lead.touches`: lead inputs by identity, which `advance` folds and ClickHouse archives."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, create_model

from schemas.events import NOT_CONTENT, EventType, LeadEvent

from .base import Identity, Name8, Time, Wire

# What the lifecycle may see of an event: no alias, no time or order of arrival.
_FIELDS: dict[str, Any] = {
    name: (field.annotation, field)
    for name, field in LeadEvent.model_fields.items()
    if name not in NOT_CONTENT
}
EventContent = create_model(
    "EventContent", __base__=Wire, __doc__="What an event says of its lead.", **_FIELDS
)


class PlacedEvent(NamedTuple):
    """An event in the history of a lead: its place in time, then what it says."""

    at: Time
    rank: Annotated[int, Field(ge=0, description="orders events of one time by the lifecycle")]
    sequence: int
    id: Name8
    origin: Annotated[str, Field(description="the identity that it is of")]
    type: EventType
    body: EventContent


class EventInput(Wire):
    """An event of a lead."""

    record: Literal["event"]
    version: Literal[2]
    event: PlacedEvent
    name: Annotated[str, Field(description="the event's own id; a copy has none")] = ""
    received_at: Time
    copied: Annotated[
        bool, Field(alias="copy", description="sent on by another row of the same lead")
    ] = False
    held: Annotated[bool, Field(description="waited until its alias had an identity")] = False


class PlacedEdge(NamedTuple):
    """A join of two identities, or their parting."""

    at: Time
    sequence: int
    id: str
    type: Literal["link", "merge", "unmerge"]
    a: Identity
    b: Identity


class EdgeInput(Wire):
    """An edge of the identity graph, for the row of the record's key."""

    record: Literal["edge"]
    version: Literal[2]
    edge: PlacedEdge
    received_at: Time


class DefinitionInput(Wire):
    """A later version of the funnel, for a partition as a whole; its key is a NUL and `common`."""

    record: Literal["definition"]
    version: Literal[2]
    generation: Annotated[int, Field(ge=1)]
    funnel: Annotated[dict[str, Any], Field(description="a funnel file: `leadstream schema`")]
