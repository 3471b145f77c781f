"""Writing dead letters: a poison record is kept with its bytes and the reason, never skipped."""

from __future__ import annotations

import hashlib
import logging
import re
import time
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from schemas import deadletters
from schemas.deadletters import Letter, LetterKind, Original

from .commit import Out
from .logic import headers_of

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("leadstream.engine")
# What Python's own errors repeat of a value, and what looks like an address or a telephone number.
_QUOTED = re.compile(
    r"(invalid literal for int\(\) with base \d+: |could not convert string to float: "
    r"|Invalid isoformat string: ).*"
)
_ADDRESS = re.compile(r"\S+@\S+")
_NUMBER = re.compile(r"\+\d[\d ()/.-]{6,}\d")
_TRACEBACKS_A_MINUTE = 20  # of one kind of error: a flood of poison must not fill the disk


class Post(NamedTuple):
    """Where a worker's letters go, and how it knows whose a record is."""

    topic: str
    worker: str
    source_of: Callable[[Any], str] = lambda _record: ""
    role: str = ""  # what people call the process: `advance@2` folds generation 2


def letter(
    post: Post,
    record: Any,
    kind: LetterKind,
    reason: str,
    *,
    part: int = 0,
    body: bytes | None = None,
) -> list[Out]:
    """Write a dead letter about a record, or about a part of it with a `body` of its own.

    Its id is the record's place, so a crash that repeats it repeats the same letter.
    """
    value = record.value if body is None else body
    original = Original(record.key, tuple(record.headers), value)
    name = f"{record.topic}:{record.partition}:{record.offset}:{part}"
    return _outs(post, record, name, kind, reason, original, part)


def timer_letter(post: Post, record: Any, key: bytes, due: int, reason: str) -> list[Out]:
    """Write a dead letter about a row that time could not be folded into, due at `due` (ms).

    What is sent again on its replay wakes the row.
    """
    digest = hashlib.blake2b(key, digest_size=8).hexdigest()
    name = f"{record.topic}:{record.partition}:timer:{digest}:{due}"
    original = Original(key, ((deadletters.WAKE_HEADER, b"1"),), b"{}")
    return _outs(post, record, name, LetterKind.TIMER, reason, original, 0)


def _outs(
    post: Post, record: Any, name: str, kind: LetterKind, reason: str, original: Original, part: int
) -> list[Out]:
    made = Letter(
        id=name,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        part=part,
        stamp=record.timestamp,
        worker=post.worker,
        source=post.source_of(record)[:100],
        kind=kind,
        reason=discreet(reason)[: deadletters.REASON_CHARACTERS],
        replay_of=headers_of(record).get(deadletters.REPLAY_HEADER, "")[:300],
    )
    return [
        Out(
            post.topic,
            name.encode(),
            piece,
            None,
            ((deadletters.LETTER_HEADER, head.model_dump_json().encode()),),
        )
        for head, piece in deadletters.pieces(made, original)
    ]


def discreet(reason: str) -> str:
    """Return a reason without what may name a person: it travels far from the body."""
    return _NUMBER.sub("…", _ADDRESS.sub("…", _QUOTED.sub(r"\1…", reason[:10_000])))


def _trace(error: BaseException | None) -> str:
    """Return an error's traceback, its causes first, without the values that its text repeats.

    Logs travel, too.
    """
    parts = []
    while error is not None:
        if isinstance(error, ValidationError):
            text = "; ".join(
                f"{'.'.join(map(str, one['loc']))}: {one['type']}"
                for one in error.errors(include_input=False)[:5]
            )
        else:
            text = discreet(str(error))[:500]
        parts.append(
            "".join(traceback.format_tb(error.__traceback__)) + f"{type(error).__name__}: {text}"
        )
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n\nfrom which came\n\n".join(reversed(parts))


class Failures:
    """A log of our own errors, with tracebacks; a flood of one kind is only counted."""

    def __init__(self, worker: str) -> None:
        """Log for a worker."""
        self._worker = worker
        self._minute = 0
        self._logged: dict[str, int] = {}

    def log(self, record: Any, error: Exception) -> str:
        """Log an error about a record; return what a reader of the letter may know of it.

        A letter's reader is often the sender, who can do nothing with our traceback, and an error's
        text may repeat personal data.
        """
        minute, kind = int(time.time() // 60), type(error).__name__
        if minute != self._minute:
            self._minute, self._logged = minute, {}
        self._logged[kind] = self._logged.get(kind, 0) + 1
        place = f"{record.topic}[{record.partition}] {record.offset}"
        if self._logged[kind] <= _TRACEBACKS_A_MINUTE:
            log.error("%s: %s could not be processed\n%s", self._worker, place, _trace(error))
        return (
            f"{self._worker} could not process it ({kind}): ours to mend, "
            f"its log has more under {place}"
        )
