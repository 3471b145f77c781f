"""Reading a topic up to its present end: dead letters, parked records, states of sources."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kafka import TopicPartition

from schemas.errors import LeadstreamError
from streams import connections

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from streams.settings import Settings

_QUIET_SECONDS = 30.0  # without a record, before the broker counts as away


class Silent(LeadstreamError):  # noqa: N818 - a state of the broker
    """The topic can't be read to its end: the broker stopped answering."""


def ends(settings: Settings, topic: str) -> dict[int, int]:
    """Return the end offset of each partition of a topic."""
    return _offsets(settings, topic, "end_offsets")


def beginnings(settings: Settings, topic: str) -> dict[int, int]:
    """Return the first offset that each partition of a topic still holds."""
    return _offsets(settings, topic, "beginning_offsets")


def _offsets(settings: Settings, topic: str, which: str) -> dict[int, int]:
    consumer = connections.consumer(settings)
    try:
        places = [TopicPartition(topic, number) for number in range(settings.partitions)]
        return {
            place.partition: offset for place, offset in getattr(consumer, which)(places).items()
        }
    finally:
        consumer.close()


def records(
    settings: Settings,
    topic: str,
    begin: Mapping[int, int] = {},
    until: Mapping[int, int] = {},
    partitions: Iterable[int] | None = None,
) -> Iterator[Any]:
    """Yield a topic's records, from `begin` to `until` (offsets by partition), else all.

    Raises:
        Silent: the broker stopped answering.

    """
    consumer = connections.consumer(settings)
    try:
        numbers = range(settings.partitions) if partitions is None else partitions
        places = [TopicPartition(topic, number) for number in numbers]
        first, last = consumer.beginning_offsets(places), consumer.end_offsets(places)
        at = {place: max(first[place], begin.get(place.partition, 0)) for place in places}
        end = {place: min(last[place], until.get(place.partition, last[place])) for place in places}
        consumer.assign(places)
        for place in places:
            consumer.seek(place, at[place])
        quiet = time.monotonic()
        while any(at[place] < end[place] for place in places):
            for place, found in consumer.poll(timeout_ms=500).items():
                yield from (record for record in found if record.offset < end[place])
                quiet = time.monotonic()  # whoever takes the records may be slow on purpose
                at[place] = found[-1].offset + 1
            # compaction leaves gaps, also at a partition's end: a position counts like a record
            at |= {place: max(at[place], consumer.position(place)) for place in places}
            if time.monotonic() - quiet > _QUIET_SECONDS:
                raise Silent("the broker does not answer: see `leadstream doctor`")
    finally:
        consumer.close()
