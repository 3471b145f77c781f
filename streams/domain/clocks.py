"""Service levels. A clock's content is f(start, warn, due, escalate, stop, horizon) and nothing else (rule 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .definition import Definition

OPEN, WARNED, BREACHED, ESCALATED, MET, CANCELLED = "open", "warned", "breached", "escalated", "met", "cancelled"


class ClockState(NamedTuple):
    """What a clock says at a horizon. `stopped_at` is None while it runs, and when it was cancelled."""

    status: str
    stopped_at: int | None


def status(warn: int, due: int, escalate: int, end: int) -> str:
    """Say how far a clock has come at `end`; an instant AT the due time is in time."""
    if end > escalate:
        return ESCALATED
    if end > due:
        return BREACHED
    return WARNED if end > warn else OPEN


@dataclass
class Running:
    """A clock that runs. `lapses` numbers the lapses of a clock that each touch restarts (rule 11)."""

    stage: str
    name: str
    journey: int
    occurrence: int
    start: int
    warn: int
    due: int
    escalate: int
    hot: bool
    stops: frozenset[str]
    restarts: frozenset[str]
    under: Definition
    lapses: int = 0

    def stopped(self, at: int) -> ClockState:
        """Stop by what it waited for: met in time; late, it stays breached and says when it was done."""
        reached = status(self.warn, self.due, self.escalate, at)
        return ClockState(MET if at <= self.due else reached, at)

    def cancelled(self, at: int) -> ClockState:
        """End without what it waited for: what was breached by then stays so."""
        reached = status(self.warn, self.due, self.escalate, at)
        return ClockState(CANCELLED if at <= self.due else reached, None)

    def running(self, horizon: int) -> ClockState:
        """Say where it stands when time has come to `horizon`."""
        return ClockState(status(self.warn, self.due, self.escalate, horizon), None)

    def next_change(self, horizon: int) -> int | None:
        """Give the next instant after which it says something else."""
        marks = (self.due, self.escalate) if self.restarts else (self.warn, self.due, self.escalate)
        return min((mark for mark in marks if mark >= horizon), default=None)
