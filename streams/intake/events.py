"""The generic route's own judgement: each CloudEvent of a body by itself, before it is stored.

The vendors' bodies are stored unread, because a vendor can't mend what we can't read. Whoever sends
CloudEvents can, so they are told at once; normalise reads what is stored by the same adapter.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from streams.sources.adapter import UNREADABLE, Connection, decoded, reason, why
from streams.sources.registry import SOURCES

from .openapi import CloudEvent, Taken
from .problems import ProblemError, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST = 5_000  # events of one batch
_REASON = 300  # characters: a reason quotes what was sent


def attributes(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes of an event in binary mode; none where the body is the whole event."""
    if "ce-type" not in headers:
        return {}
    return {name[3:]: text for name, text in headers.items() if name.startswith("ce-")}


async def judge(
    body: bytes, extra: dict[str, str], speaks: Callable[[Any], list[str]], now: int
) -> tuple[str, Taken]:
    """Read a body as its events; return the first one's id, and what of it is taken.

    `speaks` returns the sources in a body that its sender's token may not speak for.

    Raises:
        ProblemError: 403 where it speaks for another source, 413 and 422 where nothing is taken.

    """
    try:
        found = decoded(body)
    except ValueError as error:
        raise ProblemError(422, str(error)) from error
    whole = {**extra, "data": found} if extra else found
    if others := speaks(whole):
        other = repr(others[0][:100])
        raise ProblemError(403, f"this token may not speak for {other}: use its own token")
    parts = whole if isinstance(whole, list) else [whole]
    if len(parts) > MOST:
        raise ProblemError(413, f"a batch holds at most {MOST} events; send it in parts")
    many = len(parts) > 20  # beyond it others would wait for us
    refused = await asyncio.to_thread(_refused, parts, now) if many else _refused(parts, now)
    if len(refused) == len(parts):
        why = refused[0].reason if refused else "the batch is empty"
        raise ProblemError(422, f"no event of it can be taken: {why}", refused=refused)
    first = parts[0].get("id") if isinstance(parts[0], dict) else None
    key = first if isinstance(first, str) else ""
    return key, Taken(taken=len(parts) - len(refused), refused=refused)


def _refused(parts: list[Any], now: int) -> list[Refused]:
    found = ((index, _wrong(part, now)) for index, part in enumerate(parts))
    return [Refused(index=index, reason=wrong[:_REASON]) for index, wrong in found if wrong]


def _wrong(part: Any, now: int) -> str:
    """Return why one event can't be taken, "" where it can."""
    try:
        CloudEvent.model_validate(part)
        rejected = SOURCES["cloudevents"].normalise(part, now, Connection()).rejected
    except ValidationError as error:
        return reason(error, "event")
    except UNREADABLE as error:
        return why(error)
    return rejected[0][0] if rejected else ""
