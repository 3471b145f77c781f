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
from sinks.clickhouse.catalogue import Basis, Better, Unit
from streams.domain.duties import Must


def _utc(value: Any) -> Any:
    """Return an instant in UTC, which JSON writes with a Z; ms since the epoch are one too."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return datetime.fromtimestamp(value / 1000, UTC)
    if not isinstance(value, datetime):
        return value
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Moment = Annotated[datetime, BeforeValidator(_utc)]
MaybeMoment = Annotated[datetime | None, BeforeValidator(lambda value: _utc(value or None))]
RecordUrl = Annotated[
    str,
    BeforeValidator(addresses.web),
    Field(description="an http(s) address of the CRM's record; empty without one"),
]
Next = Annotated[int | None, Field(description="the next page's offset; null on the last one")]
_PERSONAL = ("account", "attributes")


class Answer(BaseModel):
    """An answer: as its model says, and nothing else of what it is made of."""

    model_config = ConfigDict(extra="ignore")


class Problem(BaseModel):
    """Why there is no answer."""

    detail: str


class Definition(Answer):
    """A KPI as people read it."""

    kpi: str
    title: str
    unit: Unit
    format: str
    better: Better
    meaning: str


class Known(Definition):
    """A KPI of the catalogue, with what can be asked of it."""

    basis: Basis
    rows: Annotated[list[str], Field(description="dimensions that its figures always have")]
    split: Annotated[bool, Field(description="whether it can be asked `by` a dimension")]
    leads: Annotated[bool, Field(description="whether the leads behind it can be listed")]
    why: Annotated[str, Field(description="why this funnel cannot have it; empty where it can")]


class Figure(Definition):
    """One figure of a KPI, with what it is made of."""

    basis: str
    dimensions: dict[str, str | bool | int | float | None]
    value: float | None
    numerator: float | None
    denominator: float | None
    n: int | None
    mature: int | None
    pending: int | None
    implied: int | None
    note: str
    previous: Annotated[
        float | None, Field(description="of the period before; null unless `compare` asks for it")
    ] = None


class Period(Answer):
    """A period of the question: from its first instant to before its last, as of an instant."""

    zone: str
    start: Annotated[MaybeMoment, Field(alias="from")]
    end: Annotated[MaybeMoment, Field(alias="to")]
    as_of: Moment


class Report(Answer):
    """The figures of a question, with its period and the one before."""

    period: Period
    before: Period | None
    figures: list[Figure]


class Member(Answer):
    """A journey behind a figure, with the instant by which it lies in the period."""

    lead: str
    journey: int
    at: MaybeMoment
    counted: Annotated[
        bool | None, Field(description="of a share or cohort: whether it is in the numerator")
    ] = None
    ripe: Annotated[bool | None, Field(description="of a cohort: whether it is mature")] = None


class Members(Answer):
    """A page of the journeys behind a figure."""

    total: int
    leads: list[Member]
    next: Next


class Step(Answer):
    """Entries into a stage, and how many leads stand in it."""

    stage: str
    title: str
    entered: int
    open: int


class Flow(Answer):
    """Moves from one stage to another."""

    from_stage: str
    to_stage: str
    n: int


class Late(Answer):
    """A lead with the clock that counts, and whose move it is."""

    lead: str
    stage: str
    title: str
    clock: Annotated[str, Field(description="empty where none runs")]
    status: str
    hot: bool
    owner: str
    manager: str
    team: Annotated[str, Field(description="whose stage it is")]
    must: Annotated[Must, Field(description="what stops the clock")]
    move: Annotated[str, Field(description="who must do what")]
    record_url: RecordUrl
    source: str
    since: Moment
    due_at: MaybeMoment
    late_seconds: Annotated[float | None, Field(description="negative before the due time")]
    late: Annotated[str, Field(description="how late, in words")]


class Waiting(Late):
    """A hot lead whose hand-off nobody has decided."""

    touched: Annotated[bool, Field(description="whether a person has been in touch")]


class Lates(Answer):
    """A page of leads."""

    total: int
    rows: list[Late]
    next: Next


class Stalled(Lates):
    """A page of the leads past a service level, and how many each team has to move."""

    teams: dict[str, int]


class Waitings(Answer):
    """A page of the hot leads that wait."""

    total: int
    rows: list[Waiting]
    next: Next


class Transition(Answer):
    """One move of one lead."""

    lead: str
    from_stage: str
    to_stage: str
    why: str
    reason: str
    event_time: Moment


class Feed(Answer):
    """A page of the last moves."""

    rows: list[Transition]
    next: Next


class Lead(Answer):
    """A lead as it stands."""

    lead: str
    stage: str
    journey: int
    hot: bool
    owner: str
    source: str
    record_url: RecordUrl
    since: MaybeMoment


class Found(Answer):
    """The leads that a text names."""

    leads: list[Lead]


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
    stated_at: MaybeMoment = None
    test: bool = False


class Version(Answer):
    """A version of the funnel that the lead was judged by."""

    version: str
    effective_from: date
    strategy: str


def _without_persons(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kept = {name: _with_times(name, one) for name, one in value.items() if name not in _PERSONAL}
    return kept | (
        {"record_url": addresses.web(kept["record_url"])} if "record_url" in kept else {}
    )


def _with_times(name: str, value: Any) -> Any:
    """Return a value of a document in which all instants are so: facts keep theirs as ms."""
    if isinstance(value, list):
        return [_with_times("", one) for one in value]
    if isinstance(value, dict):
        return {key: _with_times(key, one) for key, one in value.items()}
    is_moment = isinstance(value, datetime) or (name.endswith("_at") and isinstance(value, int))
    return _utc(value) if is_moment else value


Document = Annotated[dict[str, Any], BeforeValidator(_without_persons)]


class Story(Answer):
    """One lead: whose move it is, where it stands, what happened, follows, and is ahead."""

    headline: str
    lead: str
    now: Document
    definitions: list[Version]
    events: list[Happened]
    facts: list[Document]
    restated: list[Document]
    ladder: list[str]
    outlook: Document
