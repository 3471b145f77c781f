"""One refresh serves all visitors who ask the same.

A question is asked while somebody looks, never twice at once, and again at the earliest a second
after its last answer; a costly one later, so that all questions together keep ClickHouse busy for
a small share of the time only. The cache is bounded: who was looked at longest ago goes first.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

SECONDS = 1.0
RETRY_SECONDS = 2.0  # after a failure
SHARE = 0.3  # of the time of one core, that all questions together may take
MOST = 256  # questions
_LOOKING_SECONDS = 5.0  # a question that nobody asked for so long counts no more


class Snapshot(NamedTuple):
    """An answer, and which one of its question it is."""

    number: int
    value: Any


class _Entry:
    """What is known of one question."""

    def __init__(self) -> None:
        self.asking: asyncio.Task[Snapshot] | None = None
        self.snapshot: Snapshot | None = None
        self.error: Exception | None = None
        self.ended, self.took, self.wanted = -float("inf"), 0.0, 0.0


def _look_at(done: asyncio.Task[Snapshot]) -> None:
    """Take a failure up: it is kept in the entry, for all who ask."""
    if not done.cancelled():
        done.exception()


class Snapshots:
    """Answers by question. All is called on one event loop; questions run in threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._clock = clock
        self._few = asyncio.Semaphore(2)
        self.asked = 0

    async def get(self, question: Hashable, ask: Callable[[], Any]) -> Snapshot:
        """Return the shared answer of a question; one that is due is asked anew meanwhile.

        `ask` blocks. What it raises reaches all who ask until the question is due again.
        """
        entry = self._entry(question)
        entry.wanted = self._clock()
        if entry.asking is None and not self._due(entry):
            if entry.error:
                raise entry.error
            if entry.snapshot:
                return entry.snapshot
        if entry.asking is None:
            entry.asking = asyncio.create_task(self._ask(entry, ask))
            entry.asking.add_done_callback(_look_at)
        if entry.snapshot and not entry.error:
            return entry.snapshot  # the next look finds the new one
        return await asyncio.shield(entry.asking)

    def _entry(self, question: Hashable) -> _Entry:
        entry = self._entries.setdefault(question, _Entry())
        self._entries.move_to_end(question)
        while len(self._entries) > MOST:
            self._entries.popitem(last=False)
        return entry

    def _due(self, entry: _Entry) -> bool:
        now = self._clock()
        if entry.error:  # how long it was waited for says nothing of what the answer costs
            return now - entry.ended >= RETRY_SECONDS
        alive = sum(now - one.wanted < _LOOKING_SECONDS for one in self._entries.values())
        return now - entry.ended >= max(SECONDS, entry.took * alive / SHARE)

    async def _ask(self, entry: _Entry, ask: Callable[[], Any]) -> Snapshot:
        try:
            async with self._few:
                began = self._clock()
                self.asked += 1
                try:
                    value = await asyncio.to_thread(ask)
                except Exception as error:
                    entry.error = error
                    raise
                finally:
                    entry.ended = self._clock()
                    entry.took = entry.ended - began
            number = entry.snapshot.number + 1 if entry.snapshot else 1
            entry.snapshot, entry.error = Snapshot(number, value), None
            return entry.snapshot
        finally:
            entry.asking = None
