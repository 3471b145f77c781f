"""The contract between a worker and its logic: the pure part of a processor, and its effects.

The engine knows records and rows, never leads. It calls the logic, and stores and sends what that
returns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.errors import LeadstreamError

if TYPE_CHECKING:
    from .commit import Out

Pages = Callable[[bytes], bytes | None]  # a page of a record's own row, by its name


def no_pages(_name: bytes) -> None:
    """Read a page of a row that has none."""


def headers_of(record: Any) -> dict[str, str]:
    """Return a record's headers as text; Kafka allows one without a value."""
    return {name: (value or b"").decode(errors="replace") for name, value in record.headers}


class PayloadRejected(LeadstreamError):  # noqa: N818 - the sender must act; the record goes to the dead letters
    """A record that can't be read; the text says why, for whoever sent it."""


class TooLarge(LeadstreamError):  # noqa: N818 - a record's way to become a dead letter
    """What a record would make is larger than Kafka takes."""


class Rejected(NamedTuple):
    """A part of a record that can't be read, beside parts that can."""

    reason: str
    body: bytes | None = None


class Effects(NamedTuple):
    """The effects of one record: outputs, the row, its pages, and what could not be read.

    `row` is None when nothing changed; `due` is when time alone changes the row next (ms).
    """

    outs: tuple[Out, ...] = ()
    row: bytes | None = None
    due: int | None = None
    rejected: tuple[Rejected, ...] = ()
    # kinds of parts that are known and not ours: counted, never a letter
    ignored: tuple[str, ...] = ()
    # names of details that could not be read: counted, and what they stood in is read
    dropped: tuple[str, ...] = ()
    # of the record's own row, by name: those that changed. There is a row then, and all of them
    # are written or nothing
    pages: Mapping[bytes, bytes] = {}


class MustAct(LeadstreamError):  # noqa: N818 - it stops the worker; the text says who must do what
    """A restart alone will not help: the process ends with EXIT_STOPPED."""


class Logic(ABC):
    """The pure part of a stateful processor. A record changes the row of its own key and no other.

    A partition may have one shared row, which its other rows are folded with (definitions, say). A
    record whose key is COMMON changes it, so it comes in order with all others, and state has no
    other source than records.
    """

    @abstractmethod
    def record(self, record: Any, row: bytes | None, now: int, pages: Pages = no_pages) -> Effects:
        """Fold one record into its row. What is too much for one row is in `pages` beside it."""

    def row_key(self, key: bytes) -> bytes:
        """Return the key under which the row of a record's key is kept."""
        return key

    @abstractmethod
    def due(
        self, key: bytes, row: bytes, now: int, record: Any, pages: Pages = no_pages
    ) -> Effects:
        """Fold the watermark `now`, which the tick `record` raised, into a row."""

    @abstractmethod
    def next_due(self, row: bytes) -> int | None:
        """Return when time alone changes a row next (ms)."""

    def on_watermark(self, _partition: int, _next_offset: int, _now: int) -> tuple[Out, ...]:
        """Return what else a rise of the partition's watermark sends."""
        return ()

    def init_shared(self, _partition: int) -> Effects:
        """Return the shared row that a new partition begins with; none by default."""
        return Effects()

    def restore_shared(self, _partition: int, _row: bytes | None) -> None:  # noqa: B027 - most workers have none
        """Take the shared row as the table has it: at takeover, and after a chunk was dropped."""

    def apply_shared(self, _record: Any, _row: bytes | None, _now: int) -> Effects:
        """Fold a record that is for the partition as a whole into its shared row."""
        raise PayloadRejected("this worker has nothing that is common to a partition")
