"""Whose move it is: what a clock waits for, as a duty of the lead's owner or of the stage's team.

Lists, the API, `explain` and the report say the same of the same clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.funnel import Funnel

Must = Literal["call", "decide", "accept", "onboard", "write", "go_on", "look"]
MUSTS: tuple[Must, ...] = get_args(Must)
# By what a clock waits for; the first that fits. A message that a machine sends is enough where it
# is; whoever may decide may call as well, so a clock that a call stops asks for the call.
_WAITS: tuple[tuple[frozenset[str], Must], ...] = (
    (frozenset({"automated"}), "write"),
    (frozenset({"human"}), "call"),
    (frozenset({"accepted", "rejected"}), "decide"),
    (frozenset({"accepted"}), "accept"),
    (frozenset({"onboarded"}), "onboard"),
    (frozenset({"leave"}), "go_on"),
    (frozenset({"moved"}), "go_on"),
)
WORDS: dict[Must, str] = {
    "call": "call",
    "decide": "accept or reject",
    "accept": "accept the hand-off",
    "onboard": "finish onboarding",
    "write": "get in touch",
    "go_on": "decide how it goes on",
    "look": "look at it",
}
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


class Duty(NamedTuple):
    """What is to be done about a clock, and the team whose stage it is; "" for a stage gone."""

    team: str
    must: Must

    def who(self, owner: str) -> str:
        """Return who must act: the owner, else the team, which must name one first."""
        return owner or (f"{self.team} (nobody owns it)" if self.team else "nobody")

    def sentence(self, owner: str) -> str:
        """Return who must do what, in English."""
        return f"{self.who(owner)} must {WORDS[self.must]}"


def must(waits: Iterable[str]) -> Must:
    """Return what has to be done so that a clock stops, by what stops or restarts it."""
    known = set(waits)
    return next((what for parts, what in _WAITS if parts <= known), "look")


def duty(funnel: Funnel, stage: str, clock: str) -> Duty:
    """Return the duty of a clock of a stage; of one that the funnel no longer has, to look."""
    spec = funnel.stages.get(stage)
    if spec is None:
        return Duty("", "look")
    found = spec.clocks.get(clock)
    return Duty(spec.owner, must((found.stopped_by or found.restarted_by) if found else ()))


def span(seconds: float) -> str:
    """Return how long something takes, in the largest unit that comes to two: 28 days, 30 hours."""
    whole = int(abs(seconds))
    for name, size in _UNITS:
        count = whole // size
        if count >= 2 or name == "minute":
            return f"{count} {name}{'' if count == 1 else 's'}"
    raise AssertionError  # the last unit takes all


def late(seconds: float) -> str:
    """Return how late something is; before its time, how long there is."""
    if seconds < 0:
        return f"due within {span(seconds)}"
    return f"{span(seconds)} late" if seconds >= 60 else "just late"
