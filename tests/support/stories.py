"""What tests share of lifecycle."""

import orjson

from schemas.events import RANK, Event, EventType, short
from schemas.reading import FUNNELS, load
from streams.domain import row
from streams.domain.definition import prepare

DEFINITION = prepare(load(FUNNELS / "default.yaml"))


T0 = 1_767_600_000_000  # Monday, 5 January 2026, 09:00 in Paris


DAY = 86_400_000


E = EventType


def history(*stated):
    events = []
    for number, (day, kind, fields) in enumerate(stated):
        body = orjson.dumps({"source": "hubspot", **fields}, option=orjson.OPT_SORT_KEYS).decode()
        events.append(
            Event(int(T0 + day * DAY), RANK[kind], 0, short(f"e{number}"), "lead", kind.value, body)
        )
    return events


def fold(events, until=400.0, under=DEFINITION):
    current = row.Row("lead")
    for event in events:
        current = row.advance(current, event, under).row
    step = row.tick(current, int(T0 + until * DAY), under)
    return row.state_of(step.row, under)


def facts(folded, kind):
    found = [
        (f.at, orjson.loads(f.content), f.journey) for f in folded.facts.values() if f.kind == kind
    ]
    return sorted(found, key=lambda fact: fact[0])


def path(folded):
    moves = sorted(
        (
            (f.journey, f.at, orjson.loads(f.content))
            for f in folded.facts.values()
            if f.kind == "transition"
        ),
        key=lambda m: m[:2],
    )
    return " ".join(content["to"] + ("*" if content["implied"] else "") for _, _, content in moves)


def stage(name):
    return {"stage": name}


DEAL = {"deal": {"id": "d1", "amount": "100"}}


MQL = stage("marketingqualifiedlead")
