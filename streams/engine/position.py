"""Where a chunk stands against the offset that is to be read next: pure, and the worker acts on it.

Offsets of a partition may have holes that are none: a transaction's marker, or what compaction
removed. So a chunk that begins beyond the next offset is held against what the broker has. The
first time a worker seeks back, unless the records are gone. If the chunk after the seek still
begins beyond it, the broker's first record from there on decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from faust.types import TP


class Kind(Enum):
    """What a chunk is to a worker, and so what the worker does."""

    NEXT = "it holds what is to be read next, maybe behind records that are done"
    DUPLICATE = "all of it is done"
    GAP = "the broker may have records before it that were not read: seek back"
    OUTDATED = "it was fetched before a seek, and what lies before it comes again"
    LOST = "the topic no longer has what was to be read next: stop"
    AHEAD = "the topic ends before what was to be read next: stop"


@dataclass(frozen=True)
class Held:
    """What the broker has of a partition; None where it was not asked, or not known.

    `end` is the offset behind its last record. `earliest` is its first, asked at a hole that is
    met for the first time. `present` is its first at or after the next offset, asked at a hole that
    is met again after a seek.
    """

    end: int | None
    earliest: int | None = None
    present: int | None = None


@dataclass(frozen=True)
class Position:
    """A chunk's kind, and the offsets that made it so: its first, the next, the broker's bound."""

    kind: Kind
    first: int
    following: int
    bound: int | None = None

    def undone(self, records: Sequence[Any]) -> list[Any]:
        """Return the records of the chunk that are not done yet."""
        return [record for record in records if record.offset >= self.following]

    def remedy(self, tp: TP, role: str) -> str:
        """Return what a person can do about a chunk that is LOST or AHEAD."""
        place = f"{tp.topic}[{tp.partition}]"
        holes = f"accept the hole: `leadstream holes list`, then `leadstream holes accept {role}`"
        if self.kind is Kind.LOST:
            return (
                f"{place} holds {self.bound} and later, but {self.following} was not read yet: "
                "retention was shorter than the outage, or the topic was made again. "
                f"Restore it from its backup, or {holes}"
            )
        return (
            f"{place} ends at {self.bound}, but {self.following} was to be read next: "
            f"the topic was made again. Restore it, or {holes}"
        )


def position(first: int, last: int, following: int, held: Held) -> Position:
    """Classify a chunk by the offsets of its first and last record and what the broker has."""
    if first > following:
        if held.earliest is not None and held.earliest > following:
            return Position(Kind.LOST, first, following, held.earliest)
        if held.present is None:
            return Position(Kind.GAP, first, following)
        if held.present < first:
            return Position(Kind.OUTDATED, first, following)
    if held.end is not None and following > held.end:
        return Position(Kind.AHEAD, first, following, held.end)
    return Position(Kind.DUPLICATE if last < following else Kind.NEXT, first, following)
