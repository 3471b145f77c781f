"""Which records a consumer has read and not finished, and how far each partition is finished.

Records finish in any order; an offset is committed once all before it are finished. Places are
whatever names a partition. A partition that was lost is forgotten, and so is one that is read again
from an earlier offset: whoever reads it next finishes it once more.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection

Place = TypeVar("Place")


@dataclass
class _Partition:
    waiting: deque[int] = field(default_factory=deque)  # offsets in order, the oldest unfinished
    finished: set[int] = field(default_factory=set)  # those behind it that are
    following: int = 0  # the offset after the last one that was read
    committed: int = -1


class Backlog(Generic[Place]):
    """The unfinished records of one consumer."""

    def __init__(self) -> None:
        """Start with none."""
        self.advanced = False  # whether something that waited was finished since the last commit
        self._partitions: dict[Place, _Partition] = {}

    def read(self, place: Place, offset: int, *, waits: bool) -> None:
        """Note that a record was read; `waits` says that it will be finished later."""
        partition = self._partitions.setdefault(place, _Partition())
        if offset < partition.following:
            partition = self._partitions[place] = _Partition()
        partition.following = offset + 1
        if waits:
            partition.waiting.append(offset)

    def finish(self, place: Place, offset: int) -> None:
        """Note that a record is finished; one of a forgotten partition is nobody's."""
        partition = self._partitions.get(place)
        if partition is None or offset not in partition.waiting:
            return
        partition.finished.add(offset)
        while partition.waiting and partition.waiting[0] in partition.finished:
            partition.finished.discard(partition.waiting.popleft())
            self.advanced = True

    def keep(self, places: Collection[Place]) -> None:
        """Forget the partitions that are no longer ours."""
        self._partitions = {one: kept for one, kept in self._partitions.items() if one in places}

    def due(self) -> dict[Place, int]:
        """Return, by partition, the offset to commit, where it is another than the last one."""
        reached = {
            place: one.waiting[0] if one.waiting else one.following
            for place, one in self._partitions.items()
        }
        return {
            place: offset
            for place, offset in reached.items()
            if offset > self._partitions[place].committed
        }

    def committed(self, offsets: dict[Place, int]) -> None:
        """Note what was committed."""
        self.advanced = False
        for place, offset in offsets.items():
            if place in self._partitions:
                self._partitions[place].committed = offset
