"""What is known of a firm, as plain dicts: what leads folded to, before any database.

Each fact is {"lead", "journey", "at" (ms), ...its content}, and `of` is its journey's own dict.
"""

import uuid
from collections import defaultdict

import orjson

from schemas.deadletters import Letter
from schemas.records import Rate, Spend, SurveyAnswer, Target
from sinks.clickhouse.batch import Batch
from streams.domain import row

MINUTE, DAY = 60_000, 86_400_000
STATED = {Spend: "spend", Rate: "rate", Target: "target", SurveyAnswer: "answer"}


class World:
    """The facts, states and records of a firm, folded up to `now` (ms)."""

    def __init__(self, stories, records, definitions, now):
        self.now, self.definitions, self.stories = now, definitions, dict(enumerate(stories, 1))
        self.folded = {
            str(uuid.UUID(int=number)): row.fold_group("lead", frozenset(events), frozenset(),
                                                       definitions, now)
            for number, events in self.stories.items() if events
        }  # fmt: skip
        self.journeys, self.states = {}, []
        self.facts = defaultdict(list)
        for lead, folded in self.folded.items():
            self._know(lead, folded)
        self.arrivals, self.refused = (
            [*_arriving(self.stories)],
            [now - day * DAY for day in (5, 90)],
        )
        newest = {(type(record), record.key): record for record in records}  # the later one holds
        self.stated, self.records = records, defaultdict(list)
        for record in newest.values():
            self.records[type(record)].append(record)

    def _know(self, lead, folded):
        facts = [
            {**orjson.loads(fact.content), "lead": lead, "journey": fact.journey, "at": fact.at,
             "kind": fact.kind}
            for fact in folded.facts.values()
        ]  # fmt: skip
        for fact in facts:
            if fact["kind"] == "journey":
                fact["entered"] = {
                    key.removesuffix("_at"): at for key, at in fact.items() if key.endswith("_at")
                }
                self.journeys[lead, fact["journey"]] = fact
        for fact in facts:
            fact["of"] = self.journeys.get((lead, fact["journey"]))
            self.facts[fact["kind"]].append(fact)
        if folded.state:
            journey = self.journeys[lead, folded.state["journey"]]
            self.states.append({**folded.state, "lead": lead, "of": journey})

    def batch(self):
        """Return the same as rows of ClickHouse."""
        batch = Batch()
        for lead, folded in self.folded.items():
            common = {"generation": 1, "lead": lead, "partition": 0, "offset": 1, "revision": 1}
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
        for stamp, record in enumerate(self.stated):
            getattr(batch, STATED[type(record)])(record, stamp)
        for offset, one in enumerate(self.arrivals):
            lead_input = {"event": [*one["event"]], "received_at": one["received_at"]}
            batch.touch(0, offset, one["lead"], lead_input)
        for number, at in enumerate(self.refused):
            common = {"topic": "raw.meta", "partition": 0, "worker": "normalise", "reason": "?"}
            letter = Letter(id=f"{number}", offset=number, stamp=at, kind="refused", **common)
            batch.letter(letter)
        return batch


def _arriving(stories):
    """Yield what arrived: each event soon, some late, some again."""
    for number, events in stories.items():
        lead = str(uuid.UUID(int=number))
        for place, event in enumerate(events):
            late = (number + place) % 7 == 0
            arrival = {
                "lead": lead,
                "event": event._replace(origin=lead),
                "at": event.at,
                "received_at": event.at + (40 * MINUTE if late else 2_000),
                "repeated": False,
            }
            yield arrival
            if (number + place) % 11 == 0:
                again = arrival["received_at"] + MINUTE
                yield {**arrival, "received_at": again, "repeated": True}
