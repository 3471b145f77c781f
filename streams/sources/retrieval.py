"""What a retriever asks a vendor and makes of the answer: pure, in the vendor's own file.

Some notifications carry an id and nothing else. `wanted` reads them off a body, each id once, and
raises for nothing that a body may hold: what can't be read is normalise's to refuse. `answers`
turns a vendor's answer into bodies that are published like any other. A body made here is never
wanted again, so that a retriever does not feed itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from .adapter import UNREADABLE
from .values import record, text

if TYPE_CHECKING:
    from .adapter import Connection
    from .vendor import Option, Secret

# How vendors name an error.
_WORDS = ("category", "errorCode", "code", "serviceErrorCode", "status")


class Ask(NamedTuple):
    """One GET of a vendor's API."""

    key: str  # the record that it is about
    path: str  # below the API's address, quoted, with its first slash
    params: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    carried: bytes = b""  # what the answer does not say: JSON that `answers` reads
    needed: bool = True  # where it is not, `answers` is given None for what the vendor has not


class Answer(NamedTuple):
    """What an answer gives: bodies for the vendor's raw topic, and the next page."""

    bodies: tuple[bytes, ...] = ()
    following: Ask | None = None


class Verdict(StrEnum):
    """What an answer's status means for who asked."""

    TAKEN = "taken"
    LATER = "later"  # too many requests: ask again, later
    AGAIN = "again"  # the vendor is not well: ask again, so many times
    TOKEN = "token"  # nothing is given for this token  # noqa: S105 - no password
    GONE = "gone"  # the vendor has no such record, or does not show it
    REFUSED = "refused"  # this request will never be answered


def by_status(status: int, _answer: Any) -> Verdict:
    """Judge an answer as HTTP has it (RFC 9110)."""
    if 200 <= status < 300:
        return Verdict.TAKEN
    if status in (401, 403):
        return Verdict.TOKEN
    if status in (404, 410):
        return Verdict.GONE
    if status == 429:
        return Verdict.LATER
    return Verdict.AGAIN if status >= 500 or status in (408, 425) else Verdict.REFUSED


@dataclass(frozen=True)
class Retrieval:
    """How a vendor is asked. Without a `token` that is set, it is not."""

    address: Option  # of the API: one of the vendor's options
    token: Secret
    wanted: Callable[[Any, Connection], tuple[Ask, ...]]
    answers: Callable[[Ask, Any], Answer]  # raises ValueError where the answer is of another shape
    rate: float  # requests a second that the vendor's limits leave room for
    judged: Callable[[int, Any], Verdict] = by_status


def each_once(parts: Iterable[Any], transform: Callable[[Any], Iterable[Ask]]) -> tuple[Ask, ...]:
    """Ask for what each part wants, each record once; a part that can't be read wants nothing."""
    found: dict[str, Ask] = {}
    for part in parts:
        try:
            for ask in transform(part):
                found.setdefault(ask.key, ask)
        except UNREADABLE:
            continue
    return tuple(found.values())


def listed(value: Any) -> Iterator[Any]:
    """Iterate over a list; nothing of anything else."""
    return iter(value if isinstance(value, list) else ())


def named_error(answer: Any) -> str:
    """Return a vendor's own name of an error, "" where it gives none; never its sentences."""
    part = answer[0] if isinstance(answer, list) and answer else answer
    error = record(record(part).get("error")) or record(part)
    return next((found for name in _WORDS if (found := text(error.get(name), 60))), "")
