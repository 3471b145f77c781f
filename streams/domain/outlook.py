"""What is ahead of a lead.

It changes with time alone, so a reader asks for it, and it is never kept as a fact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .fold import Fold
from .history import by_stage, canonical
from .journey import NEVER

if TYPE_CHECKING:
    from schemas.events import Event

    from .definition import Definitions


def outlook(
    lead: str, events: list[Event], definitions: Definitions, now: int, *, opted_out: bool
) -> dict[str, Any]:
    """Return what is ahead of a lead at `now` (ms); empty for a lead without a journey.

    `running` are the clocks that run, each with its due time (ms). `missing_for` and `missing` are
    the gate's stage and the rules that do not pass yet; `timer_at` (ms) and `timer_to` the move
    that comes by itself. Both pairs are there only where they apply. `opted_out` is what the facts
    state: an opt-out may be of an identity that an unmerge took away, whose events are not among
    these.
    """
    run = Fold(lead, definitions)
    for event in by_stage(canonical(events), definitions):
        run.apply(event)
    run.fire(max(now, 0))
    run.set_opted_out(opted_out, now)
    state = run.state
    if not state.journeys:
        return {}
    running = [{"clock": f"{one.stage}.{one.name}", "due_at": one.due} for one in state.running]
    return {"running": running, **_gate(run, now), **_timer(run)}


def _gate(run: Fold, now: int) -> dict[str, Any]:
    """Return the rules that do not pass, while a gate may move the lead."""
    stage = run.next_gate()
    if not stage:
        return {}
    missing = [
        {"rule": rule, "value": value, "need": need}
        for rule, passed, value, need in run.verdict(stage, now).rules
        if not passed
    ]
    return {"missing_for": stage, "missing": missing}


def _timer(run: Fold) -> dict[str, Any]:
    """Return the move that comes by itself, if one does."""
    timer = run.state.under.stages[run.state.stage].timer
    if not timer or run.state.timer >= NEVER:
        return {}
    return {"timer_at": run.state.timer, "timer_to": timer.to}
