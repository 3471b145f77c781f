"""Writing to Kafka all or nothing, and noticing when another wrote where only we may."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka.partitioner import murmur2

from schemas.errors import LeadstreamError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Out(NamedTuple):
    """A record to send. Without a partition the key decides, as in Kafka's default partitioner."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()

    @property
    def size(self) -> int:
        """Return how many bytes the record takes, but for a few of Kafka's own."""
        named = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + named


# What one record may hold: topics take 2 MiB a batch, and a record is never cut. What would be
# larger becomes a dead letter; a record that the broker refuses would be sent again for ever.
MAX_RECORD = 1_900_000
BATCH = 900_000  # what the producer puts in one batch, unless a single record is larger
OVERHEAD = 100  # what Kafka adds to a record at most
# What a row and those of its pages that changed may take: they are written all or nothing.
MAX_TOGETHER = BATCH - 50_000


class ForeignWrite(LeadstreamError):  # noqa: N818 - an event that ends the process, no mistake
    """Another worker wrote into our changelog partition, so one of the two is a zombie.

    The process must end and read again.
    """


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key as the Java client and kafka-python choose it (murmur2)."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


async def send_batches(
    producer: Any,
    topic: str,
    partition: int,
    records: Sequence[tuple[Any, ...]],
    together: int = 0,
) -> list[tuple[int, int]]:
    """Send records in order and return (first offset, count) of each batch that it took.

    A record is (key, value) or (key, value, headers). There are as few batches as they fit in; each
    is all or nothing, and the broker has it before the next is sent. The last `together` records
    are in one batch.
    """
    apart = len(records) - together
    whole = sum(len(key) + len(value) + OVERHEAD for key, value, *_ in records[apart:])
    written: list[tuple[int, int]] = []
    batch = producer.create_batch()

    async def ship() -> None:
        batch.close()
        count = batch.record_count()
        sent = await (await producer.send_batch(batch, topic, partition=partition))
        written.append((sent.offset, count))

    for place, (key, value, *rest) in enumerate(records):
        if place == apart and batch.record_count() and batch.size() + whole > BATCH:
            await ship()
            batch = producer.create_batch()
        fields = {
            "key": key,
            "value": value,
            "timestamp": None,
            "headers": list(rest[0]) if rest else [],
        }
        if batch.append(**fields) is None:
            await ship()
            batch = producer.create_batch()
            # MAX_RECORD is checked before: this is a mistake of ours
            if batch.append(**fields) is None:
                raise ValueError(
                    f"a record of {len(value or b'')} bytes for {topic} is larger than a batch"
                )
    if batch.record_count():
        await ship()
    return written


async def send_all(producer: Any, outs: Iterable[Out], partitions: int) -> None:
    """Send outputs and wait for every acknowledgement. Order holds within a partition."""
    grouped: dict[tuple[str, int], list[tuple[Any, ...]]] = {}
    for out in outs:
        partition = (
            out.partition if out.partition is not None else partition_of(out.key or b"", partitions)
        )
        grouped.setdefault((out.topic, partition), []).append((out.key, out.value, out.headers))
    await asyncio.gather(
        *(
            send_batches(producer, topic, partition, records)
            for (topic, partition), records in grouped.items()
        )
    )


def check_contiguous(written: list[tuple[int, int]], previous: int) -> int:
    """Return the last offset of our batches, which must follow the last record that we know of.

    Raises:
        ForeignWrite: somebody else wrote there.

    """
    expected = previous + 1
    for first, count in written:
        if first != expected:
            raise ForeignWrite(f"changelog continues at {first}, not at {expected}")
        expected = first + count
    return expected - 1
