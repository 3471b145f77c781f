"""The lifecycle, on one screen: what an event asks for, where the lead stands, what follows.

Read a rule as a sentence: "where an event asks to *reach* a stage while the lead is a *customer*,
and it is *an acceptance*, the outcome is a *touch*". The first rule that fits holds; `mermaid`
draws the same table for the documentation. No rule names a stage: schemas/shape.py says what each
one is.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.events import Event, EventType, parse
from schemas.shape import NOWHERE, Shape, Where

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .definition import Definition

NOT_STATED = "not-stated"


class Ask(StrEnum):
    """What an event asks of the lifecycle."""

    REACH = "reach"  # a stage of the ladder
    ASIDE = "aside"  # a stage beside it: nurture, advocate, churned, recycled, ...
    REJECT = "reject"
    LOSE = "lose"
    TOUCH = "touch"


class Outcome(StrEnum):
    """What follows."""

    ENTER = "enter"  # the stage; those of the ladder passed by are implied, and marked so
    NEW_JOURNEY = "new journey"  # enter it as journey number + 1
    TAKE_BACK = "take back"  # void the automatic recycling: same journey, accepted late
    REOPEN = "reopen"  # void the loss, then enter what lies beyond
    REPLACE = "replace"  # the implied entry yields to the reported one (history h16)
    TOUCH = "touch"  # nothing moves; activity is noted
    ECHO = "echo"  # a slow synchronisation: stored, never a move
    IGNORE = "ignore"  # nothing to apply it to; stored with why


class Intent(NamedTuple):
    """An event in the lifecycle's terms. `signals` are what stops or restarts a clock."""

    ask: Ask
    to: str = NOWHERE
    reason: str = ""
    signals: tuple[str, ...] = ()
    by_hand: bool = True
    unmapped: bool = False
    acceptance: bool = False  # lead.accepted itself: who was handed the lead takes it
    system: str = ""


class Place(NamedTuple):
    """Where a lead stands. `reached` is the index of the journey's furthest stage, -1 none."""

    stage: str
    reached: int
    implied: frozenset[str]  # stages of this journey that were only implied
    taken_back_until: int  # a timer's move, or a loss, can be taken back until then; 0: it cannot
    other_deals_open: bool
    system: str = ""  # whose word moved the lead here
    by_timer: bool = False  # nobody's word: a timer's


class Case(NamedTuple):
    """What a guard looks at. `at` is the event's time (ms)."""

    intent: Intent
    place: Place
    at: int
    shape: Shape

    @property
    def step(self) -> int:
        """Return the place of the asked stage on the ladder, -1 beside it."""
        return self.shape.index(self.intent.to)


def always(_case: Case) -> bool:
    return True


def beyond(case: Case) -> bool:
    return case.step > case.place.reached


def same_stage(case: Case) -> bool:
    return case.intent.to == case.place.stage


def only_implied(case: Case) -> bool:
    return case.intent.to in case.place.implied


def in_time(case: Case) -> bool:
    return case.at <= case.place.taken_back_until


def accepted_in_time(case: Case) -> bool:
    """A loss by a timer is none of these: it is reopened as any loss is."""
    by_timer = case.place.by_timer and case.place.stage != case.shape.lost
    return by_timer and "accepted" in case.intent.signals and in_time(case)


def an_acceptance(case: Case) -> bool:
    return case.intent.acceptance


def qualified(case: Case) -> bool:
    return case.step >= case.shape.index(case.shape.qualifying)


def a_qualification(case: Case) -> bool:
    return case.intent.to in (case.shape.gated, case.shape.handoff)


def reopened(case: Case) -> bool:
    return case.step > case.shape.index(case.shape.accepted) or case.step >= case.place.reached


def reopened_in_time(case: Case) -> bool:
    return in_time(case) and reopened(case)


def reopened_by_hand(case: Case) -> bool:
    """A lower stage, reported by another system than moved the lead, is a slow synchronisation."""
    one_system = case.intent.system == case.place.system
    return case.intent.by_hand and (qualified(case) or one_system)


def another_deal_open(case: Case) -> bool:
    return case.place.other_deals_open


def to_nurture(case: Case) -> bool:
    return case.intent.to == case.shape.nurture


def to_advocate(case: Case) -> bool:
    return case.intent.to == case.shape.advocate


def to_churned(case: Case) -> bool:
    return case.intent.to == case.shape.churned


def to_disqualified(case: Case) -> bool:
    return case.intent.to == case.shape.disqualified


def to_detour(case: Case) -> bool:
    return case.intent.to in (case.shape.recycled, case.shape.lost, case.shape.disqualified)


class Rule(NamedTuple):
    """One row of the table."""

    ask: Ask
    where: Where
    guard: Callable[[Case], bool]
    outcome: Outcome


TABLE: tuple[Rule, ...] = (
    # what is asked    where the lead stands      and                 what follows
    Rule(Ask.REACH,    Where.NOWHERE,             always,             Outcome.ENTER),
    Rule(Ask.REACH,    Where.ANYWHERE,            accepted_in_time,   Outcome.TAKE_BACK),
    Rule(Ask.REACH,    Where.CUSTOMERS,           an_acceptance,      Outcome.TOUCH),
    Rule(Ask.REACH,    Where.DEAL,                a_qualification,    Outcome.TOUCH),
    Rule(Ask.REACH,    Where.LADDER,              beyond,             Outcome.ENTER),
    Rule(Ask.REACH,    Where.LADDER,              only_implied,       Outcome.REPLACE),
    Rule(Ask.REACH,    Where.LADDER,              same_stage,         Outcome.TOUCH),
    Rule(Ask.REACH,    Where.LADDER,              always,             Outcome.ECHO),
    Rule(Ask.REACH,    Where.DETOUR,              qualified,          Outcome.NEW_JOURNEY),
    Rule(Ask.REACH,    Where.LOST,                reopened_in_time,   Outcome.REOPEN),
    Rule(Ask.REACH,    Where.LOST,                reopened,           Outcome.NEW_JOURNEY),
    Rule(Ask.REACH,    Where.ENDED,               reopened_by_hand,   Outcome.NEW_JOURNEY),
    Rule(Ask.REACH,    Where.ANYWHERE,            only_implied,       Outcome.REPLACE),
    Rule(Ask.REACH,    Where.DETOUR,              always,             Outcome.TOUCH),
    Rule(Ask.REACH,    Where.ANYWHERE,            always,             Outcome.IGNORE),
    Rule(Ask.ASIDE,    Where.NOWHERE,             always,             Outcome.ENTER),
    Rule(Ask.ASIDE,    Where.ANYWHERE,            same_stage,         Outcome.TOUCH),
    Rule(Ask.ASIDE,    Where.UNQUALIFIED,         to_nurture,         Outcome.ENTER),
    Rule(Ask.ASIDE,    Where.LADDER,              to_advocate,        Outcome.ENTER),
    Rule(Ask.ASIDE,    Where.CUSTOMERS,           to_churned,         Outcome.ENTER),
    Rule(Ask.ASIDE,    Where.PROSPECTS,           to_detour,          Outcome.ENTER),
    Rule(Ask.ASIDE,    Where.DETOUR_OR_LOST,      to_disqualified,    Outcome.ENTER),
    Rule(Ask.ASIDE,    Where.ANYWHERE,            always,             Outcome.IGNORE),
    Rule(Ask.REJECT,   Where.BEFORE_DEAL,         always,             Outcome.ENTER),
    Rule(Ask.REJECT,   Where.DETOUR_OR_LOST,      to_disqualified,    Outcome.ENTER),
    Rule(Ask.REJECT,   Where.ANYWHERE,            always,             Outcome.IGNORE),
    Rule(Ask.LOSE,     Where.WORKED,              another_deal_open,  Outcome.TOUCH),
    Rule(Ask.LOSE,     Where.WORKED_OR_EARLY,     always,             Outcome.ENTER),
    Rule(Ask.LOSE,     Where.ANYWHERE,            always,             Outcome.IGNORE),
    Rule(Ask.TOUCH,    Where.NOWHERE,             always,             Outcome.ENTER),
    Rule(Ask.TOUCH,    Where.ANYWHERE,            always,             Outcome.TOUCH),
)  # fmt: skip


def outcome(intent: Intent, place: Place, at: int, shape: Shape) -> Outcome:
    """Return what follows, by the first rule that fits. `at` is the event's time (ms)."""
    case = Case(intent, place, at, shape)
    for rule in TABLE:
        if rule.ask is intent.ask and shape.holds(rule.where, place.stage) and rule.guard(case):
            return rule.outcome
    raise AssertionError(f"the table has no rule for {intent} in {place}")


def intent_of(event: Event, current: Definition, judge: Definition) -> Intent:
    """Put an event into the lifecycle's terms.

    `current` is the version in force when it happened, by whose map the vendors' stages are read;
    `judge` the one that the present episode keeps, which says where a rejection leads.
    """
    body: Mapping[str, Any] = parse(event.body)
    return _intent(event.type, body, current, judge)._replace(system=body["source"])


def _intent(kind: str, body: Mapping[str, Any], current: Definition, judge: Definition) -> Intent:
    shape, direction = current.shape, body.get("direction", "inbound")
    match kind:
        case EventType.CREATED:
            return Intent(Ask.REACH, shape.entry, signals=(direction,), by_hand=False)
        case EventType.ACCEPTED:
            signals = ("accepted", "moved")
            return Intent(Ask.REACH, shape.accepted, signals=signals, acceptance=True)
        case EventType.REJECTED:
            return _rejection(body, judge)
        case EventType.OPPORTUNITY_CREATED:
            return Intent(Ask.REACH, shape.deal, signals=("accepted", "moved"))
        case EventType.OPPORTUNITY_WON:
            return Intent(Ask.REACH, shape.won, signals=("accepted", "moved"))
        case EventType.OPPORTUNITY_LOST:
            return _loss(body, shape)
        case EventType.OPPORTUNITY_STAGE_CHANGED:
            return _deal_stage(body, current)
        case EventType.STAGE_REPORTED | EventType.SNAPSHOT:
            return _reported(body, current, judge)
        case EventType.DELETED:
            return Intent(Ask.ASIDE, shape.disqualified, "deleted")
        case EventType.TOUCH:
            onboarded = ("onboarded",) if body.get("kind") == "onboarded" else ()
            return Intent(Ask.TOUCH, signals=(direction, *onboarded), by_hand=False)
        case _:
            return Intent(Ask.TOUCH, by_hand=False)


def _rejection(body: Mapping[str, Any], judge: Definition) -> Intent:
    reason, leads_to = body.get("reason") or NOT_STATED, judge.funnel.rejections
    to = leads_to.get(reason, judge.shape.disqualified)
    return Intent(Ask.REJECT, to, reason, ("rejected", "moved"), unmapped=reason not in leads_to)


def _loss(body: Mapping[str, Any], shape: Shape) -> Intent:
    return Intent(Ask.LOSE, shape.lost, body.get("reason") or NOT_STATED, ("moved",))


def _deal_stage(body: Mapping[str, Any], current: Definition) -> Intent:
    stage, shape = (body.get("deal") or {}).get("stage", ""), current.shape
    if not stage:  # an amount was corrected: that neither opens a deal nor reopens a lost one
        return Intent(Ask.TOUCH, signals=("moved",), by_hand=False)
    ends = current.funnel.deals.get(body["source"])
    if ends and stage in ends.lost:
        return _loss(body, shape)
    to = shape.won if ends and stage in ends.won else shape.deal
    return Intent(Ask.REACH, to, signals=("accepted", "moved"))


def _reported(body: Mapping[str, Any], current: Definition, judge: Definition) -> Intent:
    word, funnel, shape = body.get("stage", ""), current.funnel, current.shape
    known = word if word in funnel.stages else None
    stage = funnel.vendors.get(body["source"], {}).get(word, known)
    if stage is None:
        return Intent(Ask.TOUCH, signals=("inbound",), by_hand=False, unmapped=True)
    if stage == "rejected":
        return _rejection(body, judge)
    reason, place = body.get("reason", ""), shape.index(stage)
    if place < 0:  # backward only with a reason
        unstated = NOT_STATED if stage in shape.detours else ""
        return Intent(Ask.ASIDE, stage, reason or unstated, ("moved",))
    accepted = ("accepted",) if place > shape.index(shape.handoff) else ()
    return Intent(Ask.REACH, stage, reason, (*accepted, "moved"))


def mermaid(current: Definition) -> str:
    """Draw the lifecycle as a Mermaid state diagram, by asking the table about every stage.

    One step of the ladder is drawn, since a longer one only implies those between; what a stage's
    timer does is drawn too.
    """
    stages = current.funnel.stages
    named = {
        stage: stage if _PLAIN.match(stage) else f"s{place}" for place, stage in enumerate(stages)
    }
    lines = dict.fromkeys(["stateDiagram-v2"])
    for stage, name in named.items():
        if stage != name:
            shown = stage.replace('"', "'")
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
    for intent in _all_intents(stage, current):
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
    """Return a lead that stands in a stage as most do; a recycled one was recycled by a timer."""
    shape = current.shape
    beside = {
        shape.nurture: shape.index(shape.entry),
        shape.advocate: shape.index(shape.won),
        shape.lost: shape.index(shape.deal),
    }
    timers = [one.timer for one in current.funnel.stages.values() if one.timer]
    by_timer = any(one.to == stage and one.taken_back_within for one in timers)
    reached = max(shape.index(stage), beside.get(stage, -1))
    return Place(stage, reached, frozenset(), 1, other_deals_open=False, by_timer=by_timer)


def _all_intents(stage: str, current: Definition) -> list[Intent]:
    funnel, shape = current.funnel, current.shape
    intents = []
    for to in shape.ladder:
        taken = to == shape.accepted
        intents.append(Intent(Ask.REACH, to, acceptance=taken, signals=("accepted",) * taken))
    beside = (to for to in funnel.stages if shape.index(to) < 0)
    intents += [
        Intent(Ask.ASIDE, to) for to in beside if to != shape.advocate or stage == shape.won
    ]
    intents += [Intent(Ask.REJECT, to, reason) for reason, to in funnel.rejections.items()]
    return [*intents, Intent(Ask.LOSE, shape.lost)]
