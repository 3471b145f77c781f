"""The backtest of a preview raises as many alerts as the same events on a simulated clock."""

import random
from collections import Counter
from types import SimpleNamespace
from uuid import UUID

import orjson
import pytest

from schemas import topics
from schemas.events import RANK, Event, EventType, short
from schemas.reading import FUNNELS, load
from streams.agents.advance import Advance
from streams.audit import backtest
from streams.domain.definition import prepare
from streams.domain.group import fold_group
from streams.engine.ticks import Tick

FUNNEL = load(FUNNELS / "default.yaml")
DEFINITIONS = prepare(FUNNEL)
T0, DAY = 1_767_600_000_000, 86_400_000


def name_of(number):
    return str(UUID(int=number))


def histories(seed):
    rng = random.Random(seed)
    for lead in range(40):
        at, events = T0 + rng.randint(0, 30 * DAY), []
        for number, kind in enumerate(
            [
                EventType.CREATED,
                *rng.choices(
                    [
                        EventType.TOUCH,
                        EventType.STAGE_REPORTED,
                        EventType.ACCEPTED,
                        EventType.REJECTED,
                    ],
                    k=5,
                ),
            ]
        ):
            fields = {
                EventType.CREATED: {"kind": rng.choice(["form", "demo_form"])},
                EventType.TOUCH: {"kind": "call", "direction": rng.choice(["human", "inbound"])},
                EventType.STAGE_REPORTED: {"source": "hubspot", "stage": "marketingqualifiedlead"},
                EventType.REJECTED: {"reason": "not-ready"},
            }.get(kind, {})
            body = orjson.dumps(
                {"source": "segment", **fields}, option=orjson.OPT_SORT_KEYS
            ).decode()
            events.append(
                Event(at, RANK[kind], 0, short(f"{lead}-{number}"), name_of(lead), kind.value, body)
            )
            at += rng.randint(0, 6 * DAY)
        yield name_of(lead), events


class Player:
    """One lead in the worker's own logic, ticked when something is due; it counts the alerts."""

    def __init__(self, lead, raised):
        self.lead, self.raised, self.body, self.due, self.alerts = lead, raised, None, None, []
        self.pages = {}
        self.logic = Advance([FUNNEL], 1, lambda _what, _number: None)
        self.logic.init_shared(0)

    def record(self, at, value):
        return SimpleNamespace(
            partition=0, offset=1, timestamp=at, key=self.lead.encode(), value=value
        )

    def take(self, effects):
        for out in effects.outs:
            if out.topic == topics.ALERTS:
                alert = orjson.loads(out.value)
                self.alerts.append(alert)
                if alert["what"] == "raised":
                    self.raised[f"{alert['stage']}.{alert['clock']}", alert["status"]] += 1
        if effects.row is not None:
            self.body, self.due = effects.row, effects.due
            self.pages |= effects.pages

    def wait(self, until):
        while self.due is not None and self.due < until:
            now = self.due + 1
            self.take(
                self.logic.due(
                    self.lead.encode(),
                    self.body,
                    now,
                    self.record(now, Tick(now, "t", 0, 1).dump()),
                    self.pages.get,
                )
            )

    def happens(self, event):
        self.wait(event.at)
        value = orjson.dumps({"t": "event", "event": list(event), "received_at": event.at})
        record = self.record(event.at, value)
        self.take(self.logic.record(record, self.body, event.at, self.pages.get))


def played(leads, until):
    raised = Counter()
    for lead, events in leads:
        player = Player(lead, raised)
        for event in events:
            player.happens(event)
        player.wait(until)
    return +raised


@pytest.mark.parametrize("seed", range(3))
def test_a_backtest_counts_the_alerts_that_a_simulated_clock_raises(seed):
    until = T0 + 89 * DAY
    facts = [
        fact
        for lead, events in histories(seed)
        for fact in fold_group(
            lead, frozenset(events), frozenset(), DEFINITIONS, until
        ).facts.values()
    ]
    counted = Counter()
    for (clock, level, _recipient, _week), n in backtest.count(facts, DEFINITIONS, until).items():
        counted[clock, level] += n
    assert counted == played(histories(seed), until)
    assert sum(counted.values()) > 20


def test_a_backtest_names_the_recipient_and_the_week():
    body = orjson.dumps({"source": "hubspot", "stage": "marketingqualifiedlead"}).decode()
    event = Event(
        T0,
        RANK[EventType.STAGE_REPORTED],
        0,
        short("e"),
        name_of(0),
        EventType.STAGE_REPORTED.value,
        body,
    )
    facts = fold_group(
        name_of(0), frozenset({event}), frozenset(), DEFINITIONS, T0 + 10 * DAY
    ).facts.values()
    found = backtest.documents(backtest.count(facts, DEFINITIONS, T0 + 10 * DAY))
    assert {one["recipient"] for one in found} == {"joint"}
    assert {one["week"] for one in found} == {"2026-01-05"}


def alerts(*reported, until, at_once=0):
    """Play events of one lead; return its alerts. `at_once` ticks only then, as an import does."""
    player = Player(name_of(0), Counter())
    for number, (day, kind, fields) in enumerate(reported):
        body = orjson.dumps({"source": "hubspot", **fields}, option=orjson.OPT_SORT_KEYS).decode()
        at = T0 + int(day * DAY)
        event = Event(at, RANK[kind], 0, short(f"e{number}"), name_of(0), kind.value, body)
        player.happens(event)
    if at_once:
        now = T0 + at_once * DAY
        player.take(
            player.logic.due(
                name_of(0).encode(),
                player.body,
                now,
                player.record(now, Tick(now, "t", 0, 1).dump()),
                player.pages.get,
            )
        )
    player.wait(T0 + until * DAY)
    return player.alerts


MQL = {"stage": "marketingqualifiedlead"}
WHOM = {"owner": "7", "queue": "west", "manager": "eve@firm.example"}


def test_an_alert_says_by_ids_whom_it_concerns_and_holds_no_address():
    sent = alerts(
        (0, EventType.STAGE_REPORTED, {**MQL, **WHOM, "record_url": "https://crm.example/1"}),
        until=2,
    )
    assert {one["clock"] for one in sent} == {"first_touch"}
    assert all(
        {name: one[name] for name in WHOM} == {**WHOM, "manager": ""} and one["team"] == "joint"
        for one in sent
    )
    assert not any("example" in str(one) for one in sent)


def test_a_test_lead_raises_no_alert():
    assert alerts((0, EventType.STAGE_REPORTED, {**MQL, "test": True}), until=10) == []


def test_what_was_late_more_than_a_day_ago_is_recorded_and_wakes_nobody():
    sent = alerts((0, EventType.STAGE_REPORTED, MQL), until=6, at_once=5)
    assert "first_touch" not in {one["clock"] for one in sent}
    assert "decision" in {one["clock"] for one in sent}


def test_an_alert_is_taken_back_when_what_made_the_clock_short_is_voided():
    sent = alerts(
        (0, EventType.CREATED, {"kind": "demo_form"}),
        (0.5, EventType.VOID, {"voids": "e0"}),
        until=0.6,
    )
    raised = [one for one in sent if one["what"] == "raised"]
    taken_back = {one["id"] for one in sent if one["what"] == "retracted"}
    assert {one["id"] for one in raised} == taken_back != set()


def test_a_clock_whose_due_time_moves_beyond_now_is_taken_back():
    hot, later = (0, EventType.TOUCH, {"kind": "demo_form"}), (0, EventType.STAGE_REPORTED, MQL)
    sent = alerts(hot, later, (0.2, EventType.VOID, {"voids": "e0"}), until=0.21)
    first_touch = [
        (one["what"], one["status"]) for one in sent if one.get("clock") == "first_touch"
    ]
    assert first_touch[-2:] == [("raised", "escalated"), ("retracted", "open")]


def test_what_raised_no_alert_is_not_taken_back():
    assert (
        alerts(
            (0, EventType.STAGE_REPORTED, MQL),
            (0.01, EventType.TOUCH, {"direction": "human"}),
            until=0.1,
        )
        == []
    )
