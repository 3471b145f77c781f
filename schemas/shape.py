"""What the stages of a funnel are, whatever a firm calls them.

A stage on the ladder is the entry, the deal, the win, or plain; it may hand a lead off, accept one,
or have a gate. A stage beside the ladder has a role. The lifecycle, the ledger of hand-offs and the
figures ask for these and for nothing else, so no name decides anything. A funnel may lack any role
but the entry and the win: a name is then empty, and what the role would take goes to the role that
stands in for it (`leads_to`), or nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import Literal, NamedTuple

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
REJECTED_TO: tuple[Role, ...] = ("recycled", "inactive", "lost", "disqualified")
HERE = "here"  # instead of a stage: a hand-off that is acknowledged without a move
NOWHERE = ""

_TAKES_A_LOSS: tuple[Role, ...] = ("lost", "recycled", "disqualified", "inactive")
_STANDS_IN: tuple[Role, ...] = ("disqualified", "inactive", "recycled")


class Where(Enum):
    """Sets of stages that the rules of the lifecycle speak of."""

    NOWHERE = auto()  # nothing is known of the lead yet
    LADDER = auto()  # with what stands beside it and is not over: nurture and advocate
    UNQUALIFIED = auto()  # the ladder below the stage that qualifies
    EARLY = auto()  # nurture, and the ladder below what is worked
    BEFORE_DEAL = auto()  # nurture, and the ladder below the deal; without one, below the win
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


class HandoffStage(NamedTuple):
    """A stage in which a lead waits until somebody accepts it, by which it reaches `accepted`."""

    stage: str
    accepted: str  # its own stage, where it is acknowledged without a move

    @property
    def here(self) -> bool:
        """Return whether it is acknowledged without a move."""
        return self.stage == self.accepted


@dataclass(frozen=True)
class Shape:
    """The stages of a funnel by what they are; a name is empty where the funnel has no such stage.

    `handoffs` and `gated` (the stages that a gate leads to) are in the order of the ladder.
    """

    ladder: tuple[str, ...]
    optional: tuple[str, ...] = ()
    handoffs: tuple[HandoffStage, ...] = ()
    gated: tuple[str, ...] = ()
    deal: str = NOWHERE
    nurture: str = NOWHERE
    recycled: str = NOWHERE
    inactive: str = NOWHERE
    lost: str = NOWHERE
    disqualified: str = NOWHERE
    churned: str = NOWHERE
    advocate: str = NOWHERE

    @property
    def entry(self) -> str:
        """Return the first stage of the ladder."""
        return self.ladder[0]

    @property
    def won(self) -> str:
        """Return the last stage of the ladder."""
        return self.ladder[-1]

    @cached_property
    def qualifying(self) -> str:
        """Return the stage that qualifies a lead: the lowest one that is gated or hands it off."""
        marked = {*self.gated, *(one.stage for one in self.handoffs)} - {self.won}
        return min(marked, key=self.index, default=self.ladder[1])

    @cached_property
    def accepting(self) -> tuple[str, ...]:
        """Return the stages below the win by which a hand-off is accepted."""
        return tuple(one.accepted for one in self.handoffs if one.accepted != self.won)

    @property
    def accepted(self) -> str:
        """Return the first accepted stage; empty where the funnel hands no lead off."""
        return self.accepting[0] if self.accepting else NOWHERE

    @cached_property
    def worked(self) -> tuple[str, ...]:
        """Return the stages in which a lead is worked on, so that its deal can be lost."""
        if self.accepting:
            return self.ladder[self.index(self.accepted) : -1]
        return self.ladder[1:-1] or self.ladder[:1]

    @property
    def opens(self) -> str:
        """Return the stage that a lead reaches when its deal is created."""
        return self.deal or self.worked[-1]

    @cached_property
    def detours(self) -> tuple[str, ...]:
        """Return the stages beside the ladder that a lead is sent to when it does not go on."""
        return tuple(stage for role in DETOURS if (stage := self.of(role)))

    @cached_property
    def unaccepted(self) -> frozenset[str]:
        """Return where a lead stands that nobody has accepted and nobody has ruled out."""
        return self._sets[Where.EARLY] | self._sets[Where.DETOUR]

    def of(self, role: Role) -> str:
        """Return the stage that has a role, or nothing."""
        stage: str = getattr(self, role)
        return stage

    def leads_to(self, role: Role) -> str:
        """Return the stage that takes what a role is meant to take; empty where none can."""
        roles = _TAKES_A_LOSS if role == "lost" else (role, *_STANDS_IN)
        return next((stage for one in roles if (stage := self.of(one))), NOWHERE)

    def role_of(self, stage: str) -> Role | None:
        """Return the role of a stage beside the ladder."""
        return next((role for role in ASIDE if stage and self.of(role) == stage), None)

    def handoff(self, stage: str) -> HandoffStage | None:
        """Return the hand-off in whose stage a lead waits, or None."""
        return self._handoffs.get(stage)

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
    def _handoffs(self) -> dict[str, HandoffStage]:
        return {one.stage: one for one in self.handoffs}

    @cached_property
    def _sets(self) -> dict[Where, frozenset[str]]:
        def stages(*names: str) -> frozenset[str]:
            return frozenset(filter(None, names))

        early = stages(*self._below(self.worked[0]), self.nurture)
        worked = frozenset(self.worked)
        ladder = stages(*self.ladder, self.nurture, self.advocate)
        customers = stages(self.won, self.advocate)
        detour, lost = stages(self.recycled, self.inactive), stages(self.lost)
        return {
            Where.NOWHERE: frozenset({NOWHERE}),
            Where.LADDER: ladder,
            Where.UNQUALIFIED: frozenset(self._below(self.qualifying)),
            Where.EARLY: early,
            Where.BEFORE_DEAL: stages(*self._below(self.deal or self.won), self.nurture),
            Where.WORKED: worked,
            Where.WORKED_OR_EARLY: worked | early,
            Where.DEAL: stages(self.deal),
            Where.CUSTOMERS: customers,
            Where.PROSPECTS: ladder - customers,
            Where.DETOUR: detour,
            Where.LOST: lost,
            Where.DETOUR_OR_LOST: detour | lost,
            Where.ENDED: stages(self.disqualified, self.churned),
        }
