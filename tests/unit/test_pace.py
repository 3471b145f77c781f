"""An import yields to live events."""

import asyncio
import time
from types import SimpleNamespace

from faust.types import TP

from streams.agents.pace import Pace, behind
from streams.settings import Settings


def test_an_import_waits_while_any_partition_is_more_than_two_seconds_behind_or_unheard_of():
    assert behind({}, 2, 10_000)
    assert behind({0: 10_000}, 2, 10_000)
    assert behind({0: 10_000, 1: 7_999}, 2, 10_000)
    assert not behind({0: 10_000, 1: 8_000}, 2, 10_000)


class Facts:
    """A consumer of a topic that grows with every record that is read of it."""

    def __init__(self):
        self.at, self.end = 0, 5

    def assignment(self):
        return {"place"}

    async def end_offsets(self, places):
        return dict.fromkeys(places, self.end)

    async def position(self, _place):
        return self.at

    async def getmany(self, **_options):
        self.at, self.end = self.at + 1, self.end + 1
        return {
            TP("lead.facts", 0): [
                SimpleNamespace(value=b'{"record":"cut","version":2,"now":%d}' % self.at)
            ]
        }


def test_an_import_hears_what_has_come_and_no_more_however_fast_facts_follow():
    pace = Pace(Settings(partitions=1))
    pace.consumer = facts = Facts()
    asyncio.run(asyncio.wait_for(pace.listen(time.monotonic() + 60), 30))
    assert facts.at == 5
