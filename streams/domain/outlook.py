"""What is ahead of a lead. It changes with time alone, so it is told to a reader and never kept as a fact."""

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
    """Say what is ahead of a lead at `now` (ms): rules still missing for mql, clocks that run, the move that comes by itself.

    What it says changes with time alone, so it is told to a reader and never kept as a fact. `opted_out` is what the
    facts say: an opt-out may have come from another half, parted since, whose events are not among these.
    """
    run = Fold(lead, definitions)
    for event in by_stage(canonical(events), definitions):
        run.apply(event)
    run.fire(max(now, 0))
    run.forbid(opted_out, now)
    state = run.state
    if not state.journeys:
        return {}
    view: dict[str, Any] = {
        "running": [
            {"clock": f"{one.stage}.{one.name}", "due_at": one.due} for one in state.running
        ]
    }
    if stage := run.next_gate():
        rules = run.verdict(stage, now).rules
        view["missing_for"] = stage
        view["missing"] = [
            {"rule": rule, "value": value, "need": need}
            for rule, passed, value, need in rules
            if not passed
        ]
    timer = run.funnel.stages[state.stage].timer
    if timer and state.timer < NEVER:
        view |= {"timer_at": state.timer, "timer_to": timer.to}
    return view
