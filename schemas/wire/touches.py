"""Codec of `lead.touches`: an event or an edge of a lead, and a later version of the funnel.

In memory an event is `[at, rank, sequence, id, origin, type, body]` with its body as canonical
JSON, which the fold compares and keeps as text; on the wire the body is an object.
"""

from __future__ import annotations

from typing import Any

import orjson

from schemas import topics

from .versions import VERSIONS, UnknownRecord, read

_NAMED = VERSIONS[topics.TOUCHES]
_BODY = 6  # the place of the body in an event


def dump(touch: dict[str, Any]) -> bytes:
    """Write an event or an edge as a record; `touch` names it under `record`."""
    record = {"record": touch["record"], "version": _NAMED[touch["record"]], **touch}
    event = record.get("event")
    if event is not None:
        record["event"] = (*event[:_BODY], orjson.Fragment(event[_BODY]))
    return orjson.dumps(record)


def load(value: bytes | None) -> dict[str, Any]:
    """Read a record, of whatever version, as `dump` was given it.

    Its body stays in the order in which it was written, which is canonical.

    Raises:
        UnknownRecord: it is none; the text says whose move it is.

    """
    touch = read(topics.TOUCHES, value)
    event = touch.get("event")
    if isinstance(event, list) and len(event) > _BODY:
        body = event[_BODY]
        if touch["version"] == 1:
            body = _object(body)
        if not isinstance(body, dict):
            raise UnknownRecord("the body of an event is no object")
        event[_BODY] = orjson.dumps(body).decode()
    return touch


def _object(body: Any) -> Any:
    """Read a body of version 1, which was a string."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UnknownRecord("the body of an event is no JSON") from error


def definition(funnel: dict[str, Any], generation: int) -> bytes:
    """Write the record by which a later version of the funnel reaches every worker."""
    head = {"record": "definition", "version": _NAMED["definition"]}
    return orjson.dumps({**head, "generation": generation, "funnel": funnel})
