"""Holes: records that a worker had not read when its topic lost them.

A worker that meets one stops (exit 78) and never skips one by itself. Restoring the topic is
better. Where nothing can be restored, a person accepts the hole: it is stated in the facts, and the
worker goes on with what the topic still has, a stateful one under a higher epoch, so that its rows
from before and after differ.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka import OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient

from schemas import topics
from schemas.errors import LeadstreamError
from schemas.wire import facts
from streams import connections
from streams.engine.changelog import Marker, marker_key, seal, unseal
from streams.settings import PER_GENERATION, split

if TYPE_CHECKING:
    from streams.settings import Settings


class Busy(LeadstreamError):  # noqa: N818 - whoever asked must stop the worker first
    """The worker runs: only a stopped one can be moved."""


class Hole(NamedTuple):
    """Offsets of one partition that a worker never read: from `first` up to before `following`."""

    worker: str  # its role: `advance@2` folds generation 2
    topic: str
    partition: int
    first: int
    following: int
    epoch: int


def find(settings: Settings, role: str) -> list[Hole]:
    """Return the holes that stop a worker."""
    return [hole for hole, _ in _find(settings.role(role), role)]


def _find(settings: Settings, role: str) -> list[tuple[Hole, Marker]]:
    """Return the holes of a worker, each with where the worker stands.

    A topic that ends before what the worker reads next was made again: all of it is lost.
    """
    worker = split(role)[0]
    places = [
        TopicPartition(topic, number)
        for topic in topics.READS[worker]
        for number in range(settings.partitions)
    ]
    # before the ends: a worker that reads on meanwhile must not seem to be beyond an older end
    known = positions(settings, worker, places)
    consumer = connections.consumer(settings)
    try:
        begin, end = consumer.beginning_offsets(places), consumer.end_offsets(places)
    finally:
        consumer.close()
    return [
        (
            Hole(
                role,
                place.topic,
                place.partition,
                marker.next_offset,
                begin[place],
                marker.epoch,
            ),
            marker,
        )
        for place, marker in known.items()
        if not begin[place] <= marker.next_offset <= end[place]
    ]


def accept(settings: Settings, role: str) -> list[Hole]:
    """Move a stopped worker over its holes, state each in lead.facts, and return them.

    Raises:
        Busy: the worker runs.

    """
    settings, worker = settings.role(role), split(role)[0]
    admin = connections.admin(settings)
    producer = connections.producer(settings, linger_ms=0)
    try:
        # a worker that was killed stays a member for as long as its session lasts
        if members(admin, settings.app_id(worker), settings.session_timeout + 5):
            raise Busy(f"{role} runs: stop it, then accept its holes")
        found = _find(settings, role)
        for hole, marker in found:
            # First the statement: stated twice it is one row, and skipped it would be silence.
            _state(settings, worker, producer, hole)
            if worker in topics.STATEFUL:
                _mark(settings, worker, producer, hole, marker)
            else:
                place = TopicPartition(hole.topic, hole.partition)
                moved = {place: OffsetAndMetadata(hole.following, "", -1)}
                admin.alter_group_offsets(settings.app_id(worker), moved)
        return [hole for hole, _ in found]
    finally:
        producer.close(timeout=5)
        admin.close()


def _state(settings: Settings, worker: str, producer: Any, hole: Hole) -> None:
    """State a hole in lead.facts."""
    fact = {
        "generation": settings.generation if worker in PER_GENERATION else 0,
        "accepted_at": int(time.time() * 1000),
        **hole._asdict(),
        "worker": worker,
    }
    record = facts.dump("hole", fact)
    producer.send(topics.FACTS, record, partition=hole.partition).get(timeout=30)


def members(admin: KafkaAdminClient, group: str, seconds: float) -> list[Any]:
    """Wait until a group is empty, for so many seconds; return who still belongs to it."""
    end = time.monotonic() + seconds
    while (found := _members(admin, group)) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def _members(admin: KafkaAdminClient, group: str) -> list[Any]:
    described = admin.describe_groups([group]).get(group, {})
    return list(described.get("members", ()))


def positions(
    settings: Settings, worker: str, places: list[TopicPartition]
) -> dict[TopicPartition, Marker]:
    """Return where a worker stands in each partition that it ever read.

    A stateful worker's markers say so; of any other it is what its group committed.
    """
    if worker in topics.STATEFUL:
        markers = {place: _marker(settings, worker, place.partition) for place in places}
        return {place: marker for place, marker in markers.items() if marker}
    group = settings.app_id(worker)
    admin = connections.admin(settings)
    try:
        known = admin.list_group_offsets({group: places})[group]
    finally:
        admin.close()
    return {place: Marker(one.offset, 0, {}) for place, one in known.items() if one.offset >= 0}


def _marker(settings: Settings, worker: str, partition: int) -> Marker | None:
    """Return the highest marker in a partition's changelog, as recovery would take it."""
    place = TopicPartition(settings.changelog(worker), partition)
    key, newest = marker_key(partition), b""
    consumer = connections.consumer(settings, auto_offset_reset="earliest")
    try:
        consumer.assign([place])
        at, end = consumer.beginning_offsets([place])[place], consumer.end_offsets([place])[place]
        consumer.seek(place, at)
        while at < end:  # by what was read, never by a position that a lost answer may have set
            for records in consumer.poll(timeout_ms=500).values():
                found = [unseal(record.value) or b"" for record in records if record.key == key]
                newest = max([newest, *found], key=lambda value: value[:8])
                at = records[-1].offset + 1
        return Marker.load(newest) if newest else None
    finally:
        consumer.close()


def _mark(settings: Settings, worker: str, producer: Any, hole: Hole, marker: Marker) -> None:
    """Move a stateful worker's marker beyond a hole, under a higher epoch."""
    moved = seal(Marker(hole.following, marker.epoch + 1, marker.ticks).dump())
    key, partition = marker_key(hole.partition), hole.partition
    sent = producer.send(settings.changelog(worker), moved, key=key, partition=partition)
    sent.get(timeout=30)
