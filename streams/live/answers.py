"""What the API answers, as its OpenAPI states it. What stands in no model is not sent.

No personal data of leads: of an event neither its attributes, nor addresses of pages (they carry
what was typed), nor the account, which may be a person. Owners are named as their CRM names them:
the page is about their work.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from schemas import addresses


def _utc(value: Any) -> Any:
    return (
        value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
    )


Moment = Annotated[datetime, BeforeValidator(_utc)]
RecordUrl = Annotated[
    str,
    BeforeValidator(addresses.web),
    Field(description="an http(s) address of the CRM's record; empty without one"),
]
_PERSONAL = ("account", "attributes")


class Answer(BaseModel):
    """An answer: as its model says, and nothing else of what it is made of."""

    model_config = ConfigDict(extra="ignore")


class Problem(BaseModel):
    """Why there is no answer."""

    detail: str


class Figure(Answer):
    """One figure of a KPI, with what it is made of."""

    kpi: str
    basis: str
    dimensions: dict[str, str | bool | int | float | None]
    value: float | None
    numerator: float | None
    denominator: float | None
    n: int | None
    mature: int | None
    pending: int | None


class Step(Answer):
    """Entries into a stage, and how many leads stand in it."""

    stage: str
    entered: int
    open: int


class Flow(Answer):
    """Moves from one stage to another."""

    from_stage: str
    to_stage: str
    n: int


class Stalled(Answer):
    """A lead past a service level of its stage."""

    lead: str
    stage: str
    clock: str
    status: str
    owner: str
    record_url: RecordUrl
    due_at: Moment
    since: Moment


class Transition(Answer):
    """One move of one lead."""

    lead: str
    from_stage: str
    to_stage: str
    why: str
    event_time: Moment


class Health(Answer):
    """How far time has come (seconds behind now), and how many leads there are."""

    tick_age_seconds: float | None
    leads: int


class Happened(Answer):
    """An event of a lead: when it happened, and when we learned it."""

    at: Moment
    learned: Moment
    type: str
    id: str
    source: str
    held: bool
    kind: str | None = None
    direction: str | None = None
    stage: str | None = None
    reason: str | None = None
    score: float | None = None
    granted: bool | None = None
    origin: str | None = None
    owner: str | None = None
    segment: str | None = None
    deal: dict[str, str] | None = None
    stated_at: int | None = None
    test: bool = False


class Version(Answer):
    """A version of the funnel that the lead was judged by."""

    version: str
    effective_from: date
    strategy: str


def _without_persons(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kept = {name: one for name, one in value.items() if name not in _PERSONAL}
    return kept | (
        {"record_url": addresses.web(kept["record_url"])} if "record_url" in kept else {}
    )


Document = Annotated[dict[str, Any], BeforeValidator(_without_persons)]


class Story(Answer):
    """One lead: where it stands, what happened, follows, was taken back, and is ahead."""

    lead: str
    now: Document
    definitions: list[Version]
    events: list[Happened]
    facts: list[Document]
    restated: list[Document]
    ladder: list[str]
    outlook: Document
