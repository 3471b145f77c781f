"""A table whose changelog is written first: rows, then a marker, in one write; then both apply.

The marker says the next source offset. Each row begins with an 8-byte fence: two bytes of epoch,
six of the source offset that made it. Recovery merges by fence, so a zombie's late row never wins;
where one was written last, the winner is written again (`heal`).

In the changelog a checksum stands before the fence. A record without a right one was written by
somebody else, and so was a tombstone: we write none. Recovery passes such records by, whatever
fence they claim, and heals what they hide.
"""

from __future__ import annotations

import logging
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import faust
import orjson
from faust.types import TP

from .chunks import chunk_topic
from .commit import check_contiguous, send_batches
from .logic import MustAct

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_HOUR_MS = 3_600_000
_SEAL = 4  # bytes of the checksum
# The version of all that a changelog holds, rows and marker: whoever changes a row's form so that
# the release before could not read it raises this. Older rows are converted when they are read.
FORMAT = 3

log = logging.getLogger("leadstream.engine")


def seal(value: bytes) -> bytes:
    """Put a checksum before a row as the changelog keeps it."""
    return zlib.crc32(value).to_bytes(_SEAL, "big") + value


def unseal(value: bytes | None) -> bytes | None:
    """Take the checksum off; None for what we never wrote."""
    if value is None or len(value) < _SEAL + 8:
        return None
    body = bytes(memoryview(value)[_SEAL:])
    return body if zlib.crc32(body).to_bytes(_SEAL, "big") == value[:_SEAL] else None


class Marker(NamedTuple):
    """Where a partition goes on: next source offset, epoch, and the ticks of its watermark."""

    next_offset: int
    epoch: int
    ticks: dict[str, list[int]]  # topic -> highest tick by partition

    def dump(self) -> bytes:
        """Write it; the first 8 bytes compare like a row's fence."""
        body = {"record": "marker", "version": FORMAT, "ticks": self.ticks}
        return fence(self.epoch, self.next_offset) + orjson.dumps(body)

    @classmethod
    def load(cls, value: bytes) -> Marker:
        """Read what `dump` wrote, in this release or an earlier one.

        Raises:
            MustAct: a later release wrote the changelog; this one would misread its rows.

        """
        body = orjson.loads(value[8:])
        if "record" not in body:  # version 1 was the ticks alone
            body = {"version": 1, "ticks": body}
        if body["version"] > FORMAT:
            raise MustAct(
                f"a later release wrote this changelog (version {body['version']}; this release "
                f"reads 1 to {FORMAT}): start that release again"
            )
        epoch, next_offset = value[:2], value[2:8]
        return cls(int.from_bytes(next_offset, "big"), int.from_bytes(epoch, "big"), body["ticks"])


def marker_key(partition: int) -> bytes:
    """Return the key of a partition's marker: no row's, since a row's key is text."""
    return b"\x00next:%d" % partition


def page_key(key: bytes, name: bytes) -> bytes:
    """Return the key of a page of a row: no row's, as a marker's is none."""
    return b"\x00page:%d:%s%s" % (len(key), key, name)


COMMON = b"\x00common"  # the key of a record that is for a partition as a whole


def common_key(partition: int) -> bytes:
    """Return the key of a partition's shared row: what its other rows are folded with."""
    return b"%s:%d" % (COMMON, partition)


def fence(epoch: int, offset: int) -> bytes:
    """Return the 8 bytes that a row begins with."""
    return epoch.to_bytes(2, "big") + offset.to_bytes(6, "big")


class ChangelogTable(faust.Table):
    """Rows of one processor by key, as bytes.

    The only writer of each partition is the partition's owner.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        """Declare the table; options are Faust's."""
        super().__init__(*args, recovery_buffer_size=2, **options)
        self.recovered: set[int] = set()
        self.overruled: dict[int, set[bytes]] = {}
        self.strange: dict[int, int] = {}  # records by partition that none of ours wrote

    def _new_changelog_topic(
        self,
        *,
        retention: Any = None,  # noqa: ARG002 - Faust's signature
        compacting: Any = None,  # noqa: ARG002
        deleting: Any = None,  # noqa: ARG002
    ) -> Any:
        config = {"min.compaction.lag.ms": str(_HOUR_MS), "max.message.bytes": "2097152"}
        return chunk_topic(
            self.app,
            self._changelog_topic_name(),
            partitions=self.partitions,
            compacting=True,
            acks=False,
            internal=True,
            maxsize=131_072,
            allow_empty=True,
            config=config,
        )

    def row(self, key: bytes) -> bytes | None:
        """Return a row with its fence."""
        return self.data.data.get(key)

    def marker(self, partition: int) -> Marker | None:
        """Return the partition's marker; None before its first commit."""
        value = self.data.data.get(marker_key(partition))
        return Marker.load(value) if value else None

    def rows_of(self, partition: int) -> Iterable[tuple[bytes, bytes]]:
        """Return the rows of a partition, without its marker."""
        owner = self.data._key_partition
        return (
            (key, value)
            for key, value in self.data.data.items()
            if owner.get(key) == partition and not key.startswith(b"\x00")
        )

    async def commit(
        self,
        producer: Any,
        partition: int,
        rows: Mapping[bytes, bytes],
        marker: Marker,
        together: int = 0,
    ) -> None:
        """Make rows and marker durable, then visible; the last `together` rows all or none.

        Raises:
            ForeignWrite: another wrote into this partition; nothing is applied, the process ends.

        """
        tp = TP(self.changelog_topic_name, partition)
        offsets = self.app.tables.recovery.active_offsets
        known = offsets.get(tp)
        previous = -1 if known is None else known
        name, value = marker_key(partition), marker.dump()
        written = await send_batches(
            producer,
            tp.topic,
            partition,
            [(key, seal(row)) for key, row in (*rows.items(), (name, value))],
            together=together + 1 if together else 0,
        )
        offsets[tp] = check_contiguous(written, previous)
        self._apply(partition, {**rows, name: value})

    async def heal(self, producer: Any, partition: int) -> int:
        """Write the winners again that a zombie's rows follow; return how many.

        Otherwise compaction would keep the zombie's.
        """
        overruled = self.overruled.pop(partition, set())
        marker = self.marker(partition)
        if not overruled or marker is None:
            return 0
        known = self.data.data
        rows = {
            key: known[key]
            for key in sorted(overruled)
            if key in known and key != marker_key(partition)
        }
        await self.commit(producer, partition, rows, marker)
        return len(overruled)

    def _apply(self, partition: int, rows: Mapping[bytes, bytes]) -> None:
        self.data.data.update(rows)
        self.data._key_partition.update(dict.fromkeys(rows, partition))

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Merge by fence: an older one never wins, whichever was written last."""
        data, owner = self.data.data, self.data._key_partition
        for event in batch:
            partition = event.message.partition
            self.recovered.add(partition)
            overruled = self.overruled.setdefault(partition, set())
            for record in event.value:
                key, value = record.key, unseal(record.value)
                if value is None:
                    self.strange[partition] = self.strange.get(partition, 0) + 1
                    if key is not None:
                        overruled.add(key)
                    continue
                known = data.get(key)
                if known is None or value[:8] >= known[:8]:
                    data[key], owner[key] = value, partition
                    overruled.discard(key)
                else:
                    overruled.add(key)
