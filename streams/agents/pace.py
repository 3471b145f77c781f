"""The pace of an import: it yields to live events.

It raises no watermark, and pauses while live time is behind, as the cuts in lead.facts show.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import TopicPartition

from schemas import topics
from streams import connections

if TYPE_CHECKING:
    from streams.settings import Settings

BEHIND_MS = 2_000
# A chunk waits no longer: if time stands still, that is an alert, not the end of every import.
LONGEST_SECONDS = 10.0
_CUT = (b'{"record":"cut"', b'{"k":"cut"')  # as version 1 began too


def behind(times: dict[int, int], partitions: int, now: int) -> bool:
    """Return whether live events wait: some partition's newest cut is missing or 2 s old.

    Times are ms.
    """
    return len(times) < partitions or now - min(times.values()) > BEHIND_MS


class Pace:
    """A listener to the cuts; `wait` returns when live time is current, or after ten seconds."""

    def __init__(self, settings: Settings) -> None:
        """Connect at the first chunk, since there is no loop before."""
        self._settings, self._partitions = settings, settings.partitions
        self.consumer: Any = None
        self._times: dict[int, int] = {}

    async def wait(self) -> None:
        """Hold one chunk back while live events wait."""
        if self.consumer is None:
            self.consumer = connections.async_consumer(self._settings)
            await self.consumer.start()
            places = [TopicPartition(topics.FACTS, number) for number in range(self._partitions)]
            self.consumer.assign(places)
            await self.consumer.seek_to_end(*places)
        end = time.monotonic() + LONGEST_SECONDS
        await self.listen(end)
        while (
            behind(self._times, self._partitions, int(time.time() * 1000))
            and time.monotonic() < end
        ):
            await asyncio.sleep(0.1)
            await self.listen(end)

    async def listen(self, end: float) -> None:
        """Read the cuts that have come until now, or until `end`.

        Facts that come faster than they are read must not hold the import for ever.
        """
        places = self.consumer.assignment()
        ends = await self.consumer.end_offsets(places)
        while time.monotonic() < end:
            if all([await self.consumer.position(place) >= ends[place] for place in places]):
                return
            found = await self.consumer.getmany(timeout_ms=100, max_records=10_000)
            for place, records in found.items():
                for record in records:
                    if record.value and record.value.startswith(_CUT):
                        # none of ours: the sink makes a letter of it
                        with contextlib.suppress(ValueError, LookupError, TypeError):
                            self._times[place.partition] = int(orjson.loads(record.value)["now"])
