"""`lead.events`: what happened, addressed by alias; and what aliases tell each other."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.events import LeadEvent

from .base import Identity, Time, Wire


class EventByAlias(Wire):
    """A canonical event. The record's key is its strongest alias."""

    record: Literal["event"]
    version: Literal[2]
    event: LeadEvent
    received_at: Time


class Link(Wire):
    """An identity that an event named beside the alias of the record's key."""

    record: Literal["link"]
    version: Literal[2]
    word: Literal["link", "merge", "unmerge"]
    id: Annotated[str, Field(description="the id of the event; empty where two aliases link")]
    at: Time
    sequence: int
    origin: Identity


class Ask(Wire):
    """A weak alias asks a strong one for its identity."""

    record: Literal["ask"]
    version: Literal[2]
    asks: Annotated[str, Field(alias="from", description="the alias that waits for the answer")]
