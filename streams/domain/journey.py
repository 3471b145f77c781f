"""What a fold keeps while it runs, and what it comes to.

Mutable inside one fold. What outlives one is a copy of it, as bytes (end.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import Struct, field

from schemas.events import Event
from schemas.facts import Fact
from schemas.shape import NOWHERE

from .clocks import ClockState, Running
from .definition import Definition
from .gates import Score

NEVER = 1 << 62


class Move(Struct, array_like=True):
    """One entry into a stage. `occurrence` counts those of this stage in this journey, from 0."""

    from_stage: str
    to: str
    at: int
    why: str
    occurrence: int
    under: Definition  # the version that the episode is judged by
    implied: bool = False
    reason: str = ""
    system: str = ""
    opening: bool = False
    by_loss: bool = False  # a lost deal led there
    dimensions: dict[str, str] = field(default_factory=dict)  # as they were known at `at`
    # Somebody reported that it stands there: a timer's move that is no mere guess any more.
    confirmed: bool = False
    left: Before | None = None  # of a timer's move: where the lead stood


class Handoff(Struct, array_like=True):
    """One hand-off, as the ledger of its stage keeps it."""

    stage: str
    at: int
    occurrence: int
    hot: bool
    under: Definition
    assigned_at: int | None = None
    touched_at: int | None = None
    outcome: str = "pending"
    decided_at: int | None = None
    reason: str = ""
    dimensions: dict[str, str] = field(default_factory=dict)


class Deal(Struct, array_like=True):
    """One deal of this lead: opened, amount when opened and now, how it ended."""

    id: str
    opened_at: int
    amount_opened: str | None
    role: str
    body: dict[str, Any]
    dimensions: dict[str, str]
    status: str = "open"
    closed_at: int | None = None


class Journey(Struct, array_like=True):
    """A lead's way through the funnel once. KPIs count journeys."""

    number: int
    score: Score
    moves: list[Move] = field(default_factory=list)
    handoffs: list[Handoff] = field(default_factory=list)
    deals: dict[str, Deal] = field(default_factory=dict)
    clocks: dict[str, tuple[Running, ClockState]] = field(default_factory=dict)
    # Those that were stated of a state at the end have a stage, and a key: nothing changes them.
    decisions: list[dict[str, Any] | str] = field(default_factory=list)
    disagreements: dict[str, dict[str, Any] | None] = field(default_factory=dict)
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


class Before(Struct, array_like=True, frozen=True):
    """Where a lead stood before a recycling or a loss that may be taken back, and until when."""

    stage: str
    since: int
    entry: int
    timer: int
    reached: int
    running: tuple[Running, ...]
    clocks: dict[str, tuple[Running, ClockState]]
    score: Score | None  # None: the journey's own, which goes on
    hot: bool
    until: int
    under: Definition
    waits: bool
    handoffs: int
    answer: tuple[str, int | None, str]  # of the newest hand-off: outcome, when (ms), reason


class Sealed(Struct, array_like=True, frozen=True):
    """What is still asked of journeys that no event in order changes any more."""

    journeys: int = 0  # how many
    opening: bool = False  # one of them began with an opening balance
    deals: frozenset[str] = frozenset()  # their ids


class State(Struct, array_like=True):
    """Where the lead stands while the fold runs. What is a journey's is in `journeys[-1]`."""

    under: Definition  # the version in force when the present episode began (history h21)
    stage: str = NOWHERE
    since: int = 0
    entry: int = 0
    timer: int = NEVER
    waits: bool = False  # the hand-off of `stage` was not answered yet
    horizon: int = 0
    sealed: Sealed = Sealed()
    journeys: list[Journey] = field(default_factory=list)  # those after the sealed ones
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

    @property
    def number(self) -> int:
        """How many journeys there were, and so the number of the present one."""
        return self.sealed.journeys + len(self.journeys)


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
    end: bytes = b""  # the state at the end, where it was asked for (end.py)
    same: frozenset[str] = frozenset()  # ids of facts that are as they were stated last
