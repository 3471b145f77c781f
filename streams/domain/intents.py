"""From an event to what it asks of the lifecycle, and to which hand-off an answer belongs.

Two steps. `intent_of` reads the event alone, under the definitions. `addressed` reads it where the
lead stands: an answer that names no hand-off is about one all the same. What follows from both is
the table in lifecycle.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.events import Event, EventType, parse
from schemas.shape import NOWHERE, HandoffStage, Shape

from .lifecycle import Ask, Intent, Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .definition import Definition

NOT_STATED = "not-stated"


def intent_of(event: Event, current: Definition, judge: Definition) -> Intent:
    """Put an event into the lifecycle's terms.

    `current` is the version in force when it happened, by whose map the vendors' stages are read;
    `judge` the one that the present episode keeps, which says where a rejection leads.
    """
    body: Mapping[str, Any] = parse(event.body)
    team = body.get("attributes", {}).get("team") or ""
    intent = _intent(event.type, body, current, judge)
    return intent._replace(system=body["source"], handoff=body.get("handoff", ""), team=team)


def _intent(kind: str, body: Mapping[str, Any], current: Definition, judge: Definition) -> Intent:
    shape, direction = current.shape, body.get("direction", "inbound")
    match kind:
        case EventType.CREATED:
            return Intent(Ask.REACH, shape.entry, signals=(direction,), by_hand=False)
        case EventType.ACCEPTED:
            return Intent(Ask.REACH, shape.accepted, signals=("accepted", "moved"), answers=True)
        case EventType.REJECTED:
            return _rejection(body, judge)._replace(answers=True)
        case EventType.OPPORTUNITY_CREATED:
            return Intent(Ask.REACH, shape.opens, signals=("accepted", "moved"))
        case EventType.OPPORTUNITY_WON:
            return Intent(Ask.REACH, shape.won, signals=("accepted", "moved"))
        case EventType.OPPORTUNITY_LOST:
            return _loss(body, shape)
        case EventType.OPPORTUNITY_STAGE_CHANGED:
            return _deal_stage(body, current)
        case EventType.STAGE_REPORTED | EventType.SNAPSHOT:
            return _reported(body, current, judge)
        case EventType.DELETED:
            return Intent(Ask.ASIDE, shape.leads_to("disqualified"), "deleted", role="disqualified")
        case EventType.TOUCH:
            onboarded = ("onboarded",) if body.get("kind") == "onboarded" else ()
            return Intent(Ask.TOUCH, signals=(direction, *onboarded), by_hand=False)
        case _:
            return Intent(Ask.TOUCH, by_hand=False)


def _rejection(body: Mapping[str, Any], judge: Definition) -> Intent:
    reason, roles = body.get("reason") or NOT_STATED, judge.funnel.rejections
    role = roles.get(reason, "disqualified")
    note = "" if reason in roles else "unmapped"
    to = judge.shape.leads_to(role)
    return Intent(Ask.REJECT, to, reason, ("rejected", "moved"), note=note, role=role)


def _loss(body: Mapping[str, Any], shape: Shape) -> Intent:
    reason = body.get("reason") or NOT_STATED
    return Intent(Ask.LOSE, shape.leads_to("lost"), reason, ("moved",), role="lost")


def _deal_stage(body: Mapping[str, Any], current: Definition) -> Intent:
    stage, shape = (body.get("deal") or {}).get("stage", ""), current.shape
    if not stage:  # an amount was corrected: that neither opens a deal nor reopens a lost one
        return Intent(Ask.TOUCH, signals=("moved",), by_hand=False)
    ends = current.funnel.deals.get(body["source"])
    if ends and stage in ends.lost:
        return _loss(body, shape)
    to = shape.won if ends and stage in ends.won else shape.opens
    return Intent(Ask.REACH, to, signals=("accepted", "moved"))


def _reported(body: Mapping[str, Any], current: Definition, judge: Definition) -> Intent:
    word, funnel, shape = body.get("stage", ""), current.funnel, current.shape
    known = word if word in current.stages else None
    stage = funnel.vendors.get(body["source"], {}).get(word, known)
    if stage is None:
        return Intent(Ask.TOUCH, signals=("inbound",), by_hand=False, note="unmapped")
    if not isinstance(stage, str):
        return _rejection(body, judge)
    reason, role = body.get("reason", ""), shape.role_of(stage)
    if role:  # backward only with a reason
        unstated = NOT_STATED if stage in shape.detours else ""
        return Intent(Ask.ASIDE, stage, reason or unstated, ("moved",), role=role)
    return Intent(Ask.REACH, stage, reason, ("moved",))


def addressed(intent: Intent, place: Place, at: int, judge: Definition) -> Intent:
    """Return which hand-off an answer is about, and whether a report of a stage accepts one.

    At most one hand-off waits. An answer that names none counts for it where it is the funnel's
    first, or the answer comes from a team on the receiving side; else it is a slow
    synchronisation of the first one's. With none waiting, an acceptance is one of the next
    hand-off that the lead has not reached.
    """
    shape = judge.shape
    if intent.ask is Ask.REACH and intent.by_hand and not intent.answers:
        return intent._replace(signals=_signals(intent, place, shape))
    if not intent.answers:
        return intent
    if intent.handoff and shape.handoff(intent.handoff) is None:
        return intent._replace(ask=Ask.TOUCH, to=NOWHERE, answers=False, note="no such hand-off")
    about = _awaited(place, at, shape)
    counts = about is not None and _counts(intent, about, judge)
    over = place.stage in shape.detours
    if over and about is None and place.by_timer:  # a timer's move is taken back by an acceptance
        counts = True
    if place.waits and not counts:  # the clocks of the hand-off that waits go on
        intent = intent._replace(signals=("moved",))
    if intent.ask is not Ask.REACH:
        return intent._replace(counts=counts)
    goal = about if counts and about else _next(intent, place, judge, over=over)
    if goal is None or (goal.accepted == shape.won and goal is not about):
        return intent._replace(ask=Ask.TOUCH, to=NOWHERE, answers=False, note="no hand-off waits")
    return intent._replace(to=goal.accepted, counts=counts)


def _signals(intent: Intent, place: Place, shape: Shape) -> tuple[str, ...]:
    """Return the signals of a report or of a deal: it accepts the hand-off that it lies beyond.

    That is the one that waits, else the last one that the lead has reached, else the first. A deal
    accepts whatever was handed off, but not what waits at or above its own stage.
    """
    reached = [one.stage for one in shape.handoffs if shape.index(one.stage) <= place.reached]
    first = [one.stage for one in shape.handoffs[:1]]
    stage = place.stage if place.waits else (first + reached or [NOWHERE])[-1]
    others = tuple(one for one in intent.signals if one != "accepted")
    if stage and shape.index(intent.to) > shape.index(stage):
        return ("accepted", *others)
    return others if place.waits else intent.signals


def _awaited(place: Place, at: int, shape: Shape) -> HandoffStage | None:
    """Return the hand-off that waits, or that a timer ended which can still be taken back."""
    if place.waits:
        return shape.handoff(place.stage)
    in_time = place.by_timer and at <= place.taken_back_until
    return shape.handoff(place.left) if in_time else None


def _counts(intent: Intent, about: HandoffStage, judge: Definition) -> bool:
    if intent.handoff:
        return intent.handoff == about.stage
    return about == judge.shape.handoffs[0] or judge.funnel.receives(about.stage, intent.team)


def _next(intent: Intent, place: Place, judge: Definition, *, over: bool) -> HandoffStage | None:
    """Return the hand-off that an acceptance is about where none waits for it, or None."""
    shape = judge.shape
    if intent.handoff:
        return shape.handoff(intent.handoff)
    below = [one for one in shape.handoffs if one.accepted != shape.won]
    reached = -1 if over else place.reached
    ahead = (one for one in below if shape.index(one.stage) > reached)
    following = None if place.waits else next(ahead, None)
    if not below or (following and _counts(intent, following, judge)):
        return following
    return below[0] if following or place.waits else below[-1]
