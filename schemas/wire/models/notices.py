"""`lead.notices`: what the notifier knows and did, and what people snoozed. It names ids only."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from schemas.notify import NoticeLevel

from .alerts import Alert
from .base import Name8, Offset, Partition, Time, Wire

NoticeId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="16 bytes as hex digits")]
# waiting -> sending -> sent -> retracting -> recalling -> retracted; a CRM that refuses: refused
NoticeState = Literal[
    "waiting", "sending", "sent", "retracting", "recalling", "retracted", "refused"
]


class Notice(Wire):
    """One level of a clock, for one recipient."""

    id: NoticeId
    level: NoticeLevel
    to: Annotated[str, Field(description="a recipient by kind and id, like owner:11")]
    round: Annotated[int, Field(description="how often the level was taken back before")] = 0
    state: NoticeState
    since: Annotated[Time, Field(description="since when somebody is to hear of it")]
    send_at: Annotated[Time, Field(description="not before")]
    digest: bool = False
    via: Annotated[tuple[str, ...], Field(description="the channels that took it")] = ()
    back: Annotated[
        tuple[str, ...], Field(description="those of via that took its retraction, or gave it up")
    ] = ()


class Stall(Wire):
    """A clock that somebody is notified of, by its fact: its alerts and its notices."""

    record: Literal["stall"] = "stall"
    version: Literal[1] = 1
    id: Name8
    lead: UUID
    alerts: Annotated[tuple[Alert, ...], Field(description="the newest of each generation")]
    notices: tuple[Notice, ...] = ()
    at: Annotated[Time, Field(description="when it changed last")]


class Item(Wire):
    """A notice that a message carries."""

    stall: Name8
    notice: NoticeId


class Line(Wire):
    """What a message says of one lead, in ids."""

    lead: UUID
    clock_id: Name8
    level: NoticeLevel
    stage: str
    title: str
    clock: str
    due_at: Time
    ended_at: Time | None = None
    status: str = ""
    hot: bool = False
    team: str = ""
    owner: str = ""
    queue: str = ""
    asks: Annotated[str, Field(description="what must be done: call, accept or reject, ...")] = ""
    record_url: str = ""


class Notification(Wire):
    """A message to one recipient; its id stays the same however often it is sent."""

    record: Literal["message"] = "message"
    version: Literal[1] = 1
    id: NoticeId
    to: str
    kind: Literal["notice", "retraction"]
    digest: bool = False
    at: Time
    items: tuple[Item, ...]
    lines: Annotated[tuple[Line, ...], Field(description="the ten longest due of them")]
    channels: Annotated[tuple[str, ...], Field(description="by which it goes, like mailto.0")]
    taken: Annotated[tuple[str, ...], Field(description="the channels that took it")] = ()
    failed: Annotated[tuple[str, ...], Field(description="those given up")] = ()


class Snooze(Wire):
    """A lead, or one of its clocks, of which nobody is notified until an instant."""

    record: Literal["snooze"] = "snooze"
    version: Literal[1] = 1
    subject: Annotated[str, Field(description="a lead's id, or the id of a clock's fact")]
    until: Time
    by: Annotated[str, Field(description="who asked for it")]
    why: str
    at: Time


class Place(Wire):
    """How far a partition of lead.alerts was read."""

    record: Literal["place"] = "place"
    version: Literal[1] = 1
    partition: Partition
    next_offset: Offset


class Shown(Wire):
    """The generation that was shown when ClickHouse answered last."""

    record: Literal["shown"] = "shown"
    version: Literal[1] = 1
    generation: Annotated[int, Field(ge=1)]
