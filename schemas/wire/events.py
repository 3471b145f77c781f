"""Codec of `lead.events`: events by alias, links between aliases, and requests for an identity."""

from __future__ import annotations

from typing import Any

import orjson

from schemas import topics

from .versions import VERSIONS, UnknownRecord, read

_NAMED = VERSIONS[topics.EVENTS]
_NEEDED = {
    "event": ("event", "received_at"),
    "link": ("word", "id", "at", "sequence", "origin"),
    "ask": ("from",),
}


def dump(body: dict[str, Any]) -> bytes:
    """Write a record, which names itself under `record`."""
    return orjson.dumps({"record": body["record"], "version": _NAMED[body["record"]], **body})


def load(value: bytes | None) -> dict[str, Any]:
    """Read a record of whatever version.

    Raises:
        UnknownRecord: it is none, or lacks something; the text says whose move it is.

    """
    body = read(topics.EVENTS, value)
    lacking = [name for name in _NEEDED[body["record"]] if name not in body]
    if lacking:
        raise UnknownRecord(f"a record of kind {body['record']} lacks {', '.join(lacking)}")
    return body
