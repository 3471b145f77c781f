"""A worker that folds one topic into rows, kept in a table whose changelog is the truth.

A chunk is folded in slices: after SLICE_SECONDS what was folded is committed, so that a flood of
one row stops neither heartbeats nor other partitions, and a crash repeats little. A slice may end
within a tick that fires many timers: its rows are then committed under a marker that still points
at the tick. A row that the tick fired already carries the tick's fence, and is left alone when the
tick comes again. See changelog.py for what is committed.
"""

from __future__ import annotations

import heapq
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from schemas.deadletters import WAKE_HEADER, LetterKind

from . import ticks
from .changelog import COMMON, ChangelogTable, Marker, common_key, fence, page_key
from .commit import MAX_RECORD, MAX_TOGETHER, OVERHEAD, Out, send_all
from .letters import letter, timer_letter
from .logic import Effects, MustAct, PayloadRejected, TooLarge
from .worker import Hooks, Worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from faust.types import TP

    from .letters import Post
    from .logic import Logic, Pages
    from .recovery import SafeApp

log = logging.getLogger("leadstream.engine")
SLICE_SECONDS = 0.5


@dataclass
class _Slice:
    """What one commit carries."""

    rows: dict[bytes, bytes] = field(default_factory=dict)
    outs: list[Out] = field(default_factory=list)
    dues: list[tuple[int, bytes]] = field(default_factory=list)
    marker: Marker = field(default_factory=lambda: Marker(0, 0, {}))
    time: int = 0  # how far time has come, all its timers fired
    cut: int = 0  # behind the tick that raised the time: later records were not folded with it
    ends: float = field(default_factory=lambda: time.monotonic() + SLICE_SECONDS)
    # its last rows that are one row with its pages: written all or nothing, before anything else
    together: int = 0

    @property
    def full(self) -> bool:
        """Return whether it is time to commit."""
        return bool(self.together) or (
            bool(self.rows or self.outs) and time.monotonic() > self.ends
        )


class Stateful(Worker):
    """A worker that folds exactly one topic into rows: fences of two topics can't be compared."""

    def __init__(
        self,
        app: SafeApp,
        post: Post,
        topic: str,
        partitions: int,
        hooks: Hooks,
        logic: Logic,
        upstream: tuple[str, ...],
        tick_to: str | None,
    ) -> None:
        """Take the watermark from the partitions of `upstream`; send its ticks on to `tick_to`."""
        super().__init__(app, post, [topic], partitions, hooks)
        self.topic, self.logic, self.upstream, self.tick_to = topic, logic, upstream, tick_to
        self.table = ChangelogTable(
            app, name=self.name, partitions=partitions, key_type=bytes, value_type=bytes
        )
        app.tables.add(self.table)
        self._heaps: dict[int, list[tuple[int, bytes]]] = {}
        self.table.on_recover(self._rebuild)

    async def _rebuild(self) -> None:
        """Make the heaps of due times anew from the rows; a heap is a hint, the row decides."""
        mine = {
            tp.partition for tp in self.app.assignor.assigned_actives() if tp.topic == self.topic
        }
        for partition in set(self._heaps) - mine:
            del self._heaps[partition]
        for partition in mine:
            self._refuse_foreign(partition)
            self._restore_common(partition)
            if partition in self._heaps and partition not in self.table.recovered:
                continue
            self._heaps[partition] = self._heap(partition)
        self.table.recovered.clear()

    def _refuse_foreign(self, partition: int) -> None:
        """Stop before a changelog of another release is taken for an empty one, or misread."""
        strange = self.table.strange.pop(partition, 0)
        try:
            marker = self.table.marker(partition)
        except MustAct as error:
            self.stop(f"{self.table.changelog_topic_name}[{partition}]: {error}")
        if not strange:
            return
        if marker is None:
            self.stop(
                f"none of {strange} records of {self.table.changelog_topic_name}[{partition}] was "
                "written by this release: start a new home and import the history, or remove the "
                "topic if what it holds is worth nothing"
            )
        log.error(
            "%s: passed by %s records of its changelog that none of ours wrote", self.name, strange
        )

    def _heap(self, partition: int) -> list[tuple[int, bytes]]:
        rows = self.table.rows_of(partition)
        heap = [(due, key) for key, row in rows if (due := self._next_due(row)) is not None]
        heapq.heapify(heap)
        return heap

    def _next_due(self, row: bytes) -> int | None:
        """Return when a row is due; one that can't be read is due at once, and becomes a letter."""
        try:
            return self.logic.next_due(row[8:])
        except Exception:
            log.exception("%s: a row of %s bytes can't be read", self.name, len(row))
            return 0

    def _restore_common(self, partition: int) -> None:
        row = self.table.row(common_key(partition))
        try:
            self.logic.restore_shared(partition, row[8:] if row else None)
        except MustAct as error:
            self.stop(str(error))

    async def handle(self, tp: TP, records: Sequence[Any], generation: int, event: Any) -> bool:
        partition, producer = tp.partition, self.app.producer._ensure_producer()
        if self.table.overruled.get(partition):
            healed = await self.table.heal(producer, partition)
            log.warning(
                "%s: wrote %s rows of partition %s again over somebody else's",
                self.name,
                healed,
                partition,
            )
        known = self.table.marker(partition)
        fresh = await self.undone(tp, records, known.next_offset if known else None)
        if fresh is None:
            return self.drop(event)
        if not fresh:
            return True
        for piece in self._slices(partition, fresh, known or Marker(fresh[0].offset, 0, {})):
            await send_all(producer, piece.outs, self.partitions)
            self.hooks.between("outputs sent")
            if generation != self.app.consumer_generation_id:
                # the fold took from it what it fired
                self._heaps[partition] = self._heap(partition)
                self._restore_common(partition)
                return self.drop(event)
            await self.table.commit(producer, partition, piece.rows, piece.marker, piece.together)
            self.hooks.between("rows written")
            heap = self._heaps.setdefault(partition, [])
            for due in piece.dues:
                heapq.heappush(heap, due)
            self.hooks.gauge("now", partition, piece.time)
        return True

    def _slices(self, partition: int, records: Sequence[Any], marker: Marker) -> Iterator[_Slice]:
        """Fold a chunk in memory and yield its slices; each sees what the one before committed.

        Outputs are made record by record in a fixed order, so they do not depend on where chunks
        and slices end.
        """
        heard, now = marker.ticks, ticks.now(marker.ticks, self.upstream)
        piece = _Slice(marker=marker, time=now)
        common = common_key(partition)
        if self.table.row(common) is None:
            self._keep(
                common,
                fence(marker.epoch, records[0].offset),
                self.logic.init_shared(partition),
                piece,
            )
        for record in records:
            tick = self._tick(record)
            if tick is not None:
                heard = ticks.take(heard, tick)
                then = max(piece.time, ticks.now(heard, self.upstream))
                for key in self._due(partition, piece, then) if then > piece.time else ():
                    self._fire(key, then, record, piece)
                    if piece.full:
                        at_tick = Marker(record.offset, marker.epoch, piece.marker.ticks)
                        yield self._closed(piece, partition, now, at_tick)
                        now, piece = piece.time, _Slice(marker=piece.marker, time=piece.time)
                if then > piece.time:
                    piece.time, piece.cut = then, record.offset + 1
            else:
                self._one(record, piece)
            piece.marker = Marker(record.offset + 1, marker.epoch, heard)
            if piece.full:
                yield self._closed(piece, partition, now, piece.marker)
                now, piece = piece.time, _Slice(marker=piece.marker, time=piece.time)
        yield self._closed(
            piece, partition, now, Marker(records[-1].offset + 1, marker.epoch, heard)
        )

    def _tick(self, record: Any) -> ticks.Tick | None:
        """Return a tick of an upstream partition that is not ahead of its stamp; None otherwise."""
        tick = None if record.headers else ticks.read(record.value)
        if tick is None:
            return None
        return (
            tick
            if tick.topic in self.upstream and tick.now <= record.timestamp + ticks.AHEAD_MS
            else None
        )

    def _closed(self, piece: _Slice, partition: int, before: int, marker: Marker) -> _Slice:
        """Add what a rise of time sends, and the marker."""
        if piece.time > before:
            piece.outs += self.logic.on_watermark(partition, piece.cut, piece.time)
            if self.tick_to:
                tick_on = ticks.Tick(piece.time, self.topic, partition, self.partitions).dump()
                piece.outs += [
                    Out(self.tick_to, None, tick_on, target) for target in range(self.partitions)
                ]
        piece.marker = marker
        return piece

    def _one(self, record: Any, piece: _Slice) -> None:
        mark = fence(piece.marker.epoch, record.offset)
        whole = record.key == COMMON
        try:
            key = common_key(record.partition) if whole else self._row_key(record)
            row = piece.rows.get(key) or self.table.row(key)
            if row is not None and row[:8] >= mark and not whole:
                # its outputs were acknowledged before the row was written: this completes a commit
                # that broke off
                return
            effects = _fits(self._effects(record, key, row, piece, whole=whole))
        except MustAct:
            raise
        except TooLarge as error:
            self._dead(record, LetterKind.TOO_LARGE, str(error), piece)
            return
        except PayloadRejected as error:
            self._dead(record, LetterKind.REFUSED, str(error), piece)
            return
        except Exception as error:  # noqa: BLE001 - one record that breaks a rule must not stop the others
            self._dead(record, LetterKind.FAILED, self.failures.log(record, error), piece)
            return
        self.hooks.count("read", 1)
        # ours to mend: nobody but our own workers writes here
        for part, refused in enumerate(effects.rejected):
            self._post(
                record,
                letter(
                    self.post,
                    record,
                    LetterKind.FAILED,
                    refused.reason,
                    part=part,
                    body=refused.body,
                ),
                piece,
            )
        self._keep(key, mark, effects, piece)

    def _row_key(self, record: Any) -> bytes:
        if record.key is None:
            raise PayloadRejected("a record without a key has no row")
        if record.key.startswith(b"\x00"):
            raise PayloadRejected("a key that begins with a NUL is none of ours")
        if any(name == WAKE_HEADER for name, _ in record.headers):
            return bytes(record.key)  # a timer's letter knows its row's own key
        return self.logic.row_key(record.key)

    def _effects(
        self, record: Any, key: bytes, row: bytes | None, piece: _Slice, *, whole: bool
    ) -> Effects:
        body = row[8:] if row else None
        if whole:
            return self.logic.apply_shared(record, body, piece.time)
        if any(name == WAKE_HEADER for name, _ in record.headers):
            pages = self._pages(key, piece)
            return self.logic.due(key, body, piece.time, record, pages) if body else Effects()
        return self.logic.record(record, body, piece.time, self._pages(key, piece))

    def _pages(self, key: bytes, piece: _Slice) -> Pages:
        def read(name: bytes) -> bytes | None:
            place = page_key(key, name)
            found = piece.rows.get(place) or self.table.row(place)
            return found[8:] if found else None

        return read

    def _dead(self, record: Any, kind: LetterKind, reason: str, piece: _Slice) -> None:
        self.hooks.count("read", 1)
        self._post(record, letter(self.post, record, kind, reason), piece)

    def _post(self, record: Any, made: list[Out], piece: _Slice) -> None:
        self.hooks.dead(self.post.source_of(record), made)
        piece.outs += made

    def _due(self, partition: int, piece: _Slice, now: int) -> list[bytes]:
        """Take the rows that are due before `now` (ms) off the heap; return them in order."""
        heap = self._heaps.setdefault(partition, [])
        found = {key for due, key in piece.dues if due < now}
        piece.dues = [one for one in piece.dues if one[0] >= now]
        while heap and heap[0][0] < now:
            found.add(heapq.heappop(heap)[1])
        return sorted(found)

    def _fire(self, key: bytes, now: int, record: Any, piece: _Slice) -> None:
        """Fold time into a row."""
        mark = fence(piece.marker.epoch, record.offset)
        row = piece.rows.get(key) or self.table.row(key)
        if row is None:
            return
        due_at = None
        try:
            due_at = self.logic.next_due(row[8:])
            if due_at is None:
                return
            if row[:8] >= mark or due_at >= now:
                # fired by this very tick before a crash, or not yet due
                piece.dues.append((due_at, key))
                return
            effects = _fits(self.logic.due(key, row[8:], now, record, self._pages(key, piece)))
        except MustAct:
            raise
        except Exception as error:  # noqa: BLE001 - one row that time can't be folded into must not stop time
            why = str(error) if isinstance(error, TooLarge) else self.failures.log(record, error)
            made = timer_letter(self.post, record, key, due_at or 0, why)
            self.hooks.dead("", made)
            piece.outs += made
            return
        self._keep(key, mark, effects, piece)

    @staticmethod
    def _keep(key: bytes, mark: bytes, effects: Effects, piece: _Slice) -> None:
        piece.outs += effects.outs
        piece.rows.update(
            {page_key(key, name): mark + body for name, body in effects.pages.items()}
        )
        if effects.pages:
            piece.together = len(effects.pages) + 1
        if effects.row is not None:
            piece.rows.pop(key, None)  # behind its pages
            piece.rows[key] = mark + effects.row
        if effects.due is not None:
            piece.dues.append((effects.due, key))


def _fits(effects: Effects) -> Effects:
    """Return effects that Kafka takes.

    Raises:
        TooLarge: a record or row is larger; sending it would fail for ever.

    """
    sizes = [out.size for out in effects.outs] + [len(effects.row or b"")]
    if effects.pages:
        parts = (*effects.pages.values(), effects.row or b"")
        whole = sum(len(body) + 2 * OVERHEAD for body in parts)
        if whole > MAX_TOGETHER:
            raise TooLarge(
                f"it would change {whole} bytes of its row, and Kafka takes {MAX_TOGETHER} at once"
            )
    if max(sizes) > MAX_RECORD:
        raise TooLarge(
            f"it would make a record of {max(sizes)} bytes, and Kafka takes {MAX_RECORD}"
        )
    return effects
