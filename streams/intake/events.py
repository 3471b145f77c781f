"""The generic route's check of each CloudEvent of a body by itself, before it is stored.

The vendors' bodies are stored unread, because a vendor can't mend what we can't read. Whoever sends
CloudEvents can, so they learn at once; normalise reads what is stored by the same adapter.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pydantic import ValidationError

from streams.sources.adapter import Fault, decoded, fault

from . import judging
from .openapi import CloudEvent, Taken
from .problems import ProblemError, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST = 5_000  # events of one batch
REQUIRED = ("specversion", "id", "source", "type")  # attributes of any CloudEvent
_REASON = 300  # characters: a reason quotes what was sent
_ID = 200


def attributes(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes of an event in binary mode; none where the body is the whole event.

    A media type of CloudEvents says that it is whole, whatever headers stand beside it. Values are
    percent-encoded (the HTTP binding of CloudEvents 1.0).
    """
    whole = headers.get("content-type", "").lower().startswith("application/cloudevents")
    if whole or not any(f"ce-{name}" in headers for name in REQUIRED):
        return {}
    return {
        name[3:]: unquote(text, errors="replace")
        for name, text in headers.items()
        if name.startswith("ce-")
    }


async def judge(
    body: bytes, extra: dict[str, str], speaks: Callable[[Any], list[str]], now: int
) -> tuple[str, Taken]:
    """Return the id of a body's first event that is taken, and what is taken.

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
    not_taken = {one.index for one in refused}
    if len(refused) == len(parts):
        why = refused[0].reason if refused else "the batch is empty"
        raise ProblemError(422, f"no event of it can be taken: {why}", refused=refused)
    ids = [part["id"] for index, part in enumerate(parts) if index not in not_taken]
    return ids[0], Taken(taken=len(ids), ids=ids, refused=refused)


def _refused(parts: list[Any], now: int) -> list[Refused]:
    found = ((index, part, _wrong(part, now)) for index, part in enumerate(parts))
    return [_refusal(index, part, wrong) for index, part, wrong in found if wrong is not None]


def _refusal(index: int, part: Any, wrong: Fault) -> Refused:
    name = part.get("id") if isinstance(part, dict) else None
    return Refused(
        index=index,
        id=name[:_ID] if isinstance(name, str) else "",
        field=wrong.place[:_REASON],
        reason=str(wrong)[:_REASON],
        hint=wrong.near,
    )


def _wrong(part: Any, now: int) -> Fault | None:
    """Return why one event can't be taken; None where it can."""
    found = judging.wrong(part, now)
    if found is not None:
        return found
    try:
        CloudEvent.model_validate(part)
    except ValidationError as error:
        return fault(error)
    return None
