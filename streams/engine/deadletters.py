"""What could not be read is kept with the reason, never skipped silently; too much of it stops the worker."""

from __future__ import annotations

from collections import deque
from typing import Any

import orjson

from .logic import headers_of


class TooManyDeadLetters(Exception):  # noqa: N818 - it stops the worker; whoever deployed it must act
    """More than a tenth of the last 1,000 records could not be read: a bad deploy should stop, not dead-letter a topic."""


class Limit:
    """Counts the share of dead letters among the last records."""

    def __init__(self, window: int = 1_000, share: float = 0.1) -> None:
        """Allow `share` of the last `window` records."""
        self._window: deque[bool] = deque(maxlen=window)
        self._most = int(window * share)
        self._dead = 0

    def count(self, dead: bool) -> None:
        """Count one record.

        Raises:
            TooManyDeadLetters: the share was passed; nothing of this chunk may be acknowledged.

        """
        if len(self._window) == self._window.maxlen and self._window[0]:
            self._dead -= 1
        self._window.append(dead)
        self._dead += dead
        if self._dead > self._most:
            raise TooManyDeadLetters(
                f"{self._dead} of the last {len(self._window)} records could not be read; "
                "see `leadstream deadletters list`, mend the cause, then start the worker again"
            )


def letter(record: Any, part: int, reason: str, kind: str, body: bytes | None, worker: str) -> bytes:
    """Write a dead letter: where the record stands, why it was refused, and its body (secrets already removed).

    The id is the record's place, so a crash that repeats it repeats the same letter.
    """
    return orjson.dumps(
        {
            "id": f"{record.topic}:{record.partition}:{record.offset}:{part}",
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "stamp": record.timestamp,
            "worker": worker,
            "kind": kind,
            "reason": reason[:1000],
            "headers": headers_of(record),
            "key": record.key.decode(errors="replace") if record.key else None,
            "body": (body if body is not None else record.value or b"").decode("utf-8", errors="replace"),
        }
    )
