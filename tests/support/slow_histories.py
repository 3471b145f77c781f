"""Generated histories of a firm in which every edge rule of the figures happens to somebody.

A lead is a seeded walk over what CRMs, forms and people do: it may be skipped on, sent back,
reopened, voided, imported as an opening balance, a test, a duplicate; its deal may have other
contacts, another currency, an amount that comes late, or none. Times are ms.
"""

import random
from datetime import date, timedelta

import orjson

from schemas.events import RANK, Event, EventType, short
from schemas.reading import FUNNELS, load
from schemas.records import Rate, Spend, SurveyAnswer, Target
from streams.domain.definition import prepare
from tests.support.stories import DAY, T0

E = EventType
HOUR = DAY // 24
MONDAY = date(2026, 1, 5)  # the day of T0
NOW = T0 + 260 * DAY  # up to when everything is folded

FUNNEL = load(FUNNELS / "default.yaml").model_copy(
    update={"dimensions": ("owner", "attributes.region"), "enabled_sources": ("hubspot", "meta")}
)
LATER = FUNNEL.model_copy(update={"version": "2", "effective_from": date(2026, 3, 1)})
DEFINITIONS = prepare(FUNNEL, LATER)

FOUND_BY = (
    {"marketing": {"utm_source": "google", "utm_medium": "cpc", "utm_campaign": "Spring"}},
    {"marketing": {"utm_source": "fb", "utm_medium": "social", "utm_campaign": "spring "}},
    {"marketing": {"platform": "meta", "campaign": "Launch"}},
    {"marketing": {"utm_source": "x"}},
    {},
)
STAGES = ("lead", "marketingqualifiedlead", "salesqualifiedlead", "customer", "evangelist", "odd")
REASONS = ("not-ready", "not-ready", "no-fit", "spam", "duplicate", "competitor")
TOUCHES = ("page_view", "form", "demo_form", "email_click", "call", "onboarded")


class Walk:
    """One lead on its way: the events that its sources send."""

    def __init__(self, number, dice):
        self.number, self.dice, self.events, self.names = number, dice, [], []
        self.at = T0 + dice.randint(0, 140 * 24) * HOUR
        self.region = dice.choice(["north", "south", ""])
        # Neighbours share a deal: several contacts of one.
        self.deal = f"d{number // 2 if dice.random() < 0.3 else number + 1000}"

    def send(self, type_, /, **fields):
        name = f"{self.number}-{len(self.events)}"
        body = {"source": "hubspot", **{key: one for key, one in fields.items() if one != ""}}
        if self.dice.random() < 0.3:
            body["owner"] = self.dice.choice(["ann", "bob"])
        if self.region:
            body.setdefault("attributes", {})["region"] = self.region
        text = orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()
        self.events.append(Event(self.at, RANK[type_], 0, short(name), "lead", type_.value, text))
        self.names.append(name)

    def wait(self):
        """Let time go by: minutes, hours, days, or so long that timers and windows run out."""
        longest = self.dice.choice([1, 30, 24 * 60, 5 * 24 * 60, 20 * 24 * 60, 100 * 24 * 60])
        self.at += self.dice.randint(0, longest) * 60_000

    def go(self):
        """Walk; return the events that happened until now."""
        dice = self.dice
        origin = dice.choice(["marketing", "marketing", "sales", "partner", ""])
        begins = {
            "origin": origin,
            "segment": dice.choice(["smb", "big", ""]),
            **dice.choice(FOUND_BY),
            **({"test": True} if dice.random() < 0.06 else {}),
        }
        begin = dice.random()
        if begin < 0.12:
            stage = dice.choice([*STAGES, "opportunity", "opportunity"])
            deal = {"deal": self._deal()} if stage in ("opportunity", "customer") else {}
            self.send(E.SNAPSHOT, stage=stage, **begins, **deal)
        elif begin < 0.2:
            self.send(E.STAGE_REPORTED, stage="marketingqualifiedlead", **begins)
        elif begin < 0.25:
            self.send(E.OPPORTUNITY_CREATED, deal=self._deal(), **begins)
        else:
            self.send(E.CREATED, kind=dice.choice(["form", "demo_form", "crm"]), **begins)
        steps = (self._up, self._up, self._up, self._touch, self._deals, self._deals, self._odd)
        for _ in range(dice.randint(0, 9)):
            self.wait()
            dice.choice(steps)()
        return [event for event in self.events if event.at <= NOW]

    def _up(self):
        dice = self.dice
        choice = dice.random()
        if choice < 0.4:
            found = dice.choice(FOUND_BY)  # a lead that comes back comes from elsewhere
            self.send(E.STAGE_REPORTED, stage="marketingqualifiedlead", **found)
        elif choice < 0.65:
            self.send(E.ACCEPTED)
        elif choice < 0.85:
            self.send(E.REJECTED, reason=dice.choice(REASONS))
        else:
            self.send(E.STAGE_REPORTED, stage=dice.choice(STAGES))

    def _touch(self):
        dice = self.dice
        direction = dice.choice(["inbound", "human", "automated"])
        self.send(E.TOUCH, kind=dice.choice(TOUCHES), direction=direction)

    def _deals(self):
        dice = self.dice
        kinds = [E.OPPORTUNITY_CREATED, E.OPPORTUNITY_WON, E.OPPORTUNITY_LOST]
        kind = dice.choice([*kinds, E.OPPORTUNITY_STAGE_CHANGED])
        self.send(kind, deal=self._deal(), reason="price" if kind == E.OPPORTUNITY_LOST else "")
        if kind == E.OPPORTUNITY_CREATED and dice.random() < 0.4:  # the amount comes later
            self.at += dice.choice([5, 60, 3_000]) * 60_000
            self.send(E.OPPORTUNITY_STAGE_CHANGED, deal=self._deal())

    def _deal(self):
        dice = self.dice
        deal = {"id": self.deal}
        if dice.random() < 0.7:
            deal["amount"] = str(dice.randint(1, 90) * 100)
            deal["currency"] = dice.choice(["EUR", "EUR", "USD", "GBP"])
        if dice.random() < 0.5:
            deal["margin"] = str(dice.randint(1, 30) * 100)
        if dice.random() < 0.15:
            deal["role"] = "influencer"
        if dice.random() < 0.4:
            deal["close_date"] = str(MONDAY + timedelta(days=dice.randint(0, 400)))
        return deal

    def _odd(self):
        dice = self.dice
        choice = dice.random()
        if choice < 0.25:
            self.send(E.CONSENT, granted=dice.random() < 0.4)
        elif choice < 0.5:
            self.send(E.VOID, voids=dice.choice(self.names[-2:]))
        elif choice < 0.75:
            self.send(E.ASSIGNED, owner=dice.choice(["ann", "bob"]))
        elif choice < 0.85:
            self.send(E.DELETED)
        else:
            self.send(E.SNAPSHOT, stage=dice.choice(STAGES))


def histories(seed, count):
    """Return the events of so many leads, the same for the same seed."""
    dice = random.Random(seed)
    return [Walk(number, dice).go() for number in range(count)]


def records(seed):
    """Return what people state beside events, in the order in which it was stated."""
    dice = random.Random(seed)
    found = []
    for _ in range(60):
        day = str(MONDAY + timedelta(days=dice.randint(-5, 200)))
        platform = dice.choice(["meta", "google", "nobody"])
        cost = {"amount": str(dice.randint(1, 500)), "currency": dice.choice(["EUR", "USD", "GBP"])}
        campaign = dice.choice(["Spring", "launch", ""])
        for _ in range(dice.choice([1, 1, 2])):  # restated
            found.append(Spend(platform=platform, account="a", day=day, campaign=campaign, **cost))
            cost["amount"] = str(dice.randint(1, 500))
    for _ in range(8):  # no rate before the first, none of GBP ever
        day = str(MONDAY + timedelta(days=dice.randint(10, 200)))
        rate = f"0.{dice.randint(70, 99)}"
        found.append(Rate(currency="USD", reporting="EUR", day=day, rate=rate))
    found += [
        SurveyAnswer(
            survey="s1",
            question=dice.choice(["aligned", "satisfied"]),
            respondent=f"{number % 25:016x}",
            team=dice.choice(["sales", "marketing"]),
            answered_at=T0 + dice.randint(0, 200) * DAY,
            score=dice.randint(1, 5),
        )
        for number in range(60)
    ]
    metrics = (
        ("inflow", {"stage": "mql"}),
        ("inflow", {"stage": "mql", "source": "google"}),
        ("acceptance", {"handoff": "mql"}),
        ("pipeline", {}),
        ("revenue", {}),
        ("win_rate", {}),
        ("inflow", {"stag": "mql"}),
    )
    found += [
        Target(
            metric=metric,
            value=dice.randint(1, 50),
            owner=dice.choice(["ann", "bob"]),
            start=str(MONDAY + timedelta(days=first)),
            end=str(MONDAY + timedelta(days=first + dice.randint(20, 120))),
            strategy=dice.choice(["baseline", "last year's"]),
            dimensions=dimensions,
        )
        for metric, dimensions in metrics
        for first in (0, 90)
    ]
    return found
