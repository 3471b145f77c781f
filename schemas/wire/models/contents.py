"""What a fact says, by its kind; and the state of a lead. All times are ms."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from schemas.money import Amount

from .base import Time, Wire

Funnel = Annotated[str, Field(description="the funnel that it was decided under")]
Dimensions = Annotated[
    dict[str, str], Field(description="those that the funnel names, as known at the fact's time")
]
Version = Annotated[str, Field(description="the version of the funnel that it was decided under")]


class JourneyContent(Wire):
    """One way through the funnel. For each stage that was entered there is `<stage>_at`, a time."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Time]
    lead_origin: str
    source: str
    channel: str
    campaign: str
    segment: str
    implied: list[str]
    opening: bool
    test: bool
    excluded: str
    negative: Annotated[bool, Field(description="a later stage was entered before an earlier one")]
    dimensions: Dimensions = Field(default_factory=dict)
    funnel: Funnel
    version: Version


class TransitionContent(Wire):
    """A move into a stage."""

    from_stage: Annotated[str, Field(alias="from", description="empty for an entry")]
    to: str
    why: str
    reason: str
    system: str
    implied: bool
    opening: bool
    owner_team: str
    occurrence: int
    dimensions: Dimensions = Field(default_factory=dict)
    funnel: Funnel
    version: Version
    test: bool
    excluded: str
    source: str
    dwell_ms: int | None = None
    business_ms: int | None = None


class ClockContent(Wire):
    """A service level."""

    stage: str
    clock: str
    warn_at: Time
    due_at: Time
    escalate_at: Time
    stopped_at: Time | None
    cancelled_at: Time | None
    status: str
    hot: bool
    restarting: bool
    test: bool
    dimensions: Dimensions = Field(default_factory=dict)
    funnel: Funnel
    version: Version


class HandoffContent(Wire):
    """A hand-off of a stage, and how it ended."""

    stage: str
    source: str
    channel: str
    campaign: str
    outcome: str
    decided_at: Time | None
    reason: str
    hot: bool
    assigned_at: Time | None
    touched_at: Time | None
    to_assigned_ms: int | None = None
    to_touch_ms: int | None = None
    negative: bool = False
    test: bool
    dimensions: Dimensions = Field(default_factory=dict)
    funnel: Funnel
    version: Version


class RuleContent(Wire):
    """A rule of the gate, with the value that it saw and the one that it needs."""

    rule: str
    passed: bool
    value: Any
    need: Any


class DecisionContent(Wire):
    """What a gate decided."""

    stage: str
    at: Time
    score: float
    rules: list[RuleContent]
    funnel: Funnel
    version: Version
    by: str


class DisagreementContent(Wire):
    """The gate and the CRM say different things of one lead."""

    at: Time
    score: float
    rules: list[RuleContent]
    funnel: Funnel
    version: Version
    stage: str
    gate: bool
    source: bool
    system: str
    moved: bool


class NoteContent(Wire):
    """What happened and moved nothing."""

    what: str
    event: str
    current: str
    system: str
    stage: str = ""
    reason: str = ""
    team: str = ""
    owner: str = ""


class DealContent(Wire):
    """A deal of a lead. Of an influenced one only its name is known here."""

    deal: str
    role: str
    status: str
    amount_opened: Amount | None = None
    amount: Amount | None = None
    currency: str = ""
    margin: Amount | None = None
    stage: str = ""
    reason: str = ""
    close_date: str = ""
    closed_at: Time | None = None
    dimensions: Dimensions = Field(default_factory=dict)


class ConflictContent(Wire):
    """Two identities that a link would join and may not."""

    a: str
    b: str


class LeadState(Wire):
    """Where a lead stands now. Nothing in it is an age."""

    stage: str
    since: Time
    journey: int
    opened_at: Time
    lead_origin: str
    source: str
    channel: str
    campaign: str
    dimensions: Dimensions = Field(default_factory=dict)
    segment: str
    owner: str
    queue: str
    manager: str
    record_url: str
    account: str
    assigned_at: Time | None
    score: float
    hot: bool
    test: bool
    excluded: str
    suppressed: str
    opted_out: bool
    last_activity_at: Time | None
    last_touch_at: Time | None
    last_human_at: Time | None
    last_outbound_at: Time | None
    next_due_at: Time | None
    next_due_clock: str
    timer_at: Time | None
    origins: list[str]
    conflicts: int
    events: int
