"""Holes: records that a worker had not read when its topic lost them. Never skipped; accepted by a person, and then told.

A worker that meets one stops (exit 78). Restoring the topic is better. Accepting moves the worker to what the topic
still has: a stateful one under a higher epoch, so that rows made before can be told from rows made after.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka import OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient

from schemas import topics
from schemas.wire import facts
from streams import connections
from streams.engine.changelog import Marker, marker_key, seal, unseal
from streams.settings import split

if TYPE_CHECKING:
    from streams.settings import Settings


class Busy(Exception):  # noqa: N818 - whoever asked must stop the worker first
    """The worker runs: only a stopped one can be moved."""


class Hole(NamedTuple):
    """What a worker misses of one partition: from `first` up to, not including, `following`; they are gone."""

    worker: str  # its role: `advance@2` folds generation 2
    topic: str
    partition: int
    first: int
    following: int
    epoch: int


def find(settings: Settings, role: str) -> list[Hole]:
    """Give the holes that stop a worker. A topic that ends before what is to be read next was made again: all of it is gone."""
    settings, worker = settings.role(role), split(role)[0]
    consumer = connections.consumer(settings)
    try:
        places = [
            TopicPartition(topic, number)
            for topic in topics.READS[worker]
            for number in range(settings.partitions)
        ]
        known = _positions(
            settings, worker, places
        )  # first: a worker that reads on meanwhile must not seem beyond an older end
        begin, end = consumer.beginning_offsets(places), consumer.end_offsets(places)
        found = []
        for place, (first, epoch) in known.items():
            if begin[place] > first or end[place] < first:
                found.append(Hole(role, place.topic, place.partition, first, begin[place], epoch))
        return found
    finally:
        consumer.close()


def accept(settings: Settings, role: str) -> list[Hole]:
    """Move a stopped worker over its holes, and state each in lead.facts.

    Raises:
        Busy: the worker runs.

    """
    settings, worker = settings.role(role), split(role)[0]
    admin = connections.admin(settings)
    producer = connections.producer(settings, linger_ms=0)
    try:
        if members(
            admin, settings.app_id(worker), settings.session_timeout + 5
        ):  # so long the broker waits for one that ended at once
            raise Busy(f"{role} runs: stop it, then accept its holes")
        found = find(settings, role)
        for hole in found:
            generation = settings.generation if worker == "advance" else 0
            fact = {
                "generation": generation,
                "accepted_at": int(time.time() * 1000),
                **hole._asdict(),
                "worker": worker,
            }
            # told first: a hole that is stated twice is one row, one that is skipped untold would be silence
            producer.send(topics.FACTS, facts.dump("hole", fact), partition=hole.partition).get(
                timeout=30
            )
            if worker in topics.STATEFUL:
                _mark(settings, worker, producer, hole)
            else:
                place = TopicPartition(hole.topic, hole.partition)
                admin.alter_group_offsets(
                    settings.app_id(worker), {place: OffsetAndMetadata(hole.following, "", -1)}
                )
        return found
    finally:
        producer.close(timeout=5)
        admin.close()


def members(admin: KafkaAdminClient, group: str, seconds: float) -> list[Any]:
    """Give who still belongs to a group after waiting so long for it to be empty."""
    end = time.monotonic() + seconds
    while (found := _members(admin, group)) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def _members(admin: KafkaAdminClient, group: str) -> list[Any]:
    described = admin.describe_groups([group])
    description = described.get(group, {}) if isinstance(described, dict) else described[0]
    members = (
        description.get("members", [])
        if isinstance(description, dict)
        else getattr(description, "members", [])
    )
    return list(members)


def _positions(
    settings: Settings, worker: str, places: list[TopicPartition]
) -> dict[TopicPartition, tuple[int, int]]:
    """Give next offset and epoch by partition, of those that were ever read: from the markers, else as committed."""
    if worker not in topics.STATEFUL:
        admin = connections.admin(settings)
        try:
            known = admin.list_group_offsets({settings.app_id(worker): places})[
                settings.app_id(worker)
            ]
        finally:
            admin.close()
        return {
            place: (committed.offset, 0)
            for place, committed in known.items()
            if committed.offset >= 0
        }
    found = {}
    for place in places:
        marker = _marker(settings, worker, place.partition)
        if marker:
            found[place] = (marker.next_offset, marker.epoch)
    return found


def _marker(settings: Settings, worker: str, partition: int) -> Marker | None:
    """Read a partition's changelog for its marker: the highest, as recovery would take it."""
    place, newest, key = (
        TopicPartition(settings.changelog(worker), partition),
        b"",
        marker_key(partition),
    )
    consumer = connections.consumer(settings, auto_offset_reset="earliest")
    try:
        consumer.assign([place])
        at, end = consumer.beginning_offsets([place])[place], consumer.end_offsets([place])[place]
        consumer.seek(place, at)
        while at < end:  # by what was read, never by a position that a lost answer may have set
            for records in consumer.poll(timeout_ms=500).values():
                found = [unseal(record.value) or b"" for record in records if record.key == key]
                newest, at = (
                    max([newest, *found], key=lambda value: value[:8]),
                    records[-1].offset + 1,
                )
        return Marker.load(newest) if newest else None
    finally:
        consumer.close()


def _mark(settings: Settings, worker: str, producer: Any, hole: Hole) -> None:
    marker = _marker(settings, worker, hole.partition)
    assert marker is not None
    moved = Marker(hole.following, marker.epoch + 1, marker.ticks)
    producer.send(
        settings.changelog(worker),
        seal(moved.dump()),
        key=marker_key(hole.partition),
        partition=hole.partition,
    ).get(timeout=30)
