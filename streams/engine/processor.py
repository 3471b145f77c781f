"""The kinds of workers: stateless and stateful here, the sink in absorbing.py. They know records and rows, never leads.

A chunk is done in four steps, each only after the one before is certain: outputs and dead letters acknowledged;
the generation still ours; rows and marker written as our own; applied and acknowledged. A crash between any two
repeats outputs under the same identity and loses nothing. Any unexpected error ends the process.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from faust.types import TP

from . import ticks
from .changelog import COMMON, ChangelogTable, Marker, common_key, fence
from .chunks import chunk_topic
from .commit import ForeignWrite, Out, send_all
from .deadletters import Limit, TooManyDeadLetters, letter
from .logic import Effects, MustAct, PayloadRejected, Rejected

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .logic import Logic
    from .recovery import SafeApp

log = logging.getLogger("leadstream.engine")

EXIT_FATAL, EXIT_STOPPED, EXIT_FOREIGN = 70, 78, 75  # 78: a restart alone will not help, somebody must act


def die(reason: str, code: int = EXIT_FATAL) -> NoReturn:
    """End the process at once: Faust must never acknowledge a chunk that failed."""
    log.critical("%s", reason)
    logging.shutdown()
    os._exit(code)


@dataclass
class Hooks:
    """Counters and faults. Tests set `between` to kill the process between two steps of a commit."""

    count: Callable[[str, int], None] = lambda _name, _number: None
    gauge: Callable[[str, int, float], None] = lambda _name, _partition, _value: None
    between: Callable[[str], None] = lambda _step: None


@dataclass
class _Folded:
    rows: dict[bytes, bytes] = field(default_factory=dict)
    outs: list[Out] = field(default_factory=list)
    dues: list[tuple[int, bytes]] = field(default_factory=list)
    marker: Marker = field(default_factory=lambda: Marker(0, 0, {}))
    time: int = 0
    cut: int = 0  # behind the tick that raised the time: what comes later in the chunk was not told it


class Worker(ABC):
    """What all three kinds share: one agent over chunks, and an end to the process on any surprise."""

    def __init__(self, app: SafeApp, name: str, topics: Sequence[str], partitions: int, hooks: Hooks, deadletters: str) -> None:
        self.app, self.name, self.partitions, self.hooks, self.deadletters = app, name, partitions, hooks, deadletters
        self.limit = Limit()
        self._seeking: dict[Any, int] = {}
        self._next: dict[Any, tuple[int, int]] = {}  # of a worker without a table: generation and next offset
        for topic in topics:
            app.agent(chunk_topic(app, topic, partitions=partitions), name=f"{name}.{topic}")(self._agent)

    async def _agent(self, stream: Any) -> None:
        async for event in stream.noack().events():
            try:
                message = event.message
                if await self.handle(TP(message.topic, message.partition), event.value, message.generation_id, event):
                    event.ack()
            except asyncio.CancelledError:
                raise
            except (TooManyDeadLetters, MustAct) as error:
                die(f"{self.name} stops: {error}", EXIT_STOPPED)
            except ForeignWrite as error:
                die(f"{self.name}: {error}; reading again from the broker", EXIT_FOREIGN)
            except BaseException:
                log.exception("%s: unexpected", self.name)
                die(f"{self.name} ends: an unexpected error must not acknowledge a chunk")

    @abstractmethod
    async def handle(self, tp: TP, records: Sequence[Any], generation: int, event: Any) -> bool:
        """Do one chunk; give whether it may be acknowledged."""

    def drop(self, event: Any) -> bool:
        """Leave a chunk to be read again: it is not acknowledged, and Faust must not wait for it."""
        self.app.consumer._unacked_messages.discard(event.message)
        return False

    def position(self, tp: TP, generation: int) -> int | None:
        """Give the next offset of a worker without a table: what it did in this generation, else what was committed."""
        known = self._next.get(tp)
        if known and known[0] == generation:
            return known[1]
        committed: int | None = self.app.consumer._committed_offset.get(tp)
        return committed

    async def from_next(self, tp: TP, records: Sequence[Any], following: int | None) -> Sequence[Any] | None:
        """Drop what is done already; where there is a hole, seek back and give None. Never skip.

        A hole in which the broker has no record is none: a transaction's marker, or what a compaction removed.

        An offset that the topic no longer holds, or does not reach, stops the worker and says what is missing.
        """
        consumer = self.app.consumer
        if following is None:
            following = (await consumer.earliest_offsets(tp))[tp]
        if records[0].offset > following and self._seeking.get(tp) != following:
            earliest = (await consumer.earliest_offsets(tp))[tp]
            if earliest > following:
                die(
                    f"{self.name}: {tp.topic}[{tp.partition}] holds {earliest} and later, but {following} was not read yet: "
                    "retention was shorter than the outage, or the topic was made again. Restore it from its backup, "
                    "or accept the hole: `leadstream holes list`, then `leadstream holes accept`",
                    EXIT_STOPPED,
                )
            self._seeking[tp] = following
            log.warning("%s: hole in %s[%s]: want %s, got %s", self.name, *tp, following, records[0].offset)
            await consumer.seek_wait({tp: following})
            return None
        if records[0].offset > following and await self.app.first_from(tp, following) < records[0].offset:
            return None  # fetched before the seek; what lies between comes again
        self._seeking.pop(tp, None)
        end = consumer.highwater(tp)
        if end is not None and following > end:
            die(
                f"{self.name}: {tp.topic}[{tp.partition}] ends at {end}, but {following} was to be read next: the topic was made again. "
                "Restore it, or accept the hole: `leadstream holes list`, then `leadstream holes accept`",
                EXIT_STOPPED,
            )
        return [record for record in records if record.offset >= following]

    def count(self, dead: bool) -> None:
        self.limit.count(dead)
        self.hooks.count("read", 1)
        if dead:
            self.hooks.count("dead", 1)


class Stateless(Worker):
    """Reads, turns each record into others, and keeps nothing but its offset. Ticks go behind the chunk's outputs."""

    def __init__(
        self,
        app: SafeApp,
        name: str,
        topics: Sequence[str],
        partitions: int,
        hooks: Hooks,
        deadletters: str,
        turn: Callable[[Any], Effects],
        tick_to: str | None,
        wait: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`turn` is pure: a record in, outputs out. `wait` may hold a chunk back (an import yields to live events)."""
        super().__init__(app, name, topics, partitions, hooks, deadletters)
        self.turn, self.tick_to, self.wait = turn, tick_to, wait

    async def handle(self, tp: TP, records: Sequence[Any], generation: int, event: Any) -> bool:
        fresh = await self.from_next(tp, records, self.position(tp, generation))
        if fresh is None:
            return self.drop(event)
        if self.wait:
            await self.wait()
        outs, told = self._turn_all(fresh)
        if told and self.tick_to:
            tick = ticks.Tick(told, tp.topic, tp.partition, self.partitions).dump()
            outs += [Out(self.tick_to, None, tick, partition) for partition in range(self.partitions)]
        await send_all(self.app.producer._ensure_producer(), outs, self.partitions)
        self.hooks.between("outputs sent")
        if generation != self.app.consumer_generation_id:
            return self.drop(event)
        self._next[tp] = (generation, records[-1].offset + 1)
        return True

    def _turn_all(self, records: Sequence[Any]) -> tuple[list[Out], int]:
        outs: list[Out] = []
        told = 0
        for record in records:
            tick = None if record.headers else ticks.read(record.value)  # a body from outside names its source; a tick does not
            if tick:
                if tick.now <= record.timestamp + ticks.AHEAD_MS:
                    told = max(told, tick.now)
                continue
            try:
                effects = self.turn(record)
            except PayloadRejected as error:
                effects = Effects(rejected=(Rejected(str(error), error.body),))
            except Exception as error:  # noqa: BLE001 - one record that breaks a rule must not stop the others
                effects = Effects(rejected=(Rejected(f"{type(error).__name__}: {error}"),))
            outs += effects.outs
            self.count(bool(effects.rejected) and not effects.outs)
            for part, refused in enumerate(effects.rejected):
                body = letter(record, part, refused.reason, "rejected", refused.body, self.name)
                outs.append(Out(self.deadletters, record.key or b"", body))
        return outs, told


class Stateful(Worker):
    """Folds one topic into rows. Exactly one input topic: fences of two topics can't be compared."""

    def __init__(
        self,
        app: SafeApp,
        name: str,
        topic: str,
        partitions: int,
        hooks: Hooks,
        deadletters: str,
        logic: Logic,
        upstream: tuple[str, ...],
        tick_to: str | None,
    ) -> None:
        """`upstream` are the topics whose partitions tell the time; `tick_to` is told in turn."""
        super().__init__(app, name, [topic], partitions, hooks, deadletters)
        self.topic, self.logic, self.upstream, self.tick_to = topic, logic, upstream, tick_to
        self.table = ChangelogTable(app, name=name, partitions=partitions, key_type=bytes, value_type=bytes)
        app.tables.add(self.table)
        self._heaps: dict[int, list[tuple[int, bytes]]] = {}
        self.table.on_recover(self._rebuild)

    async def _rebuild(self) -> None:
        """Make the heaps of due times again from the rows: a heap is only a hint, the row decides."""
        mine = {tp.partition for tp in self.app.assignor.assigned_actives() if tp.topic == self.topic}
        for partition in set(self._heaps) - mine:
            del self._heaps[partition]
        for partition in mine:
            self._tell_common(partition)
            if partition in self._heaps and partition not in self.table.recovered:
                continue
            self._heaps[partition] = self._heap(partition)
        self.table.recovered.clear()

    def _heap(self, partition: int) -> list[tuple[int, bytes]]:
        rows = self.table.rows_of(partition)
        heap = [(due, key) for key, row in rows if (due := self.logic.next_due(row[8:])) is not None]
        heapq.heapify(heap)
        return heap

    def _tell_common(self, partition: int) -> None:
        row = self.table.row(common_key(partition))
        try:
            self.logic.know(partition, row[8:] if row else None)
        except MustAct as error:
            die(f"{self.name} stops: {error}", EXIT_STOPPED)

    async def handle(self, tp: TP, records: Sequence[Any], generation: int, event: Any) -> bool:
        partition, producer = tp.partition, self.app.producer._ensure_producer()
        if self.table.overruled.get(partition):
            healed = await self.table.heal(producer, partition)
            log.warning("%s: wrote %s rows of partition %s again over a zombie's", self.name, healed, partition)
        known = self.table.marker(partition)
        fresh = await self.from_next(tp, records, known.next_offset if known else None)
        if fresh is None:
            return self.drop(event)
        if not fresh:
            return True
        folded = self._fold(partition, fresh, known or Marker(fresh[0].offset, 0, {}))
        await send_all(producer, folded.outs, self.partitions)
        self.hooks.between("outputs sent")
        if generation != self.app.consumer_generation_id:
            self._heaps[partition] = self._heap(partition)  # the fold took from it what it fired
            self._tell_common(partition)
            return self.drop(event)
        await self.table.commit(producer, partition, folded.rows, folded.marker)
        self.hooks.between("rows written")
        heap = self._heaps.setdefault(partition, [])
        for due in folded.dues:
            heapq.heappush(heap, due)
        self.hooks.gauge("now", partition, folded.time)
        return True

    def _fold(self, partition: int, records: Sequence[Any], marker: Marker) -> _Folded:
        """Fold a chunk in memory. Emission is per record and in a fixed order, so any chunk borders give the same."""
        done = _Folded(marker=marker, time=ticks.now(marker.ticks, self.upstream))
        heard = marker.ticks
        common = common_key(partition)
        if self.table.row(common) is None:
            self._keep(common, fence(marker.epoch, records[0].offset), self.logic.begin(partition), done)
        for record in records:
            tick = ticks.read(record.value)
            if tick is None:
                self._one(record, done)
                continue
            heard = ticks.take(heard, tick)
            time = max(done.time, ticks.now(heard, self.upstream))
            if time > done.time:
                done.time, done.cut = time, record.offset + 1
                self._fire(partition, record, done)
        following = records[-1].offset + 1
        if done.time > ticks.now(marker.ticks, self.upstream):
            done.outs += self.logic.told(partition, done.cut, done.time)
            if self.tick_to:
                tick_on = ticks.Tick(done.time, self.topic, partition, self.partitions).dump()
                done.outs += [Out(self.tick_to, None, tick_on, target) for target in range(self.partitions)]
        done.marker = Marker(following, marker.epoch, heard)
        return done

    def _one(self, record: Any, done: _Folded) -> None:
        mark = fence(done.marker.epoch, record.offset)
        whole = record.key == COMMON
        key = common_key(record.partition) if whole else record.key
        row = done.rows.get(key) or self.table.row(key)
        if row is not None and row[:8] >= mark and not whole:
            return  # its outputs were acknowledged before the row was written: a commit cut in half is completed
        try:
            if record.key is None:
                raise PayloadRejected("a record without a key has no row")  # noqa: TRY301
            effects = (self.logic.common if whole else self.logic.record)(record, row[8:] if row else None, done.time)
        except MustAct:
            raise
        except Exception as error:  # noqa: BLE001 - one record that breaks a rule must not stop the others
            self.count(dead=True)
            body = letter(record, 0, f"{type(error).__name__}: {error}", "failed", None, self.name)
            done.outs.append(Out(self.deadletters, record.key or b"", body))
            return
        self.count(dead=False)
        self._keep(key, mark, effects, done)

    def _fire(self, partition: int, record: Any, done: _Folded) -> None:
        heap = self._heaps.setdefault(partition, [])
        later = []
        due_now: set[bytes] = set()
        while heap and heap[0][0] < done.time:
            due_now.add(heapq.heappop(heap)[1])
        for due, key in done.dues:
            if due < done.time:
                due_now.add(key)
            else:
                later.append((due, key))
        done.dues = later
        mark = fence(done.marker.epoch, record.offset)
        for key in sorted(due_now):
            row = done.rows.get(key) or self.table.row(key)
            if row is None or row[:8] >= mark:
                continue
            due_at = self.logic.next_due(row[8:])
            if due_at is not None and due_at < done.time:
                self._keep(key, mark, self.logic.due(key, row[8:], done.time, record), done)
            elif due_at is not None:
                done.dues.append((due_at, key))

    @staticmethod
    def _keep(key: bytes, mark: bytes, effects: Effects, done: _Folded) -> None:
        done.outs += effects.outs
        if effects.row is not None:
            done.rows[key] = mark + effects.row
        if effects.due is not None:
            done.dues.append((effects.due, key))
