"""The lifecycle, on one screen: what an event asks for, where the lead stands, what follows.

Read a rule as a sentence: "where an event asks to *reach* a stage while the lead is a *customer*,
and it is *an acceptance*, the outcome is a *touch*". The first rule that fits holds; drawing.py
draws the same table for the documentation. No rule names a stage: schemas/shape.py says what each
one is. intents.py makes an intent of an event.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from schemas.shape import NOWHERE, Role, Shape, Where

if TYPE_CHECKING:
    from collections.abc import Callable


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
    TAKE_BACK = "take back"  # void the timer's move: same journey, accepted late
    REOPEN = "reopen"  # void the loss, then enter what lies beyond
    REPLACE = "replace"  # the implied entry yields to the reported one (history h16)
    ANSWER = "answer"  # the hand-off is decided; the lead stays where it is
    STAY = "stay"  # the funnel has no stage that takes it; noted
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
    note: str = ""  # why it can't be taken as it came: it is stored with this word
    system: str = ""
    role: Role | None = None  # beside the ladder: what is meant, whichever stage stands in for it
    # By lead.accepted or lead.rejected itself: the answer of who was handed the lead.
    answers: bool = False
    handoff: str = ""  # the stage whose hand-off an answer names
    team: str = ""  # whose word it is
    counts: bool = False  # an answer to the hand-off that waits, or that a timer ended


class Place(NamedTuple):
    """Where a lead stands. `reached` is the index of the journey's furthest stage, -1 none."""

    stage: str
    reached: int
    implied: frozenset[str]  # stages of this journey that were only implied
    taken_back_until: int  # a timer's move, or a loss, can be taken back until then; 0: it cannot
    other_deals_open: bool
    system: str = ""  # whose word moved the lead here
    by_timer: bool = False  # nobody's word: a timer's
    left: str = NOWHERE  # the stage to which it would be taken back
    waits: bool = False  # a hand-off of this stage was not answered yet
    by_loss: bool = False  # a lost deal led here


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
    """Return whether an acceptance in time answers a timer's move. A loss is reopened instead."""
    by_timer = case.place.by_timer and not lost(case)
    taken = case.intent.counts if case.intent.answers else "accepted" in case.intent.signals
    return by_timer and taken and in_time(case)


def an_acceptance(case: Case) -> bool:
    return case.intent.answers


def awaited(case: Case) -> bool:
    return case.place.waits


def answered_here(case: Case) -> bool:
    """Return whether this stage's hand-off is acknowledged, or refused, without a move."""
    handoff = case.shape.handoff(case.place.stage)
    waits = case.place.waits and handoff is not None and handoff.here
    return waits and case.intent.answers and case.intent.counts


def of_another_handoff(case: Case) -> bool:
    return case.place.waits and case.intent.answers and not case.intent.counts


def nowhere_to_go(case: Case) -> bool:
    return case.intent.to == NOWHERE


def qualified(case: Case) -> bool:
    return case.step >= case.shape.index(case.shape.qualifying)


def a_qualification_below(case: Case) -> bool:
    marked = case.intent.to in case.shape.gated or case.shape.handoff(case.intent.to)
    return bool(marked) and case.step < case.shape.index(case.place.stage)


def lost(case: Case) -> bool:
    return case.place.by_loss or case.place.stage == case.shape.lost


def reopened(case: Case) -> bool:
    last = case.shape.accepting[-1:]
    above = bool(last) and case.step > case.shape.index(last[0])
    return above or case.step >= case.place.reached


def loss_reopened_in_time(case: Case) -> bool:
    return lost(case) and in_time(case) and reopened(case)


def reopened_by_hand(case: Case) -> bool:
    """Return whether a report by hand reopens: a qualified stage, or by the system that moved it.

    A lower stage that another system reports is a slow synchronisation.
    """
    one_system = case.intent.system == case.place.system
    return case.intent.by_hand and (qualified(case) or one_system)


def another_deal_open(case: Case) -> bool:
    return case.place.other_deals_open


def to_nurture(case: Case) -> bool:
    return case.intent.role == "nurture"


def to_advocate(case: Case) -> bool:
    return case.intent.role == "advocate"


def to_churned(case: Case) -> bool:
    return case.intent.role == "churned"


def to_disqualified(case: Case) -> bool:
    return case.intent.role == "disqualified" and case.intent.to != NOWHERE


def to_detour(case: Case) -> bool:
    return case.intent.role in ("recycled", "lost", "disqualified")


def awaited_nowhere(case: Case) -> bool:
    return awaited(case) and nowhere_to_go(case)


def detour_nowhere(case: Case) -> bool:
    return to_detour(case) and nowhere_to_go(case)


class Rule(NamedTuple):
    """One row of the table."""

    ask: Ask
    where: Where
    guard: Callable[[Case], bool]
    outcome: Outcome


TABLE: tuple[Rule, ...] = (
    # what is asked    where the lead stands      and                     what follows
    Rule(Ask.REACH,    Where.NOWHERE,             always,                 Outcome.ENTER),
    Rule(Ask.REACH,    Where.ANYWHERE,            answered_here,          Outcome.ANSWER),
    Rule(Ask.REACH,    Where.ANYWHERE,            accepted_in_time,       Outcome.TAKE_BACK),
    Rule(Ask.REACH,    Where.CUSTOMERS,           an_acceptance,          Outcome.TOUCH),
    Rule(Ask.REACH,    Where.DEAL,                a_qualification_below,  Outcome.TOUCH),
    Rule(Ask.REACH,    Where.LADDER,              beyond,                 Outcome.ENTER),
    Rule(Ask.REACH,    Where.LADDER,              only_implied,           Outcome.REPLACE),
    Rule(Ask.REACH,    Where.LADDER,              same_stage,             Outcome.TOUCH),
    Rule(Ask.REACH,    Where.LADDER,              always,                 Outcome.ECHO),
    Rule(Ask.REACH,    Where.ANYWHERE,            loss_reopened_in_time,  Outcome.REOPEN),
    Rule(Ask.REACH,    Where.DETOUR,              qualified,              Outcome.NEW_JOURNEY),
    Rule(Ask.REACH,    Where.LOST,                reopened,               Outcome.NEW_JOURNEY),
    Rule(Ask.REACH,    Where.ENDED,               reopened_by_hand,       Outcome.NEW_JOURNEY),
    Rule(Ask.REACH,    Where.ANYWHERE,            only_implied,           Outcome.REPLACE),
    Rule(Ask.REACH,    Where.DETOUR,              always,                 Outcome.TOUCH),
    Rule(Ask.REACH,    Where.ANYWHERE,            always,                 Outcome.IGNORE),
    Rule(Ask.ASIDE,    Where.PROSPECTS,           detour_nowhere,         Outcome.STAY),
    Rule(Ask.ASIDE,    Where.NOWHERE,             always,                 Outcome.ENTER),
    Rule(Ask.ASIDE,    Where.ANYWHERE,            same_stage,             Outcome.TOUCH),
    Rule(Ask.ASIDE,    Where.UNQUALIFIED,         to_nurture,             Outcome.ENTER),
    Rule(Ask.ASIDE,    Where.LADDER,              to_advocate,            Outcome.ENTER),
    Rule(Ask.ASIDE,    Where.CUSTOMERS,           to_churned,             Outcome.ENTER),
    Rule(Ask.ASIDE,    Where.PROSPECTS,           to_detour,              Outcome.ENTER),
    Rule(Ask.ASIDE,    Where.DETOUR_OR_LOST,      to_disqualified,        Outcome.ENTER),
    Rule(Ask.ASIDE,    Where.ANYWHERE,            always,                 Outcome.IGNORE),
    Rule(Ask.REJECT,   Where.ANYWHERE,            of_another_handoff,     Outcome.ECHO),
    Rule(Ask.REJECT,   Where.ANYWHERE,            answered_here,          Outcome.ANSWER),
    Rule(Ask.REJECT,   Where.BEFORE_DEAL,         nowhere_to_go,          Outcome.STAY),
    Rule(Ask.REJECT,   Where.BEFORE_DEAL,         always,                 Outcome.ENTER),
    Rule(Ask.REJECT,   Where.PROSPECTS,           awaited_nowhere,        Outcome.STAY),
    Rule(Ask.REJECT,   Where.PROSPECTS,           awaited,                Outcome.ENTER),
    Rule(Ask.REJECT,   Where.ANYWHERE,            same_stage,             Outcome.IGNORE),
    Rule(Ask.REJECT,   Where.DETOUR_OR_LOST,      to_disqualified,        Outcome.ENTER),
    Rule(Ask.REJECT,   Where.ANYWHERE,            always,                 Outcome.IGNORE),
    Rule(Ask.LOSE,     Where.WORKED,              another_deal_open,      Outcome.TOUCH),
    Rule(Ask.LOSE,     Where.WORKED_OR_EARLY,     nowhere_to_go,          Outcome.STAY),
    Rule(Ask.LOSE,     Where.WORKED_OR_EARLY,     always,                 Outcome.ENTER),
    Rule(Ask.LOSE,     Where.ANYWHERE,            always,                 Outcome.IGNORE),
    Rule(Ask.TOUCH,    Where.NOWHERE,             always,                 Outcome.ENTER),
    Rule(Ask.TOUCH,    Where.ANYWHERE,            always,                 Outcome.TOUCH),
)  # fmt: skip


_RULES = {ask: tuple(rule for rule in TABLE if rule.ask is ask) for ask in Ask}


def outcome(intent: Intent, place: Place, at: int, shape: Shape) -> Outcome:
    """Return what follows, by the first rule that fits. `at` is the event's time (ms)."""
    case = Case(intent, place, at, shape)
    for rule in _RULES[intent.ask]:
        if shape.holds(rule.where, place.stage) and rule.guard(case):
            return rule.outcome
    raise AssertionError(f"the table has no rule for {intent} in {place}")
