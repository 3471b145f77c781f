"""What every kind of worker shares; the kinds are in stateless.py, stateful.py and sink.py.

A worker reads records and never knows what is in them. Its promise: after any death, at any
instant, each record has had its effect, and none has had it twice (docs/design/engine.md).

A chunk is done in four steps, each only after the one before is certain:

1. Outputs and dead letters are sent, and every acknowledgement is awaited.
2. The consumer generation is checked. If it is another by now, the partition may be somebody
   else's: all is dropped, and the newer owner does it again.
3. Rows and the partition's next offset are written to the changelog, the offset last, and the
   returned offsets must follow our own last one. If they do not, somebody else wrote there.
4. The rows are applied and the chunk is acknowledged. The offset that Kafka commits is a hint; the
   truth is the marker in the changelog. A worker without rows has only that offset, and a sink
   acknowledges once the other side has what it read.

A death between two steps:

- before 1 is complete: some outputs are sent again, byte for byte under the same ids, and every
  receiver knows repeats by what they are (engine e8);
- between 1 and 3: the same, for all outputs of the chunk;
- within 3: rows whose fence is at or beyond a record are left alone and emit nothing, the others
  are done. A commit that was cut in half is completed, not repeated (engine e6);
- after 3: the offset is behind. What lies below the marker is dropped when it is read again.

What would break it: acknowledging a chunk that failed, so any surprise ends the process at once
(`die`), before Faust can; skipping a hole in the offsets, so each chunk's position is classified
first (position.py), and a worker stops for a person where the topic no longer has the records;
trusting that we still own a partition, so the generation is compared after every wait and the
changelog's offsets are checked; an output that depends on the borders of a chunk, so effects are
made record by record.

Exit codes tell the supervisor what to do: 75 start again (a foreign write), 78 wait for a person,
70 anything else.
"""

from __future__ import annotations

import asyncio
import logging
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from faust.types import TP

from .chunks import chunk_topic
from .commit import ForeignWrite
from .letters import Failures
from .logic import MustAct
from .position import Held, Kind, Position, position

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .commit import Out
    from .letters import Post
    from .recovery import SafeApp

log = logging.getLogger("leadstream.engine")

# 78: a restart alone will not help, somebody must act.
EXIT_FATAL, EXIT_STOPPED, EXIT_FOREIGN = 70, 78, 75


def die(reason: str, code: int = EXIT_FATAL) -> NoReturn:
    """End the process at once: Faust must never acknowledge a chunk that failed."""
    log.critical("%s", reason)
    logging.shutdown()
    os._exit(code)


@dataclass
class Hooks:
    """Counters and faults. Tests set `between` to kill the process between two steps."""

    count: Callable[[str, int], None] = lambda _name, _number: None
    gauge: Callable[[str, int, float], None] = lambda _name, _partition, _value: None
    between: Callable[[str], None] = lambda _step: None
    parked: Callable[[str, TP, bool], None] = lambda _source, _place, _parked: None
    letter: Callable[[str, int], None] = lambda _source, _number: None
    ignored: Callable[[str, str], None] = lambda _source, _kind: None
    dropped: Callable[[str, str], None] = lambda _source, _detail: None
    # hears why somebody must act, before the process ends
    stopping: Callable[[str], None] = lambda _reason: None

    def dead(self, source: str, letters: Sequence[Out]) -> None:
        """Count letters, a letter once however many pieces it has."""
        number = len({out.key for out in letters})
        if number:
            self.count("dead", number)
            self.letter(source, number)


class Worker(ABC):
    """What all three kinds share: an agent over chunks, which ends the process on any surprise."""

    def __init__(
        self, app: SafeApp, post: Post, topics: Sequence[str], partitions: int, hooks: Hooks
    ) -> None:
        self.app, self.post, self.partitions, self.hooks = app, post, partitions, hooks
        self.name, self.role = post.worker, post.role or post.worker
        self.failures = Failures(self.name)
        self._seeking: dict[Any, int] = {}
        # of a worker without a table: consumer generation and next offset
        self._next: dict[Any, tuple[int, int]] = {}
        for topic in topics:
            app.agent(chunk_topic(app, topic, partitions=partitions), name=f"{self.name}.{topic}")(
                self._agent
            )

    async def _agent(self, stream: Any) -> None:
        async for event in stream.noack().events():
            try:
                message = event.message
                if await self.handle(
                    TP(message.topic, message.partition), event.value, message.generation_id, event
                ):
                    event.ack()
            except asyncio.CancelledError:
                raise
            except MustAct as error:
                self.stop(str(error))
            except ForeignWrite as error:
                die(f"{self.name}: {error}; reading again from the broker", EXIT_FOREIGN)
            except BaseException:
                log.exception("%s: unexpected", self.name)
                die(f"{self.name} ends: an unexpected error must not acknowledge a chunk")

    @abstractmethod
    async def handle(self, tp: TP, records: Sequence[Any], generation: int, event: Any) -> bool:
        """Do one chunk; return whether it may be acknowledged."""

    def drop(self, event: Any) -> bool:
        """Leave a chunk unacknowledged, to be read again; Faust must not wait for it."""
        self.app.consumer._unacked_messages.discard(event.message)
        return False

    def next_offset(self, tp: TP, generation: int) -> int | None:
        """Return the next offset of a worker without a table.

        It is what the worker did in this consumer generation, else what was committed.
        """
        known = self._next.get(tp)
        if known and known[0] == generation:
            return known[1]
        committed: int | None = self.app.consumer._committed_offset.get(tp)
        return committed

    def did(self, tp: TP, generation: int, records: Sequence[Any]) -> None:
        """Note that a worker without a table did a chunk; one that is read again moves nothing."""
        known, following = self._next.get(tp), records[-1].offset + 1
        if known and known[0] == generation:
            following = max(following, known[1])
        self._next[tp] = (generation, following)

    async def undone(
        self, tp: TP, records: Sequence[Any], following: int | None
    ) -> Sequence[Any] | None:
        """Return the records that are not done yet; None where they must be read again.

        None is skipped: what the topic no longer has, or does not reach, stops the worker.
        """
        if following is None:
            following = (await self.app.consumer.earliest_offsets(tp))[tp]
        found = await self._position(tp, records, following)
        match found.kind:
            case Kind.LOST | Kind.AHEAD:
                self.stop(found.remedy(tp, self.role))
            case Kind.NEXT | Kind.DUPLICATE:
                self._seeking.pop(tp, None)
                return found.undone(records)
            case Kind.GAP:
                await self._seek_back(tp, found)
            case Kind.OUTDATED:
                pass  # what lies between comes again by itself
        return None

    async def _position(self, tp: TP, records: Sequence[Any], following: int) -> Position:
        """Classify a chunk; the broker is asked about holes only, which are rare."""
        consumer, first = self.app.consumer, records[0].offset
        earliest = present = None
        if first > following and self._seeking.get(tp) != following:
            earliest = (await consumer.earliest_offsets(tp))[tp]
        elif first > following:
            present = await self.app.first_from(tp, following)
        held = Held(consumer.highwater(tp), earliest, present)
        return position(first, records[-1].offset, following, held)

    async def _seek_back(self, tp: TP, gap: Position) -> None:
        self._seeking[tp] = gap.following
        log.warning("%s: hole in %s[%s]: want %s, got %s", self.name, *tp, gap.following, gap.first)
        await self.app.consumer.seek_wait({tp: gap.following})

    def stop(self, reason: str) -> NoReturn:
        """End the process for a reason that no restart helps; the text says what to do."""
        self.hooks.stopping(reason)
        die(f"{self.role} stops: {reason}", EXIT_STOPPED)
