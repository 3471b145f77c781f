"""The webhook by which a CRM reassigns a lead or sets a task: what the notifier posts, as JSON.

It is no record of Kafka's. `docs/notifications.md` says how it is signed, retried and answered.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from schemas.notify import NoticeLevel

from .base import Time, Wire
from .notices import NoticeId


class WebhookLead(Wire):
    """The lead, in ids as the CRM has them, and what is to be done."""

    id: UUID
    record_url: Annotated[str, Field(description="the CRM's own record, where it is known")] = ""
    page: Annotated[str, Field(description="the lead's page of leadstream")] = ""
    stage: str
    title: Annotated[str, Field(description="what people read for the stage")]
    clock: str
    due_at: Time
    ended_at: Annotated[Time | None, Field(description="of a retraction: when it was done")] = None
    hot: bool = False
    team: str = ""
    owner: str = ""
    queue: str = ""
    asks: Annotated[str, Field(description="what must be done: call, accept or reject, ...")] = ""


class Webhook(Wire):
    """One level of one lead's clock. A repeat has the same id and the same meaning."""

    version: Literal[1] = 1
    id: NoticeId
    what: Literal["raised", "retracted"]
    level: NoticeLevel
    at: Annotated[Time, Field(description="when it was written")]
    text: Annotated[str, Field(description="one sentence for people")]
    lead: WebhookLead
