"""Firms whose histories are known: leads walk a funnel by dice, and each step is written down.

What a lead does is stated twice: as the events that its sources send, and as what came of it
(`Life`), by whoever threw the dice. So figures can be counted without the product.
"""

import random
from dataclasses import dataclass, field

from schemas.events import EventType
from schemas.shape import NOWHERE

E = EventType
HOUR = 1 / 24
SOURCE = {"source": "crm"}


@dataclass
class Entry:
    """A stage that was entered: when (days), and whether only what came later implied it."""

    stage: str
    at: float
    came_from: str
    implied: bool = False


@dataclass
class Row:
    """A hand-off, and how it ended."""

    stage: str
    at: float
    outcome: str = "pending"
    decided_at: float | None = None
    reason: str = ""


@dataclass
class Life:
    """What came of a lead, and what was sent of it: (day, type, fields)."""

    origin: str
    entries: list[Entry] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    sent: list = field(default_factory=list)
    deal: dict | None = None
    excluded: str = ""

    def first(self, stage):
        """Return when a stage was entered first, or None."""
        return next((one.at for one in self.entries if one.stage == stage), None)

    @property
    def stage(self):
        return self.entries[-1].stage


class Walk:
    """One lead on its way. Each step takes between an hour and six days."""

    def __init__(self, number, funnel, dice):
        self.number, self.funnel, self.shape, self.dice = number, funnel, funnel.shape(), dice
        self.at = round(dice.uniform(0, 60) * 24) * HOUR
        self.life = Life(dice.choice(["marketing", "sales", "partner"]))

    def send(self, kind, **fields):
        self.life.sent.append((self.at, kind, {**SOURCE, **fields}))

    def enter(self, stage):
        """Enter a stage; those of the ladder passed by are implied."""
        life, shape = self.life, self.shape
        came_from = life.stage if life.entries else NOWHERE
        reached = max((shape.index(one.stage) for one in life.entries), default=-1)
        if self.waiting():
            upward = shape.index(stage) >= 0
            self.answer("accepted" if upward else "rejected")
        for passed in shape.ladder[reached + 1 : max(0, shape.index(stage))]:
            life.entries.append(Entry(passed, self.at, came_from, implied=True))
            came_from = passed
        life.entries.append(Entry(stage, self.at, came_from))
        if shape.handoff(stage):
            life.rows.append(Row(stage, self.at))

    def waiting(self):
        """Return the hand-off that waits, or None."""
        newest = self.life.rows[-1] if self.life.rows else None
        return newest if newest and newest.outcome == "pending" else None

    def answer(self, outcome, reason=""):
        row = self.waiting()
        row.outcome, row.decided_at, row.reason = outcome, self.at, reason

    def go(self):
        """Walk until nobody does anything any more; return what came of it."""
        self.send(E.CREATED, origin=self.life.origin)
        self.enter(self.shape.entry)
        while self.step():
            pass
        while timer := self.funnel.stages[self.life.stage].timer:  # and then time goes on
            self.at += timer.after.amount
            self.enter_quietly(timer.to)
        return self.life

    def step(self):
        """Do the next thing, if there is one."""
        shape, stage = self.shape, self.life.stage
        later = self.at + self.dice.randint(1, 6 * 24) * HOUR
        row = self.waiting()
        timer = self.funnel.stages[stage].timer
        choice = self.dice.random()
        if choice < 0.18 and (row is None or timer is None or row.stage == shape.won):
            return False
        if choice < 0.18:  # nobody answers: the timer does
            self.at += timer.after.amount
            self.answer("timed_out")
            self.enter_quietly(timer.to)
            return False
        self.at = later
        if row and row.stage != shape.won and choice < 0.4 and shape.leads_to("disqualified"):
            return self.reject(row)
        if stage == shape.won:
            if row and choice < 0.6:
                self.send(E.ACCEPTED, handoff=row.stage)
                self.answer("accepted")
            return False
        if stage == shape.opens and choice < 0.5:
            return self.lose()
        return self.climb(row)

    def enter_quietly(self, stage):
        self.life.entries.append(Entry(stage, self.at, self.life.stage))

    def reject(self, row):
        reasons = sorted(self.funnel.rejections)
        reason = self.dice.choice(reasons)
        self.send(E.REJECTED, reason=reason, handoff=row.stage)
        self.answer("rejected", reason)
        self.enter_quietly(self.shape.leads_to(self.funnel.rejections[reason]))
        if reason in self.funnel.excluded:
            self.life.excluded = reason
        return False

    def lose(self):
        self.send(E.OPPORTUNITY_LOST, deal={"id": f"d{self.number}"}, reason="price")
        self.life.deal.update(status="lost", closed_at=self.at)
        self.enter(self.shape.leads_to("lost"))
        return False

    def climb(self, row):
        """Take one or two steps up the ladder, by the event that says so."""
        shape, stage = self.shape, self.life.stage
        place = shape.index(stage) + self.dice.choice([1, 1, 1, 2])
        to = shape.ladder[min(place, shape.index(shape.opens) + (stage == shape.opens))]
        handoff = row and shape.handoff(row.stage)
        if handoff and to == handoff.accepted:
            self.send(E.ACCEPTED, handoff=row.stage)
        elif to == shape.opens:
            deal = {"id": f"d{self.number}", "amount": str(self.dice.randint(1, 90) * 100)}
            self.send(E.OPPORTUNITY_CREATED, deal=deal)
            self.life.deal = {"status": "open", "opened_at": self.at, "closed_at": None}
        elif to == shape.won:
            self.send(E.OPPORTUNITY_WON, deal={"id": f"d{self.number}"})
            self.life.deal.update(status="won", closed_at=self.at)
        else:
            self.send(E.STAGE_REPORTED, stage=to)
        self.enter(to)
        return True


def lives(funnel, count, seed):
    """Return so many leads of a firm, the same for the same seed."""
    dice = random.Random(seed)
    return [Walk(number, funnel, dice).go() for number in range(count)]
