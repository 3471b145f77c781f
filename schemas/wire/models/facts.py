"""`lead.facts` and `lead.state`: what is stated of leads, and how far it was folded."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from . import contents
from .base import Name8, Offset, Partition, Time, Wire

Generation = Annotated[int, Field(ge=0, description="the set of facts; 0: of every one")]


class _OfLead(Wire):
    version: Literal[2]
    lead: UUID
    generation: Generation
    partition: Annotated[int, Field(ge=0, description="of lead.touches, with `offset`: the cause")]
    offset: Offset
    revision: Annotated[int, Field(ge=1, description="counted by lead: the highest of an id holds")]


class _Fact(_OfLead):
    record: Literal["fact"]
    id: Name8
    journey: Annotated[int, Field(ge=0)]
    at: Time
    notified: Annotated[
        str,
        Field(description="the level of a clock of which the revision before notified somebody"),
    ] = ""


class JourneyFact(_Fact):
    """A journey; without content it is withdrawn."""

    kind: Literal["journey"]
    content: contents.JourneyContent | None


class TransitionFact(_Fact):
    """A transition; without content it is withdrawn."""

    kind: Literal["transition"]
    content: contents.TransitionContent | None


class ClockFact(_Fact):
    """A clock; without content it is withdrawn."""

    kind: Literal["clock"]
    content: contents.ClockContent | None


class HandoffFact(_Fact):
    """A hand-off; without content it is withdrawn."""

    kind: Literal["handoff"]
    content: contents.HandoffContent | None


class DecisionFact(_Fact):
    """A gate's decision; without content it is withdrawn."""

    kind: Literal["decision"]
    content: contents.DecisionContent | None


class DisagreementFact(_Fact):
    """A disagreement; without content it is withdrawn."""

    kind: Literal["disagreement"]
    content: contents.DisagreementContent | None


class NoteFact(_Fact):
    """A note; without content it is withdrawn."""

    kind: Literal["note"]
    content: contents.NoteContent | None


class DealFact(_Fact):
    """A deal; without content it is withdrawn."""

    kind: Literal["deal"]
    content: contents.DealContent | None


class ConflictFact(_Fact):
    """A conflict; without content it is withdrawn."""

    kind: Literal["conflict"]
    content: contents.ConflictContent | None


Fact = Annotated[
    JourneyFact
    | TransitionFact
    | ClockFact
    | HandoffFact
    | DecisionFact
    | DisagreementFact
    | NoteFact
    | DealFact
    | ConflictFact,
    Field(discriminator="kind"),
]


class State(_OfLead):
    """A lead's absolute state; without content another lead speaks for this one."""

    record: Literal["state"]
    content: contents.LeadState | None


class Cut(Wire):
    """All facts below `next_offset` of a partition of lead.touches were folded up to `now`."""

    record: Literal["cut"]
    version: Literal[2]
    generation: Generation
    partition: Partition
    next_offset: Offset
    now: Time


class AliasOf(Wire):
    """What an alias is to an identity; both by their ids."""

    record: Literal["alias"]
    version: Literal[2]
    alias: UUID
    kind: str
    origin: str
    what: Literal["leads", "shares", "full", "crowded"]


class DefinitionTaken(Wire):
    """A version of the funnel that a partition folds under."""

    record: Literal["definition"]
    version: Literal[2]
    generation: Generation
    funnel_version: str
    effective_from: Annotated[int, Field(description="ms; below 0 east of Greenwich")]
    digest: Name8
    content: Annotated[dict[str, Any], Field(description="a funnel file: `leadstream schema`")]


class HoleAccepted(Wire):
    """Records that a worker had not read when its topic lost them; a person accepted it."""

    record: Literal["hole"]
    version: Literal[2]
    generation: Generation
    worker: str
    topic: str
    partition: Partition
    first: Offset
    following: Annotated[int, Field(ge=0, description="the next offset that there is")]
    epoch: int
    accepted_at: Time
