"""Service levels.

A clock's content is f(start, warn, due, escalate, stop, horizon) and nothing else (history h8).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import Struct, field

from .definition import Definition

# A shorter clock sends no warning: it would be over before anybody read it (clocks t10).
WARN_FROM_MS = 900_000
OPEN, WARNED, BREACHED, ESCALATED, MET, CANCELLED = (
    "open",
    "warned",
    "breached",
    "escalated",
    "met",
    "cancelled",
)


class ClockState(NamedTuple):
    """What a clock states at a horizon.

    `stopped_at` is None while it runs, and when it was cancelled before it was due.
    """

    status: str
    stopped_at: int | None
    cancelled_at: int | None = None


def status(warn: int, due: int, escalate: int, end: int) -> str:
    """Return how far a clock has come at `end`; an instant AT the due time is in time."""
    if end > escalate:
        return ESCALATED
    if end > due:
        return BREACHED
    return WARNED if end > warn else OPEN


def warns(clock: dict[str, Any], start: int) -> bool:
    """Return whether a clock, as its fact states it, warns at 75%.

    One that each touch restarts is a fact only when it lapses.
    """
    return bool(clock["due_at"] - start >= WARN_FROM_MS and not clock["restarting"])


def levels(clock: dict[str, Any], start: int) -> dict[str, int]:
    """Return the levels that a clock, as its fact states it, came to, each with when (ms)."""
    status, end = clock["status"], clock["stopped_at"] or clock["cancelled_at"]
    over = status in (WARNED, BREACHED, ESCALATED) or (end is not None and end > clock["warn_at"])
    found = {WARNED: clock["warn_at"]} if over and warns(clock, start) else {}
    if status in (BREACHED, ESCALATED):
        found[BREACHED] = clock["due_at"]
    if status == ESCALATED:
        found[ESCALATED] = clock["escalate_at"]
    return found


def level(clock: dict[str, Any], start: int) -> str:
    """Name the level at which somebody has to act, by a clock's fact; empty where nobody has."""
    runs = clock["stopped_at"] is None and clock["status"] in levels(clock, start)
    return clock["status"] if runs else ""


class Running(Struct, array_like=True):
    """A clock that runs."""

    stage: str
    name: str
    journey: int
    occurrence: int
    start: int
    warn: int
    due: int
    escalate: int
    hot: bool
    under: Definition
    lapses: int = 0  # of a clock that each touch restarts: how often it lapsed (history h11)
    dimensions: dict[str, str] = field(default_factory=dict)  # as they were known at `start`

    @property
    def key(self) -> str:
        """What tells it from the lead's other clocks: stage, name, episode and lapse."""
        return f"{self.stage}.{self.name}#{self.occurrence}.{self.lapses}"

    @property
    def stops(self) -> frozenset[str]:
        """Return the signals that stop it."""
        return self.under.heeded[self.stage, self.name][0]

    @property
    def restarts(self) -> frozenset[str]:
        """Return the signals that start it again."""
        return self.under.heeded[self.stage, self.name][1]

    def stopped(self, at: int) -> ClockState:
        """Stop by what it waited for: met in time; late, it stays breached and states when."""
        reached = status(self.warn, self.due, self.escalate, at)
        return ClockState(MET if at <= self.due else reached, at)

    def cancelled(self, at: int) -> ClockState:
        """End without what it waited for: what was breached by then stays so."""
        reached = status(self.warn, self.due, self.escalate, at)
        return ClockState(CANCELLED, None, at) if at <= self.due else ClockState(reached, None)

    def running(self, horizon: int) -> ClockState:
        """Return where it stands when time has come to `horizon` (ms)."""
        return ClockState(status(self.warn, self.due, self.escalate, horizon), None)

    def next_change(self, horizon: int) -> int | None:
        """Return the next instant (ms) after which it states something else, or None."""
        ahead = (self.due, self.escalate) if self.restarts else (self.warn, self.due, self.escalate)
        return min((at for at in ahead if at >= horizon), default=None)
