"""A storm of redeliveries: bodies 1 to 10 times within a day, in any order, change no figure."""

import os
import random
from collections import Counter

import orjson
import pytest

from schemas.facts import FactKind
from streams.agents.normalise import normalise
from streams.sources.registry import SOURCES, connection
from tests.conftest import ROOT
from tests.support.bodies import BODIES
from tests.support.kafka import record
from tests.support.meanings import ROWS
from tests.support.resolving import World
from tests.support.sampled import TABLE

DAY = 86_400_000
RECEIVED = 1_795_700_000_000
CONNECTION = connection(lambda _name: "", "Europe/Paris")
SEEDS = max(3, int(os.environ.get("LEADSTREAM_EXAMPLES", "300")) // 50)


def bodies():
    """Return each body once: source and bytes."""
    found = [
        (vendor, (ROOT / "tests" / "samples" / name).read_bytes()) for name, vendor, *_ in TABLE
    ]
    found += [
        (vendor, orjson.dumps(together(good))) for vendor, good, _, together in BODIES.values()
    ]
    found += [(vendor, orjson.dumps(body)) for vendor, body, _ in ROWS.values()]
    return found


ALL = bodies()


def play(deliveries):
    """Deliver bodies with their receipt times (ms); return all figures, but no names of leads."""
    world, spend = World(), {}
    for source, body, received in deliveries:
        sent = record(body, headers=[("leadstream-source", source.encode())], timestamp=received)
        for out in normalise(sent, CONNECTION).outs:
            if out.topic == "lead.events":
                world.takes(orjson.loads(out.value)["event"])
            else:
                cost = orjson.loads(out.value)
                before = spend.get(out.key, cost)
                spend[out.key] = max(before, cost, key=lambda one: one["stated_at"])
    world.stamp = RECEIVED + 2 * DAY
    folded = [lead for lead in world.facts().values() if lead.state]
    facts = Counter(
        (fact.kind, fact.journey, fact.at, fact.content)
        for lead in folded
        for fact in lead.facts.values()
        if fact.kind != FactKind.CONFLICT  # it names the leads
    )
    states = Counter(
        orjson.dumps(
            {name: value for name, value in lead.state.items() if name != "origins"},
            option=orjson.OPT_SORT_KEYS,
        )
        for lead in folded
    )
    costs = {
        key: {name: value for name, value in cost.items() if name != "stated_at"}
        for key, cost in spend.items()
    }
    return facts, states, costs


ONCE = play([(source, body, RECEIVED) for source, body in ALL])


def test_every_vendor_takes_part_in_the_storm():
    assert {source for source, _ in ALL} == set(SOURCES)
    assert len(ONCE[0]) > 100


@pytest.mark.parametrize("seed", range(SEEDS))
def test_each_delivery_one_to_ten_times_within_a_day_and_in_any_order_changes_no_figure(seed):
    rng, deliveries = random.Random(seed), []
    for source, body in ALL:
        again = rng.choice([0, 0, 0, 1, 2, rng.randint(3, 9)])
        later = [RECEIVED + rng.randint(1, DAY) for _ in range(again)]
        deliveries += [(source, body, received) for received in (RECEIVED, *later)]
    rng.shuffle(deliveries)
    for found, wanted in zip(play(deliveries), ONCE, strict=True):
        assert found == wanted
