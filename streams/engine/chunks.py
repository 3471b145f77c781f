"""Records leave the consumer as chunks: one stream event per partition and fetch.

Stock Faust spends about four asyncio tasks, a future and a producer call on each record
(consumer.py:1220, mode/services.py:758 of 0.15.3): 595 us against 15 us a record in chunks, on one
core, same job (engine e1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import faust
from faust.events import Event
from faust.transport.utils import DefaultSchedulingStrategy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CHUNK = 500  # records at most in one chunk: what a crash repeats, and what one commit carries


class Chunk:
    """Stand-in for a message of Faust: its value is the raw records, its offset the last one's."""

    __slots__ = (
        "checksum", "headers", "key", "offset", "partition", "serialized_key_size",
        "serialized_value_size", "timestamp", "timestamp_type", "topic", "value",
    )  # fmt: skip

    def __init__(self, records: Sequence[Any]) -> None:
        """Wrap records of one partition, in offset order."""
        last = records[-1]
        self.topic, self.partition, self.offset = last.topic, last.partition, last.offset
        self.timestamp, self.timestamp_type = last.timestamp, last.timestamp_type
        self.headers: tuple[()] = ()
        self.key, self.value, self.checksum = None, records, None
        self.serialized_key_size = self.serialized_value_size = 0


class ChunkScheduler(DefaultSchedulingStrategy):
    """Cuts what one fetch brought into chunks, for the topics that asked for it."""

    chunked: ClassVar[set[str]] = set()

    def iterate(self, records: Mapping[Any, Sequence[Any]]) -> Iterator[tuple[Any, Any]]:
        """Yield (partition, chunk) pairs; topics that did not ask are left to Faust."""
        rest = {}
        for partition, batch in records.items():
            if partition.topic in self.chunked:
                for start in range(0, len(batch), CHUNK):
                    yield partition, Chunk(batch[start : start + CHUNK])
            else:
                rest[partition] = batch
        if rest:
            yield from super().iterate(rest)


class ChunkTopic(faust.Topic):
    """A topic whose stream events are chunks: nothing is decoded on the way."""

    def _compile_decode(self) -> None:
        async def decode(message: Any, *, propagate: bool = False) -> Event:  # noqa: ARG001 - Faust's signature
            return Event(self.app, None, message.value, None, message)

        self.decode = decode


def chunk_topic(app: faust.App, name: str, **options: Any) -> ChunkTopic:
    """Declare a topic that is read in chunks."""
    ChunkScheduler.chunked.add(name)
    return ChunkTopic(app, topics=[name], **options)
