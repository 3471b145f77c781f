"""`lead.alerts`: the level that a clock has reached, or its retraction. People are named by id."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from .base import Name8, Time, Wire


class Alert(Wire):
    """A level of a clock. The highest revision of an id holds; a repeat is harmless."""

    record: Literal["alert"]
    version: Literal[2]
    id: Annotated[Name8, Field(description="the id of the clock's fact")]
    lead: UUID
    revision: int
    generation: int
    what: Literal["raised", "retracted"]
    stage: str = ""
    title: Annotated[str, Field(description="what people read for the stage; of a raised one")] = ""
    clock: str = ""
    warn_at: Time | None = None
    due_at: Time | None = None
    escalate_at: Time | None = None
    stopped_at: Time | None = None
    cancelled_at: Time | None = None
    status: str = ""
    hot: bool = False
    restarting: bool = False
    test: bool = False
    funnel: str = ""
    funnel_version: str = ""
    team: Annotated[str, Field(description="the team that owns the stage; of a raised one")] = ""
    owner: str = ""
    queue: str = ""
    manager: str = ""
