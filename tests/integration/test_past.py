"""Where leads stood at a past instant is a fold of what had happened by then."""

import time

import pytest

from schemas.events import EventType
from sinks.clickhouse import asking
from sinks.clickhouse.asking import Asked
from sinks.clickhouse.batch import Batch
from sinks.clickhouse.catalogue import catalogue
from streams.audit.archive import NotFolded
from streams.audit.past import Worlds
from tests.integration.firm import E, Firm, deal
from tests.support import slow_kpis
from tests.support.slow_counting import SLOW, approximate, of_product
from tests.support.slow_histories import (
    DAY,
    DEFINITIONS,
    FUNNEL,
    LATER,
    NOW,
    T0,
    histories,
    records,
)
from tests.support.slow_world import World
from tests.support.stories import MQL

pytestmark = pytest.mark.ci

OF_STATES = tuple(kpi.name for kpi in catalogue() if kpi.of_states)


@pytest.fixture
def archived(emptied, engine):
    """Return a client of a firm whose archive is whole, its stories, and worlds of its past."""
    emptied.set_client_setting("max_threads", 1)
    stories = histories(8, 40)
    world = World(stories, records(8), DEFINITIONS, NOW)
    firm = Firm(emptied, engine, FUNNEL)
    firm.insert(world.batch())
    firm.insert(archive_of(world))
    with Worlds(engine, emptied) as worlds:
        yield emptied, stories, worlds


def archive_of(world):
    """Return what says that everything was read, and under which definitions."""
    batch = Batch()
    for version in (FUNNEL, LATER):
        batch.definition(
            {
                "generation": 1,
                "funnel_version": version.version,
                "effective_from": DEFINITIONS.first.start if version is FUNNEL else T0 + 55 * DAY,
                "digest": "d",
                "content": version.model_dump_json(),
            }
        )
    today = int(time.time() * 1000)  # an older cut is let go
    batch.cut({"generation": 1, "partition": 0, "next_offset": len(world.arrivals), "now": today})
    batch.archived(0, len(world.arrivals))
    return batch


def as_it_was(stories, asof):
    """Return the world of that instant: what had happened, less what is known to be void."""
    then = [
        [event for event in events if event.at <= asof or event.type == EventType.VOID]
        for events in stories
    ]
    return World(
        [events if any(one.at <= asof for one in events) else [] for events in then],
        records(8),
        DEFINITIONS,
        asof,
    )


def test_where_leads_stood_is_a_fold_of_the_events_until_then(archived):
    client, stories, worlds = archived
    assert {
        "balance", "open_age", "past_due", "stalled", "nurture_coverage", "neglect",
    } == {*OF_STATES}  # fmt: skip
    shown = []
    for day in (70, 190):
        asof = T0 + day * DAY
        slow = slow_kpis.Asked(FUNNEL, 0, asof + 1, asof)
        asked = Asked(as_of=str(asof), kpis=OF_STATES)
        found = asking.report(client, FUNNEL, asked, NOW, worlds.at)["figures"]
        past = as_it_was(stories, asof)
        for name in OF_STATES:
            own = of_product(one for one in found if one["kpi"] == name)
            assert own == approximate(slow_kpis.figures(past, name, slow)), (day, name)
        shown.append(found)
    assert shown[0] != shown[1]
    assert SLOW["stalled"].members(past, slow)  # somebody was


def test_databases_of_past_instants_are_gone_at_the_end(archived, engine):
    client, _, _ = archived
    left = "SELECT count() FROM system.databases WHERE name LIKE '%preview%'"
    with Worlds(engine, client) as worlds:
        assert worlds.at(T0 + 9 * DAY) is worlds.at(T0 + 9 * DAY)
        worlds.at(T0 + 10 * DAY)
        assert client.query(left).first_row[0] == 2
    assert client.query(left).first_row[0] == 0


def test_figures_that_need_no_past_state_fold_no_archive(emptied):
    def never(_asof):
        raise AssertionError("the archive was folded")

    asked = Asked(as_of=str(T0), kpis=("inflow", "step_conversion"))
    assert asking.report(emptied, FUNNEL, asked, NOW, never)["figures"] == []


def test_where_nothing_was_folded_yet_there_is_no_past(emptied, engine):
    with Worlds(engine, emptied) as worlds, pytest.raises(NotFolded, match="wait until"):
        worlds.at(T0)


def test_a_conversion_as_of_an_instant_counts_no_later_win(firm):
    firm.lead(
        (0, E.STAGE_REPORTED, MQL),
        (2, E.ACCEPTED, {}),
        (10, E.OPPORTUNITY_CREATED, deal("d1", "100")),
        (40, E.OPPORTUNITY_WON, deal("d1", "100")),
    )
    firm.lead((0, E.STAGE_REPORTED, MQL))

    def step(name, stage, day):
        asked = Asked(as_of=str(int(T0 + day * DAY)), kpis=(name,))
        found = asking.report(firm.client, firm.funnel, asked, NOW)["figures"]
        (one,) = [one for one in found if one["dimensions"].get("stage") == stage]
        return one["n"], one["numerator"], one["pending"]

    assert step("step_conversion", "mql", 1) == (2, 0, 2)
    assert step("step_conversion", "mql", 3) == (2, 0, 1)
    assert step("step_conversion", "mql", 20) == (2, 1, 0)
    assert step("step_conversion", "opportunity", 39) == (1, 0, 1)
    assert step("conversion", "customer", 39) == (2, 0, 2)
    assert step("conversion", "customer", 41) == (2, 0, 1)
