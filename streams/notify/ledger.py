"""What the notifier knows and did, in memory and on `lead.notices`: written first, then done."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from pydantic import ValidationError

from schemas import topics
from schemas.errors import LeadstreamError
from schemas.wire import notices
from schemas.wire.models.notices import Notification, Place, Shown, Snooze, Stall
from schemas.wire.versions import UnknownRecord
from streams import metrics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.intake.persistent import Publisher

KEEP_MS = 90 * 86_400_000  # a stall that has not changed for so long is forgotten

log = logging.getLogger("leadstream.notifier")


class LaterRelease(LeadstreamError):  # noqa: N818 - whoever runs the notifier must update it
    """A later release wrote this ledger: to go on without it would notify people twice."""


class Ledger:
    """The newest record of each key."""

    def __init__(self, publisher: Publisher) -> None:
        """Begin empty; `take` what the topic holds, then `recover`."""
        self._publisher = publisher
        self.stalls: dict[str, Stall] = {}
        self.messages: dict[str, Notification] = {}
        self.snoozes: dict[str, Snooze] = {}
        self.places: dict[int, int] = {}
        self.generation = 0
        self._by_key: dict[bytes, notices.Record] = {}

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Take a record of the topic; one that is none of ours is counted.

        Raises:
            LaterRelease: a later release wrote it.

        """
        if not value:
            before = self._by_key.pop(key or b"", None)
            self._forget(before)
            return
        try:
            one = notices.load(value)
        except UnknownRecord as error:
            if "release" in str(error):
                raise LaterRelease(f"lead.notices: {error}") from error
            self._foreign(error)
            return
        except ValidationError as error:
            self._foreign(error)
            return
        self.put(one)

    @staticmethod
    def _foreign(error: Exception) -> None:
        metrics.FOREIGN.labels(topics.NOTICES).inc()
        log.warning("a record of lead.notices is none of ours: %s", type(error).__name__)

    def put(self, one: notices.Record) -> None:
        """Keep a record in memory."""
        self._by_key[notices.key(one)] = one
        match one:
            case Stall():
                self.stalls[one.id] = one
            case Notification():
                self.messages[one.id] = one
            case Snooze():
                known = self.snoozes.get(one.subject)
                if known is None or one.at >= known.at:
                    self.snoozes[one.subject] = one
            case Place():
                self.places[one.partition] = one.next_offset
            case Shown():
                self.generation = one.generation

    def _forget(self, one: notices.Record | None) -> None:
        if isinstance(one, Stall):
            self.stalls.pop(one.id, None)
        elif isinstance(one, Notification):
            self.messages.pop(one.id, None)

    async def write(self, records: Iterable[notices.Record]) -> None:
        """Keep records, and return once Kafka has them."""
        written = list(records)
        for one in written:
            self.put(one)
        await asyncio.gather(*(self._send(notices.key(one), notices.dump(one)) for one in written))

    async def forget(self, records: Iterable[Stall | Notification]) -> None:
        """Forget records for good."""
        gone = list(records)
        for one in gone:
            self._by_key.pop(notices.key(one), None)
            self._forget(one)
        await asyncio.gather(*(self._send(notices.key(one), None) for one in gone))

    async def _send(self, key: bytes, value: bytes | None) -> None:
        await self._publisher.send(topics.NOTICES, value, key, None, ())  # type: ignore[arg-type]
