"""A worker that folds one topic into rows, which live in a table whose changelog is the truth (changelog.py)."""

from __future__ import annotations

import heapq
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import ticks
from .changelog import COMMON, ChangelogTable, Marker, common_key, fence
from .commit import Out, send_all
from .deadletters import letter
from .logic import Effects, MustAct, PayloadRejected
from .worker import EXIT_STOPPED, Hooks, Worker, die

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faust.types import TP

    from .logic import Logic
    from .recovery import SafeApp

log = logging.getLogger("leadstream.engine")


@dataclass
class _Folded:
    rows: dict[bytes, bytes] = field(default_factory=dict)
    outs: list[Out] = field(default_factory=list)
    dues: list[tuple[int, bytes]] = field(default_factory=list)
    marker: Marker = field(default_factory=lambda: Marker(0, 0, {}))
    time: int = 0
    cut: int = 0  # behind the tick that raised the time: what comes later in the chunk was not told it


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
