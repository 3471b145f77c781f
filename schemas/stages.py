"""A stage of a funnel: what it is, who owns it, what runs while a lead stays in it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from schemas.durations import Span
from schemas.shape import Role
from schemas.strict import Strict

StopWord = Literal[
    "human", "automated", "inbound", "accepted", "rejected", "onboarded", "leave", "moved"
]
Title = Annotated[str, StringConstraints(min_length=1, max_length=80)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


class Clock(Strict):
    """A service level: stopped once (`stopped_by`), or restarted by each touch (`restarted_by`)."""

    within: Span
    hot_within: Span | None = None
    hot_calendar: str | None = None
    stopped_by: tuple[StopWord, ...] = ()
    restarted_by: tuple[StopWord, ...] = ()
    calendar: str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Clock:
        if bool(self.stopped_by) == bool(self.restarted_by):
            raise ValueError("a clock has either stopped_by or restarted_by")
        return self


class Timer(Strict):
    """A move that happens by itself, at its due time; of a hot lead after `hot_after`."""

    after: Span
    to: str
    hot_after: Span | None = None
    taken_back_within: Span | None = None


class Handoff(Strict):
    """In this stage a lead waits until a team accepts it.

    By that it reaches the next stage that is not optional, which `accepted_by` names, or stays
    where it is (`here`).
    """

    to: str
    accepted_by: str


class Stage(Strict):
    """One stage. `title` is what people read, `titles` the same in other languages (BCP 47)."""

    title: Title | None = None
    titles: dict[Language, Title] = Field(default_factory=dict)
    owner: str
    role: Role | None = None
    optional: bool = False  # of the ladder: passing it by is no skip
    gate: str | None = None  # the gate that leads here
    decided_by: Literal["source", "gate", "either"] = "either"  # whose word moves a lead here
    handoff: Handoff | None = None
    authority: tuple[str, ...] = ()  # the systems whose word moves leads here; empty is any
    also: tuple[str, ...] = ()  # what else people call it
    clocks: dict[str, Clock] = Field(default_factory=dict)
    timer: Timer | None = None
    # Of the stage that takes lost deals: what comes back so soon takes the loss back.
    reopened_within: Span = Field(default="90 days", validate_default=True)
