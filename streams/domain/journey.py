"""What a fold keeps while it runs, and what it comes to.

Mutable inside one fold; nothing of it outlives one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.facts import Fact
from schemas.shape import NOWHERE

from .clocks import ClockState, Running
from .definition import Definition
from .gates import Score

if TYPE_CHECKING:
    from schemas.events import Event

NEVER = 1 << 62


@dataclass
class Move:
    """One entry into a stage. `occurrence` counts those of this stage in this journey, from 0."""

    from_stage: str
    to: str
    at: int
    why: str
    occurrence: int
    implied: bool = False
    reason: str = ""
    system: str = ""
    opening: bool = False
    by_loss: bool = False  # a lost deal led there
    dimensions: dict[str, str] = field(default_factory=dict)  # as they were known at `at`
    # Somebody reported that it stands there: a timer's move that is no mere guess any more.
    confirmed: bool = False
    left: Before | None = None  # of a timer's move: where the lead stood
    under: Definition = field(kw_only=True)  # the version that the episode is judged by


@dataclass
class Handoff:
    """One hand-off, as the ledger of its stage keeps it."""

    stage: str
    at: int
    occurrence: int
    hot: bool
    assigned_at: int | None = None
    touched_at: int | None = None
    outcome: str = "pending"
    decided_at: int | None = None
    reason: str = ""
    dimensions: dict[str, str] = field(default_factory=dict)
    under: Definition = field(kw_only=True)


@dataclass
class Deal:
    """One deal of this lead: opened, amount when opened and now, how it ended."""

    id: str
    opened_at: int
    amount_opened: str | None
    role: str
    body: dict[str, Any]
    dimensions: dict[str, str]
    status: str = "open"
    closed_at: int | None = None


@dataclass
class Journey:
    """A lead's way through the funnel once. KPIs count journeys."""

    number: int
    score: Score
    moves: list[Move] = field(default_factory=list)
    handoffs: list[Handoff] = field(default_factory=list)
    deals: dict[str, Deal] = field(default_factory=dict)
    clocks: dict[tuple[str, int, int], tuple[Running, ClockState]] = field(default_factory=dict)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    disagreements: dict[str, dict[str, Any]] = field(default_factory=dict)
    reached: int = -1
    hot: bool = False
    test: bool = False
    opening: bool = False
    excluded: str = ""
    attribution: tuple[str, str, str] = ("", "", "")
    landing_page: str = ""

    def implied(self) -> frozenset[str]:
        """Name the stages that were only implied so far."""
        return frozenset(move.to for move in self.moves if move.implied)


@dataclass(frozen=True)
class Before:
    """Where a lead stood before a recycling or a loss that may be taken back, and until when."""

    stage: str
    since: int
    entry: int
    timer: int
    reached: int
    running: tuple[Running, ...]
    clocks: dict[tuple[str, int, int], tuple[Running, ClockState]]
    score: Score
    hot: bool
    until: int
    under: Definition
    waits: bool
    handoffs: int
    answer: tuple[str, int | None, str]  # of the newest hand-off: outcome, when (ms), reason


@dataclass
class State:
    """Where the lead stands while the fold runs. What is a journey's is in `journeys[-1]`."""

    under: Definition  # the version in force when the present episode began (history h21)
    stage: str = NOWHERE
    since: int = 0
    entry: int = 0
    timer: int = NEVER
    waits: bool = False  # the hand-off of `stage` was not answered yet
    horizon: int = 0
    journeys: list[Journey] = field(default_factory=list)
    running: list[Running] = field(default_factory=list)
    notes: list[Fact] = field(default_factory=list)
    before: Before | None = None
    # Signals since `before`: (signals, at).
    meanwhile: list[tuple[tuple[str, ...], int]] = field(default_factory=list)
    lead: dict[str, Any] = field(default_factory=dict)
    origin: str = ""
    suppressed: str = ""
    opted_out: bool = False
    # By identity: opt-outs that no consent has lifted.
    opt_outs: dict[str, Event] = field(default_factory=dict)
    test: bool = False  # an identity says so, and with it of every journey
    # What identities know of where the lead came from.
    marketing: dict[str, Any] = field(default_factory=dict)
    last_activity: int = 0
    last_human: int | None = None
    last_outbound: int | None = None  # human or automated: when we last turned to the lead
    last_touch: int | None = None


def dimensions(state: State, under: Definition, team: str) -> dict[str, str]:
    """Return what is known now of the dimensions that a definition names, without empty ones.

    A landing page is the journey's: it is known once for all of its facts (`statements`).
    """
    named = under.funnel.dimensions
    if not named:
        return {}
    known = {**state.lead, "team": team}
    return {name: str(known[name]) for name in named if known.get(name)}


class Folded(NamedTuple):
    """What a history comes to: facts, the lead's row of state, and when time alone changes it."""

    facts: dict[str, Fact]
    state: dict[str, Any]
    next_due: int | None
