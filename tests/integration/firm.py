"""A firm as a test describes it: short histories, spend, records; and its KPIs on ClickHouse."""

import uuid
from types import SimpleNamespace

import orjson

from schemas.events import EventType
from schemas.reading import FUNNELS, load
from schemas.records import Rate, Spend, SurveyAnswer, Target
from sinks.clickhouse import kpis
from sinks.clickhouse.batch import Batch
from sinks.clickhouse.writer import Writer, insert
from streams.domain.definition import prepare
from tests.support.stories import DAY, T0, fold, history

E = EventType
FUNNEL = load(FUNNELS / "default.yaml")
NOT_READY, SPAM = {"reason": "not-ready"}, {"reason": "spam"}
OURS = {"origin": "marketing"}
TEST = {"test": True}


class Firm:
    """A described firm: leads in days after Monday, 5 January 2026, 09:00 in Paris; and records."""

    def __init__(self, client, settings, funnel=FUNNEL):
        self.client, self.writer, self.leads = client, Writer(settings), 0
        self.funnel, self.definitions = funnel, prepare(funnel)

    def lead(self, *stated, until=100.0, again=0):
        """Add a lead; or state the newest one anew, by revision `again`."""
        self.leads += not again
        events = history(*stated)
        folded, batch, name = (
            fold(events, until, self.definitions),
            Batch(),
            str(uuid.UUID(int=self.leads)),
        )
        common = {"generation": 1, "lead": name, "partition": 0, "offset": 1}
        common["revision"] = again or 1
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
        self.insert(batch)
        names = ["lead_id", "event_id", "origin", "kind", "content", "event_time"]
        rows = [
            [name, event.id, event.origin, "event", orjson.dumps(tuple(event)).decode(), event.at]
            for event in events
        ]
        types = [
            "UUID",
            "String",
            "String",
            "LowCardinality(String)",
            "String",
            "DateTime64(3, 'UTC')",
        ]
        self.client.insert("touches", rows, column_names=names, column_type_names=types)

    def insert(self, batch):
        for table, rows in batch.rows.items():
            self.writer.write_table(table, rows)

    def spend(
        self,
        amount,
        currency="EUR",
        day="2026-01-05",
        platform="meta",
        stamp=1,
        campaign=None,
        breakdown="",
    ):
        batch, campaign = Batch(), currency if campaign is None else campaign
        batch.spend(
            Spend(
                platform=platform,
                account="a",
                day=day,
                campaign=campaign,
                breakdown=breakdown,
                amount=amount,
                currency=currency,
            ),
            stamp,
        )
        self.insert(batch)

    def rate(self, currency, day, rate, stamp=1):
        batch = Batch()
        batch.rate(Rate(currency=currency, reporting="EUR", day=day, rate=rate), stamp)
        self.insert(batch)

    def target(
        self,
        metric,
        value,
        start="2026-01-01",
        end="2026-01-31",
        stamp=1,
        strategy="baseline",
        owner="ann",
        **dimensions,
    ):
        batch = Batch()
        values = {
            "metric": metric,
            "value": value,
            "owner": owner,
            "start": start,
            "end": end,
            "strategy": strategy,
        }
        batch.target(Target(**values, dimensions=dimensions), stamp)
        self.insert(batch)

    def answer(self, person, team, score, stamp=1):
        batch = Batch()
        values = {
            "survey": "s1",
            "question": "aligned",
            "respondent": f"{person:016x}",
            "team": team,
            "answered_at": T0,
            "score": score,
        }
        batch.answer(SurveyAnswer(**values), stamp)
        self.insert(batch)

    def ask_all(self, by="", start=-1, end=100, asof=100.0):
        """Return the documents of every figure."""
        times = (int(T0 + day * DAY) for day in (start, end, asof))
        return kpis.ask(self.client, kpis.question(self.funnel, *times, by))

    def ask(self, name, start=-1, end=100, asof=100.0, by="", **dimensions):
        times = (int(T0 + day * DAY) for day in (start, end, asof))
        found = kpis.ask(self.client, kpis.question(self.funnel, *times, by), [name])
        return [
            SimpleNamespace(**f)
            for f in found
            if dimensions.items() <= {**f["dimensions"], "basis": f["basis"]}.items()
        ]

    def one(self, name, *args, **kwargs):
        found = self.ask(name, *args, **kwargs)
        assert len(found) == 1, found
        return found[0]


def state(client, funnel=FUNNEL):
    """Let ClickHouse know a definition, as a partition took it."""
    batch = Batch()
    row = {"generation": 1, "funnel_version": funnel.version, "effective_from": 0, "digest": "d"}
    batch.definition({**row, "content": funnel.model_dump_json()})
    for table, rows in batch.rows.items():
        insert(client, table, rows)


def deal(name, amount=None, currency=None, margin=None, **more):
    values = {"id": name, "amount": amount, "currency": currency, "margin": margin, **more}
    return {"deal": {key: value for key, value in values.items() if value is not None}}


def parts(figure):
    return figure.numerator, figure.denominator
