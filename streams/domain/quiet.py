"""Whether nothing can happen within a pack of old touches, so that it is folded day by day.

Only then may the touches of a day be added up: no move, no timer, no clock that lapses or stops, no
gate that opens, nothing new about the lead. Otherwise the pack is folded touch by touch, so that
both ways have the same facts (history h22).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from schemas.events import parse

from .gates import judge, only_rises
from .learning import Learning, fields_of

if TYPE_CHECKING:
    from .packs import Pack

# By day and body, in time: the body, how many touches, ms of the last.
Touches = Sequence[tuple[Mapping[str, Any], int, int]]


def is_quiet(lead: Learning, pack: Pack, touches: Touches) -> bool:
    """Return whether nothing can happen within a pack, as the lead stands before it."""
    state = lead.state
    if not state.journeys or state.timer < pack.last or state.before is not None:
        return False
    if lead.definitions.at(pack.first) is not lead.definitions.at(pack.last):
        return False
    journey, version = state.journeys[-1], lead.definitions.at(pack.first)
    for body in map(parse, pack.bodies):
        kind, direction = body.get("kind", ""), body.get("direction", "inbound")
        worth = lead.funnel.scoring.points.get(kind)
        known = lead.knows(fields_of(body))
        named = state.origin or not version.origin(body)
        attributed = journey.attribution != ("", "", "") or not body.get("marketing")
        first_human = (
            direction == "human" and journey.handoffs and journey.handoffs[-1].touched_at is None
        )
        stops = any(direction in clock.stops for clock in state.running)
        if (
            not (known and named and attributed)
            or first_human
            or stops
            or (worth and worth.points < 0)
        ):
            return False
        if kind in lead.funnel.scoring.hot and not journey.hot:
            return False
    return _in_time(lead, touches) and _shut(lead, touches)


def _in_time(lead: Learning, touches: Touches) -> bool:
    """Return whether every clock that the touches restart is restarted before it lapses."""
    for clock in lead.state.running:
        due, spec = clock.due, clock.under.stages[clock.stage].clocks[clock.name]
        for body, _, last in touches:
            if body.get("direction", "inbound") in clock.restarts:
                if last > due:
                    return False
                due = clock.under.clock_times(clock.stage, spec, last, clock.hot)[1]
    return True


def _shut(lead: Learning, touches: Touches) -> bool:
    """Return whether the gate stays shut.

    Points of one day only add up: shut after the last of a day is shut all day.
    """
    stage = lead.next_gate()
    if not stage:
        return True
    gate, score = lead.funnel.gate_of(stage), lead.state.journeys[-1].score.copy()
    for body, count, last in touches:
        score.add(body.get("kind", ""), last, count)
        if judge(gate, lead.values(score.at(last))).passed:
            return False
    return only_rises(gate)
