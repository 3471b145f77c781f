"""What happened to a lead: the one event model that every source is turned into.

Times are integers, milliseconds since the epoch in UTC. Aliases are personal data and stay on
`lead.events`; `content` is the part that the lifecycle may see, and nothing in it says when or in
which order anything arrived.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated, Any, Literal, NamedTuple

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
)

from schemas.money import Amount, Currency


class EventType(StrEnum):
    """The vocabulary of `lead.events`; a vendor's words are mapped to it by its adapter."""

    CREATED = "lead.created"
    SNAPSHOT = "lead.snapshot"
    STAGE_REPORTED = "lead.stage_reported"
    ACCEPTED = "lead.accepted"
    REJECTED = "lead.rejected"
    ASSIGNED = "lead.assigned"
    DELETED = "lead.deleted"
    RESTORED = "lead.restored"
    TOUCH = "touch"
    SCORE_CHANGED = "score_changed"
    CONSENT = "consent"
    OPPORTUNITY_CREATED = "opportunity.created"
    OPPORTUNITY_STAGE_CHANGED = "opportunity.stage_changed"
    OPPORTUNITY_WON = "opportunity.won"
    OPPORTUNITY_LOST = "opportunity.lost"
    OPPORTUNITY_DELETED = "opportunity.deleted"
    OPPORTUNITY_RESTORED = "opportunity.restored"
    LINKED = "identity.linked"
    MERGE = "merge"
    UNMERGE = "unmerge"
    ERASE = "erase"
    VOID = "void"


# Equal timestamps are ordered by how far along the lifecycle the event speaks (history h1).
RANK: dict[EventType, int] = {
    EventType.LINKED: 0,
    EventType.MERGE: 0,
    EventType.UNMERGE: 0,
    EventType.ERASE: 0,
    EventType.VOID: 0,
    EventType.SNAPSHOT: 1,
    EventType.CREATED: 1,
    EventType.CONSENT: 2,
    EventType.SCORE_CHANGED: 2,
    EventType.ASSIGNED: 2,
    EventType.TOUCH: 3,
    EventType.STAGE_REPORTED: 4,
    EventType.ACCEPTED: 5,
    EventType.REJECTED: 5,
    EventType.OPPORTUNITY_CREATED: 6,
    EventType.OPPORTUNITY_STAGE_CHANGED: 7,
    EventType.OPPORTUNITY_WON: 8,
    EventType.OPPORTUNITY_LOST: 8,
    EventType.DELETED: 9,
    EventType.OPPORTUNITY_DELETED: 9,
    EventType.RESTORED: 10,
    EventType.OPPORTUNITY_RESTORED: 10,
}

Alias = Annotated[str, StringConstraints(min_length=3, max_length=320, pattern=r"^[a-z0-9_]+:.+")]
Text = Annotated[str, StringConstraints(max_length=500)]
Direction = Literal["inbound", "human", "automated"]

EARLIEST = 0  # 1970: a date before it is a unit mistaken, not a lead
LATEST = 4_102_444_800_000  # 2100
FURTHEST = 253_402_300_799_999  # 9999: a time beyond it is in another unit


def _day(value: Any) -> Any:
    """Return a day that a CRM wrote as ms since the epoch (change events) or as ISO 8601 (REST).

    An empty text means that the day was cleared.
    """
    text = value if isinstance(value, str) else ""
    try:
        if text.lstrip("-").isdigit():
            return datetime.fromtimestamp(int(text) / 1000, UTC).date().isoformat()
        return date.fromisoformat(text[:10]).isoformat() if text else value
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(
            f"{text!r} is no day: write one like 2026-01-31, or ms since the epoch"
        ) from error


class Deal(BaseModel):
    """An opportunity as its CRM names it.

    Amounts are decimal strings in `currency` (ISO 4217), never floats.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: Text
    amount: Amount | Literal[""] | None = None  # "" when it was cleared
    currency: Currency | None = None
    margin: Amount | None = None
    stage: Text | None = None
    close_date: Annotated[str, BeforeValidator(_day)] | None = None  # a day; "" when it was cleared
    role: Text = "primary"  # the contact's role; anything but primary is an influenced deal
    merged: tuple[Text, ...] = ()  # of a merge: the ids of the deals that became this one


class Marketing(BaseModel):
    """Where a lead came from, as the source says it.

    The funnel's source table makes source and channel of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    platform: Text | None = None  # meta, google, linkedin: the ad platform that delivered the lead
    click: Text | None = None  # gclid, fbclid, li_fat_id: the kind of click id, never the id
    utm_source: Text | None = None
    utm_medium: Text | None = None
    utm_campaign: Text | None = None
    campaign: Text | None = None
    ad: Text | None = None  # the ad's id, where a platform names no campaign with it
    referrer: Text | None = None
    landing_page: Text | None = None


class LeadEvent(BaseModel):
    """One thing that happened to one lead.

    `id` is made from the vendor's own ids, so a retry keeps it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    type: EventType
    occurred_at: Annotated[int, Field(ge=EARLIEST, le=LATEST)]
    source: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}$")]
    aliases: Annotated[tuple[Alias, ...], Field(min_length=1, max_length=20)]
    sequence: Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)] = 0
    # the time the source stated, where it lay beyond the receipt (history h7)
    stated_at: Annotated[int, Field(le=FURTHEST)] | None = None
    test: bool = False
    kind: Text | None = None  # of a touch: page_view, form, demo_form, email_click, call, ...
    direction: Direction | None = None  # of a touch
    stage: Text | None = None  # a stage in the source's own words
    reason: Text | None = None
    handoff: Text | None = None  # of an answer: the stage whose hand-off it accepts or rejects
    score: Annotated[float, Field(allow_inf_nan=False)] | None = None
    granted: bool | None = None  # of a consent
    origin: Text | None = None  # marketing, sales, partner, ...
    owner: Text | None = None
    queue: Text | None = None
    manager: Text | None = None
    record_url: Text | None = None
    account: Text | None = None
    segment: Text | None = None
    deal: Deal | None = None
    marketing: Marketing | None = None
    voids: Text | None = None  # of a void: the id of the event that it takes back
    attributes: dict[str, str] = Field(default_factory=dict)

    @field_validator("attributes")
    @classmethod
    def _bounded(cls, value: dict[str, str]) -> dict[str, str]:
        if (
            len(value) > 20
            or any(len(text) > 500 for text in value.values())
            or any(len(name) > 100 for name in value)
        ):
            raise ValueError(
                "at most 20 attributes, their names of at most 100 characters "
                "and their values of at most 500"
            )
        return value


NOT_CONTENT = {"id", "type", "occurred_at", "sequence", "aliases"}


Key = tuple[int, int, int, str, str]  # of an event: time, rank, sequence, id, identity


class Event(NamedTuple):
    """An event as the fold sees it.

    Compared as a tuple it is a total order, also over contents of one id.

    The first five fields are the key of history h1. `id` is the short name of the event's own
    id (the archive keeps the whole one); `body` is canonical JSON, so equal contents are equal
    bytes.
    """

    at: int
    rank: int
    sequence: int
    id: str
    origin: str
    type: str
    body: str

    @property
    def key(self) -> Key:
        """The event's place in time, without its content."""
        return self[:5]


def short(name: str) -> str:
    """Return the short name of an id: 8 bytes of its hash, as 16 hex digits.

    A row holds thousands of them; a JSON number would lose digits.
    """
    return blake2b(name.encode(), digest_size=8).hexdigest()


def content(event: LeadEvent) -> str:
    """Canonical JSON of what the lifecycle may see of an event: no alias, no arrival."""
    fields = event.model_dump(exclude=NOT_CONTENT, exclude_none=True, exclude_defaults=True)
    fields["source"] = event.source
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS).decode()


def to_event(event: LeadEvent, origin: str) -> Event:
    """Place an event in the history of the lead that `origin` is housed in."""
    return Event(
        event.occurred_at,
        RANK[event.type],
        event.sequence,
        short(event.id),
        origin,
        event.type.value,
        content(event),
    )


class _Frozen(dict[str, Any]):
    """A dict that nobody can change: reads cost what a dict's cost, and orjson writes it as one."""

    __slots__ = ()

    def _refuse(self, *_args: Any, **_named: Any) -> Any:
        raise TypeError(
            "a parsed body is shared by all who read it: make a dict of it before you change it"
        )

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    if not isinstance(value, dict):
        return value
    for name, one in value.items():
        if isinstance(one, (dict, list)):
            value[name] = _frozen(one)
    return _Frozen(value)


@lru_cache(maxsize=200_000)
def parse(body: str) -> Mapping[str, Any]:
    """Read a canonical body. The cache is shared, so nothing in what it returns can be changed."""
    return _frozen(orjson.loads(body))  # type: ignore[no-any-return]
