"""A small firm as the live page's tests see it: ten weeks of leads, written as the sink does.

Every number is drawn from one seed and every instant counts back from `now`, so that lists have
leads which are late, about to be, hot and waiting, whatever day the tests run on.
"""

import random
import uuid

import orjson

from schemas.events import RANK, Event, EventType, short
from schemas.reading import FUNNELS, load
from schemas.records import Rate, Spend, Target
from sinks.clickhouse.batch import Batch
from sinks.clickhouse.writer import Writer
from streams.domain import row
from streams.domain.definition import prepare

DAY, HOUR, MINUTE = 86_400_000, 3_600_000, 60_000
E = EventType
SOURCES = (
    {"platform": "meta", "campaign": "autumn"},
    {"platform": "google", "campaign": "brand"},
    {"utm_source": "newsletter", "utm_medium": "email"},
    {"platform": "linkedin", "campaign": "partners"},
)
OWNERS = ("owner-1", "owner-2", "owner-3", "owner-4")


class Market:
    """Writes leads, spend and targets of the default funnel."""

    def __init__(self, settings, now, seed=14):
        """`now` is ms."""
        self.now, self.random = now, random.Random(seed)
        self.writer, self.leads, self.folded = Writer(settings), [], {}
        self.batch = Batch()
        self.funnel = load(FUNNELS / "default.yaml")
        self.definitions = prepare(self.funnel)

    def write(self):
        """Insert all that was stated since the last time."""
        batch, self.batch = self.batch, Batch()
        self.insert(batch)

    def insert(self, batch):
        for table, rows in batch.rows.items():
            self.writer.write_table(table, rows)

    def begin(self):
        """State the definition and how far time has come."""
        content = self.funnel.model_dump_json()
        self.batch.definition(
            {
                "generation": 1,
                "funnel_version": self.funnel.version,
                "effective_from": 0,
                "digest": "d",
                "content": content,
            }
        )
        self.tick(self.now)

    def tick(self, now):
        """State that time has come to `now` (ms)."""
        batch = Batch()
        batch.cut({"generation": 1, "partition": 0, "next_offset": 10, "now": now})
        self.insert(batch)

    def lead(self, *stated, name=None):
        """Write a lead of (ms before now, type, fields); return its id."""
        name = name or str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        current, kept = row.Row(name), []
        for number, (ago, kind, fields) in enumerate(sorted(stated, key=lambda one: -one[0])):
            body = orjson.dumps({"source": "hubspot", **fields}, option=orjson.OPT_SORT_KEYS)
            event = Event(
                int(self.now - ago), RANK[kind], 0, short(f"{name}{number}"), name, kind.value,
                body.decode(),
            )  # fmt: skip
            kept.append(event)
            current = row.advance(current, event, self.definitions).row
        current = row.tick(current, int(self.now), self.definitions).row
        folded = self.folded[name] = row.state_of(current, self.definitions)
        batch = self.batch
        common = {"generation": 1, "lead": name, "partition": 0, "offset": 1, "revision": 1}
        for fact in folded.facts.values():
            batch.fact(
                {
                    **common,
                    "id": fact.id,
                    "kind": fact.kind,
                    "journey": fact.journey,
                    "at": fact.at,
                    "content": fact.content,
                }
            )
        batch.state({**common, "content": orjson.dumps(folded.state).decode()})
        for number, event in enumerate(kept):
            touch = {"event": tuple(event), "name": event.id, "received_at": event.at + 1000}
            batch.touch(0, len(self.leads) * 100 + number, name, touch)
        self.leads.append(name)
        return name

    def attributes(self, number):
        """Return what a lead's first event says of where it came from, and who has it."""
        marketing = SOURCES[number % len(SOURCES)]
        return {
            "origin": "marketing",
            "marketing": marketing,
            "owner": OWNERS[number % 4],
            "manager": "manager-1",
            "segment": ("smb", "enterprise")[number % 2],
            "record_url": f"https://crm.example.com/leads/{number}",
        }

    def play(self, count=90):
        """Write leads on every way through the funnel, spend and targets."""
        self.begin()
        draw = self.random.random
        for number in range(count):
            first = self.attributes(number)
            ago = (2 + draw() * 68) * DAY
            steps = [(ago, E.CREATED, {**first, "kind": "form"})]
            if draw() < 0.75:
                ago -= draw() * min(ago, 6 * DAY)
                steps.append((ago, E.STAGE_REPORTED, {"stage": "mql"}))
                fate = draw()
                ago -= draw() * min(ago, 3 * DAY)
                if fate < 0.55:
                    steps.append((ago, E.ACCEPTED, {"owner": first["owner"]}))
                    ago -= draw() * min(ago, 8 * DAY)
                    deal = {
                        "id": f"d{number}",
                        "amount": str(1000 + number * 37),
                        "currency": "EUR",
                    }
                    if draw() < 0.6:
                        steps.append((ago, E.OPPORTUNITY_CREATED, {"deal": deal}))
                        ago -= draw() * min(ago, 20 * DAY)
                        if draw() < 0.4:
                            steps.append((ago, E.OPPORTUNITY_WON, {"deal": deal}))
                elif fate < 0.75:
                    reason = ("not-ready", "no-fit")[number % 2]
                    steps.append((ago, E.REJECTED, {"reason": reason}))
            self.lead(*steps)
        self.waiting()
        self.money()
        self.write()

    def waiting(self):
        """Write hot leads that wait, clocks about to breach, and one that nobody owns."""
        for number, minutes in enumerate((2, 4, 50)):
            first = {**self.attributes(number), "kind": "demo_form"}
            self.lead((minutes * MINUTE, E.CREATED, first))
        first = self.attributes(3)
        self.late = self.lead(
            (44 * DAY, E.CREATED, {**first, "owner": "owner-4", "kind": "form"}),
            (43 * DAY, E.STAGE_REPORTED, {"stage": "sal"}),
        )
        self.lead(
            (9 * DAY, E.CREATED, {"origin": "marketing", "kind": "form"}),
            (9 * DAY, E.STAGE_REPORTED, {"stage": "mql"}),
        )
        for number in range(3):
            first = self.attributes(number)
            self.lead(
                (8 * DAY, E.CREATED, {**first, "kind": "form"}),
                (6 * DAY - number * 10 * HOUR, E.STAGE_REPORTED, {"stage": "sql"}),
            )

    def money(self):
        batch = self.batch
        for week in range(10):
            day = _day(self.now - (week * 7 + 1) * DAY)
            for platform, amount in (("meta", "420.5"), ("google", "610"), ("linkedin", "380")):
                spend = Spend(
                    platform=platform, account="a", day=day, campaign="autumn", breakdown="",
                    amount=amount, currency="EUR",
                )  # fmt: skip
                batch.spend(spend, 1)
        batch.rate(Rate(currency="USD", reporting="EUR", day="2026-01-01", rate="0.9"), 1)
        start, end = _day(self.now - 40 * DAY), _day(self.now + 40 * DAY)
        for metric, value, owner in (("inflow", 90, "marketing"), ("acceptance", 0.5, "sales")):
            of = {"stage": "inquiry"} if metric == "inflow" else {}
            target = Target(
                metric=metric, value=value, owner=owner, start=start, end=end,
                strategy="baseline", dimensions=of,
            )  # fmt: skip
            batch.target(target, 1)


def _day(at):
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at / 1000, UTC).date().isoformat()
