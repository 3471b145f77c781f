"""Faust 0.15.3 made lossless at takeover. Each override names what it mends, file and line.

When a worker takes over a partition it must have the partition's rows before it reads the
partition's records, and must read on exactly where the rows end. Stock Faust does all the parts of
this and in an order that loses records. What is mended here (file:line of 0.15.3):

- **The order at the end of recovery** (tables/recovery.py:649-659). Faust lets the stream
  partitions flow, then seeks, then clears the queues; what was fetched in between is gone, looks
  like a gap, and is acknowledged. `SafeRecovery` seeks first and lets flow afterwards. Measured
  without it: three of five takeovers after kill -9 lost events.
- **The end of a changelog.** How much is left is counted by the high watermark of the fetch itself.
  A watermark asked for earlier may already be too low, and recovery would end before the last rows.
- **Records of a partition that is not ours any more** (`SafeThread`). A fetch that was under way
  when the group changed brings records that Faust drops silently. They are given back by a seek.
  The set of active partitions is frozen for each fetch: an emptied set means "all" to Faust.
- **Revocation** (consumer.py:659). Faust forgets acknowledgements and commits afterwards, so what
  was done is done again. `SafeConsumer` commits first.
- **Gaps** (consumer.py:1140, 1164). Faust takes the record just read as part of the gap before it,
  and acknowledges it unread. A chunked topic has no gaps: what is missing is sought (worker.py).
- **Acknowledgements.** Chunks of a partition are done in order, so the highest acknowledged offset
  speaks for all below it.

What remains true whatever Faust does: the fence in each row decides which write wins, and the
marker in the changelog says where to read on (changelog.py). So a mistake here can cost a repeat or
a restart, but the rows stay right. A fetch waits 50 ms, or for 16 kB, because Faust's own 1.5 s
made up most of the latency.

The version is pinned, since internals are overridden. Whoever raises it reads each place again and
runs tests/integration/test_engine_faults.py: kill -9, SIGTERM, a death between two steps of a
commit, a process that is frozen and comes back; tests/fault does it with brokers that die.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import faust
from aiokafka import TopicPartition
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.drivers import aiokafka as driver

from .chunks import ChunkScheduler
from .commit import BATCH

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

FETCH_WAIT_MS = 50  # Faust hard-codes 1500: record in to record out p50 396 -> 27 ms
# Wait those 50 ms unless so much has come: at 200 events/s a fetch then brings a chunk instead of a
# record, which halved the workers' CPU and the whole way's latency on 2 cores (make bench: p50 0.99
# -> see README).
FETCH_MIN_BYTES = 16_384


class SafeRecovery(Recovery):
    """Recovery that clears the queues and seeks before stream partitions flow.

    0.15.3 resumes first and loses what was fetched between.
    """

    def active_remaining(self) -> Counter[Any]:
        """Count what is left by the fetch response's high watermark: the only one that is true."""

        def end(tp: Any, mark: int) -> int:
            return max(mark, (self.app.consumer.highwater(tp) or 0) - 1)

        return Counter(
            {
                tp: end(tp, mark) - self.active_offsets[tp]
                for tp, mark in self.active_highwaters.items()
                if mark is not None and self.active_offsets[tp] is not None
            }
        )

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Resume in the safe order (tables/recovery.py:649-659 does it the other way round)."""
        app, consumer = self.app, self.app.consumer
        await app.on_rebalance_complete.send()
        self._set_recovery_ended()
        for table in self.tables.values():
            await table.on_recovery_completed(
                self.actives_for_table[table], self.standbys_for_table[table]
            )
        if app.consumer_generation_id != generation_id:
            return
        assignment = consumer.assignment()
        app.flow_control.resume()
        if assignment:
            await self._wait(consumer.perform_seek(), timeout=app.conf.broker_request_timeout)
        consumer.resume_partitions({tp for tp in assignment if not self._is_changelog_tp(tp)})
        self.completed.set()
        consumer.resume_flow()
        await app._fetcher.maybe_start()
        self.tables.on_actives_ready()
        if not app.assignor.assigned_standbys():
            self.tables.on_standbys_ready()
        app.on_rebalance_end()
        self.log.info("Worker ready")


class SafeThread(driver.AIOKafkaConsumerThread):
    """Thread that seeks back to what Faust would drop, and keeps an emptied filter a filter."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        consumer._fetch_min_bytes = FETCH_MIN_BYTES
        return consumer

    async def _fetch_records(
        self,
        consumer: Any,
        active: AbstractSet[Any],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> dict[Any, Any]:
        owner, app = self.consumer, self.app
        generation = app.consumer_generation_id
        frozen = active and frozenset(active)
        records = await super()._fetch_records(
            consumer, frozen, timeout=timeout, max_records=max_records
        )
        kept = {}
        for tp, batch in records.items():
            flows = owner.flow_active and (
                tp in owner._active_partitions or tp in owner._buffered_partitions
            )
            if generation == app.consumer_generation_id and flows:
                kept[tp] = batch
            else:
                # the partition is no longer ours: its new owner reads it
                with contextlib.suppress(Exception):
                    consumer.seek(tp, batch[0].offset)
        return kept


class SafeConsumer(driver.Consumer):
    """Consumer that commits before it forgets acknowledgements.

    Chunked topics are acknowledged in order, without a gap.
    """

    def _new_consumer_thread(self) -> SafeThread:
        return SafeThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        """Finish and commit first, forget afterwards.

        consumer.py:659 forgets first, so records are counted twice.
        """
        await self._on_partitions_revoked(revoked)
        self._active_partitions.difference_update(revoked)
        self._paused_partitions.difference_update(revoked)
        for tp in revoked:
            for memory in (
                self._gap,
                self._acked,
                self._acked_index,
                self._read_offset,
                self._committed_offset,
            ):
                memory.pop(tp, None)

    async def _add_gap(self, tp: Any, start: int, end: int) -> None:
        # consumer.py:1140 takes the record just read for part of the gap: acknowledged, and unread
        if tp.topic not in ChunkScheduler.chunked and start <= end - 1:
            await super()._add_gap(tp, start, end - 1)

    def _new_offset(self, tp: Any) -> int | None:
        if tp.topic not in ChunkScheduler.chunked:
            return super()._new_offset(tp)
        acked = self._acked[tp]
        if not acked:
            return None
        following = max(acked) + 1
        acked.clear()
        self._acked_index[tp].clear()
        return following


class SafeTransport(driver.Transport):
    """Faust's Kafka transport with the consumer above."""

    Consumer = SafeConsumer


class SafeTables(TableManager):
    """Faust's tables with the recovery above."""

    _recovery: Any

    @property
    def recovery(self) -> SafeRecovery:
        """Make the recovery service once."""
        made: SafeRecovery | None = self._recovery
        if made is None:
            made = self._recovery = SafeRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return made


class SafeApp(faust.App):
    """A Faust app on the safe transport."""

    def _new_transport(self) -> SafeTransport:
        return SafeTransport(self.conf.broker_consumer, self)

    open_consumer: Callable[..., Any]

    async def first_from(self, tp: Any, offset: int) -> int:
        """Return the offset of the first record at or after an offset, as the broker has it."""
        consumer = self.open_consumer(auto_offset_reset="none")  # gone is an error
        await consumer.start()
        try:
            place = TopicPartition(tp.topic, tp.partition)
            consumer.assign([place])
            consumer.seek(place, offset)
            return int((await consumer.getone()).offset)
        finally:
            await consumer.stop()


def build(
    app_id: str,
    brokers: str,
    partitions: int,
    replication: int,
    session_timeout: float,
    datadir: str,
    credentials: Any,
    open_consumer: Callable[..., Any],
) -> SafeApp:
    """Make an app with the settings that measurements led to (engine e15).

    `credentials` are Faust's; `open_consumer` makes an aiokafka consumer outside the group.
    """
    app = SafeApp(
        app_id,
        broker=";".join(f"kafka://{server}" for server in brokers.split(",")),
        topic_partitions=partitions,
        topic_replication_factor=replication,
        topic_disable_leader=True,
        web_enabled=False,
        datadir=datadir,
        store="memory://",
        TableManager=SafeTables,
        ConsumerScheduler=ChunkScheduler,
        stream_buffer_maxsize=16,
        stream_wait_empty=True,
        broker_session_timeout=session_timeout,
        broker_heartbeat_interval=session_timeout / 6,
        broker_commit_interval=1.0,
        broker_max_poll_interval=600.0,
        # a broker that has just started may know of no partition: ask again soon
        consumer_metadata_max_age_ms=10_000,
        table_standby_replicas=0,
        producer_acks=-1,
        producer_max_batch_size=BATCH,
        producer_max_request_size=2_097_152,
        recovery_consistency_check=False,
        broker_credentials=credentials,
    )
    app.open_consumer = open_consumer
    return app
