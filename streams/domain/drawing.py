"""The lifecycle of a definition, drawn by asking the table about every stage."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from schemas.shape import NOWHERE

from .intents import addressed
from .lifecycle import Ask, Intent, Outcome, Place, outcome

if TYPE_CHECKING:
    from .definition import Definition


def mermaid(current: Definition) -> str:
    """Draw a definition as a Mermaid state diagram.

    One step of the ladder is drawn, since a longer one only implies those between; what a stage's
    timer does is drawn too.
    """
    stages = current.funnel.stages
    named = {
        stage: stage if _PLAIN.match(stage) else f"s{place}" for place, stage in enumerate(stages)
    }
    lines = dict.fromkeys(["stateDiagram-v2"])
    for stage, name in named.items():
        shown = current.funnel.title(stage).replace('"', "'")
        if shown != name:
            lines[f'    state "{shown}" as {name}'] = None
    lines[f"    [*] --> {named[current.shape.entry]}"] = None
    for stage in stages:
        for to, label in _arrows(stage, current):
            lines[f"    {named[stage]} --> {named[to]}{f': {label}' if label else ''}"] = None
        timer = stages[stage].timer
        if timer:
            lines[f"    {named[stage]} --> {named[timer.to]}: after {timer.after}"] = None
    return "\n".join(lines) + "\n"


_PLAIN = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)  # what Mermaid takes as a name as it is
_ARROWS = {
    Outcome.ENTER: "",
    Outcome.NEW_JOURNEY: "new journey",
    Outcome.TAKE_BACK: "accepted late",
    Outcome.REOPEN: "reopened",
}


def _arrows(stage: str, current: Definition) -> list[tuple[str, str]]:
    shape = current.shape
    standing = _drawn(stage, current)
    found: dict[tuple[str, str], list[str]] = {}
    for intent in _all_intents(standing, current):
        follows = outcome(intent, standing, 0, shape)
        long_way = shape.index(intent.to) > standing.reached + 1
        if follows not in _ARROWS or (
            intent.ask is Ask.REACH and follows is Outcome.ENTER and long_way
        ):
            continue
        if follows is Outcome.NEW_JOURNEY and intent.to != shape.qualifying:
            continue  # it begins anywhere from there on, as every journey does
        found.setdefault((intent.to, _ARROWS[follows]), []).append(intent.reason)
    return [
        (to, label or ", ".join(filter(None, reasons))) for (to, label), reasons in found.items()
    ]


def _drawn(stage: str, current: Definition) -> Place:
    """Return a lead that stands in a stage as most do; what a timer takes it to, by the timer."""
    shape = current.shape
    beside = {
        shape.nurture: shape.index(shape.entry),
        shape.advocate: shape.index(shape.won),
        shape.leads_to("lost"): shape.index(shape.opens),
    }
    timers = {name: one.timer for name, one in current.funnel.stages.items() if one.timer}
    by = [name for name, one in timers.items() if one.to == stage and one.taken_back_within]
    reached = max(shape.index(stage), beside.get(stage, -1))
    waits = shape.handoff(stage) is not None
    return Place(
        stage,
        reached,
        frozenset(),
        1,
        other_deals_open=False,
        by_timer=bool(by),
        left=by[0] if by else NOWHERE,
        waits=waits,
        by_loss=stage == shape.leads_to("lost") and not by,
    )


def _all_intents(place: Place, current: Definition) -> list[Intent]:
    funnel, shape = current.funnel, current.shape
    intents = [Intent(Ask.REACH, to) for to in shape.ladder]
    for handoff in shape.handoffs:
        answer = Intent(Ask.REACH, signals=("accepted",), answers=True, handoff=handoff.stage)
        intents.append(addressed(answer, place, 0, current))
    for to in funnel.aside:
        role = shape.role_of(to)
        if role != "advocate" or place.stage == shape.won:
            intents.append(Intent(Ask.ASIDE, to, role=role))
    for reason, role in funnel.rejections.items():
        intents.append(Intent(Ask.REJECT, shape.leads_to(role), reason, role=role))
    return [*intents, Intent(Ask.LOSE, shape.leads_to("lost"), role="lost")]
