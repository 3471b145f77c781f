"""What all records share."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from schemas.events import LATEST

Time = Annotated[int, Field(ge=0, le=LATEST, description="ms since the epoch, in UTC")]
Offset = Annotated[int, Field(ge=0)]
Partition = Annotated[int, Field(ge=0)]
Name8 = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", description="8 bytes as hex digits")]


class Wire(BaseModel):
    """A record, or a part of one. What a reader does not know is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Identity(NamedTuple):
    """A strong name of a lead, without the name: its id is a keyed hash of it."""

    created: Annotated[int, Field(description="when it was seen first (ms)")]
    house: Annotated[str, Field(description="the identity in whose row it lives; empty: its own")]
    id: str
    kind: Annotated[
        str, Field(description="the kind of CRM record, like hubspot:1:contact; or empty")
    ]
