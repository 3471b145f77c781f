"""What the stages of a funnel are, whatever a firm calls them.

The lifecycle, the hand-off ledger and the figures know a stage by what it is: the entry of the
ladder, the stage that hands a lead off and the one that accepts it, the deal, the win, and the
places beside the ladder, each by its role. So no name decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import Literal

Role = Literal[
    "deal",  # a deal is open
    "won",  # the last stage of the ladder
    "nurture",  # known, and not qualified yet: marketing keeps in touch
    "recycled",  # given back: it may qualify again, as a new journey
    "inactive",  # given up by a timer
    "lost",  # its deal was lost
    "disqualified",  # it will never buy
    "churned",  # a customer who left
    "advocate",  # a customer who speaks for us
]
ASIDE: tuple[Role, ...] = (
    "nurture",
    "recycled",
    "inactive",
    "lost",
    "disqualified",
    "churned",
    "advocate",
)


DETOURS: tuple[Role, ...] = ("recycled", "inactive", "lost", "disqualified", "churned")


class Where(Enum):
    """Sets of stages that the rules of the lifecycle speak of."""

    NOWHERE = auto()  # nothing is known of the lead yet
    LADDER = auto()  # with what stands beside it and is not over: nurture and advocate
    UNQUALIFIED = auto()  # the ladder below the stage that qualifies
    EARLY = auto()  # nurture, and the ladder below the first accepted stage
    BEFORE_DEAL = auto()  # nurture, and the ladder below the deal
    WORKED = auto()  # from the first accepted stage up to, not including, the win
    WORKED_OR_EARLY = auto()
    DEAL = auto()
    CUSTOMERS = auto()  # the win and advocate
    PROSPECTS = auto()  # LADDER without CUSTOMERS
    DETOUR = auto()  # recycled and inactive: what qualifies there begins a new journey
    LOST = auto()
    DETOUR_OR_LOST = auto()
    ENDED = auto()  # disqualified and churned
    ANYWHERE = auto()


NOWHERE = ""


@dataclass(frozen=True)
class Shape:
    """The stages of a funnel by what they are; a name is empty where the funnel has no such stage.

    `handoff` is the stage in which a lead waits until sales accepts it, `accepted` the one that it
    reaches then, `qualifying` the lowest stage above the entry that is gated or hands a lead off.
    """

    ladder: tuple[str, ...]
    handoff: str
    accepted: str
    gated: str
    deal: str
    won: str
    nurture: str
    recycled: str
    inactive: str
    lost: str
    disqualified: str
    churned: str
    advocate: str

    @property
    def entry(self) -> str:
        """Return the first stage of the ladder."""
        return self.ladder[0]

    @cached_property
    def qualifying(self) -> str:
        """Return the stage that qualifies a lead."""
        return min((self.gated, self.handoff), key=self.index)

    @cached_property
    def detours(self) -> tuple[str, ...]:
        """Return the stages beside the ladder that a lead is sent to when it does not go on."""
        return (self.recycled, self.inactive, self.lost, self.disqualified, self.churned)

    @cached_property
    def judged(self) -> frozenset[str]:
        """Return where what becomes known of a lead is brought before the gate."""
        return frozenset(
            {
                *self._below(self.gated),
                self.gated,
                self.nurture,
                self.recycled,
                self.inactive,
            }
        )

    @cached_property
    def unaccepted(self) -> frozenset[str]:
        """Return where a lead stands that nobody has accepted and nobody has ruled out."""
        return self._sets[Where.EARLY] | self._sets[Where.DETOUR]

    def index(self, stage: str) -> int:
        """Return a stage's place on the ladder, -1 where it stands beside it."""
        return self._places.get(stage, -1)

    def holds(self, where: Where, stage: str) -> bool:
        """Return whether a stage is in a set."""
        return where is Where.ANYWHERE or stage in self._sets[where]

    def _below(self, stage: str) -> tuple[str, ...]:
        return self.ladder[: self.index(stage)]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {stage: place for place, stage in enumerate(self.ladder)}

    @cached_property
    def _sets(self) -> dict[Where, frozenset[str]]:
        early = frozenset({*self._below(self.accepted), self.nurture})
        worked = frozenset(self.ladder[self.index(self.accepted) : -1])
        ladder = frozenset({*self.ladder, self.nurture, self.advocate})
        customers = frozenset({self.won, self.advocate})
        detour, lost = frozenset({self.recycled, self.inactive}), frozenset({self.lost})
        return {
            Where.NOWHERE: frozenset({NOWHERE}),
            Where.LADDER: ladder,
            Where.UNQUALIFIED: frozenset(self._below(self.qualifying)),
            Where.EARLY: early,
            Where.BEFORE_DEAL: frozenset({*self._below(self.deal), self.nurture}),
            Where.WORKED: worked,
            Where.WORKED_OR_EARLY: worked | early,
            Where.DEAL: frozenset({self.deal}),
            Where.CUSTOMERS: customers,
            Where.PROSPECTS: ladder - customers,
            Where.DETOUR: detour,
            Where.LOST: lost,
            Where.DETOUR_OR_LOST: detour | lost,
            Where.ENDED: frozenset({self.disqualified, self.churned}),
        }
