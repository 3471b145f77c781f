"""Who is notified of a stalled lead, and when: the `notify` section of a funnel file.

It names roles and teams, never people: whoever stands for them is in the notifier's book
(schemas/notice_book.py). It decides nothing of a lead, so a version may change it in place.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from schemas.durations import Duration, Span
from schemas.strict import Strict

NoticeLevel = Literal["warn", "breach", "escalate"]
LEVELS: tuple[NoticeLevel, ...] = get_args(NoticeLevel)  # the later, the higher
CRM = "crm"
ROLES = ("owner", "queue", "manager", "team", CRM)  # a team's own name stands beside them


def _elapsed(value: Duration) -> Duration:
    if value.elapsed_ms() is None:
        raise ValueError(f"{value} depends on a calendar: write minutes or hours, like 1 hour")
    return value


Elapsed = Annotated[Span, AfterValidator(_elapsed)]


def _wall(value: object) -> object:
    """YAML reads 16:00 as 960."""
    if not isinstance(value, str) or not re.fullmatch(_WALL, value):
        raise ValueError(f'{value!r} is no time of day: write one in quotes, like "16:00"')
    return value


_WALL = "([01][0-9]|2[0-3]):[0-5][0-9]"
WallTime = Annotated[
    str, BeforeValidator(_wall), WithJsonSchema({"type": "string", "pattern": f"^{_WALL}$"})
]


class Level(Strict):
    """Who hears of a level; with `digest` not at once, but in the next digest."""

    to: tuple[str, ...]
    digest: bool = False


class Levels(Strict):
    """What a team does otherwise than the funnel; a level that is left out is as in the funnel."""

    warn: Level | None = None
    breach: Level | None = None
    escalate: Level | None = None


class Notify(Strict):
    """Who is notified of which level, and how often at most. `quiet`: in open hours only."""

    warn: Level = Level(to=("owner",))
    breach: Level = Level(to=("owner",))
    escalate: Level = Level(to=("manager",))
    teams: dict[str, Levels] = Field(default_factory=dict)
    digests: Annotated[tuple[WallTime, ...], Field(min_length=1)] = ("09:00",)
    quiet: bool = True
    grouped_within: Elapsed = Field(default="5 minutes", validate_default=True)
    most: Annotated[int, Field(ge=1)] = 10  # messages to one recipient, digests not counted
    most_within: Elapsed = Field(default="1 hour", validate_default=True)

    def level(self, team: str, level: NoticeLevel) -> Level:
        """Return who hears of a level of a team's clocks."""
        own = self.teams.get(team, Levels())
        spec: Level = getattr(own, level) or getattr(self, level)
        return spec
