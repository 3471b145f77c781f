"""Codec of `lead.facts` and `lead.state`: facts, states, cuts, aliases, definitions, holes.

In memory a fact's or a state's content is canonical JSON, which is compared and stored as text; on
the wire it is an object.
"""

from __future__ import annotations

from typing import Any

import orjson

from schemas import topics

from .versions import VERSIONS, UnknownRecord, read

_NAMED = VERSIONS[topics.FACTS]


def dump(record: str, fields: dict[str, Any]) -> bytes:
    """Write a record; a `content` among its fields is JSON, or None."""
    content = fields.get("content")
    if content is not None:
        fields = {**fields, "content": orjson.Fragment(content)}
    return orjson.dumps({"record": record, "version": _NAMED[record], **fields})


def load(value: bytes | None) -> dict[str, Any]:
    """Read a record, of whatever version, with its content as JSON, or None.

    What it says as a dict, where that was read already, is its `body`.

    Raises:
        UnknownRecord: it is none; the text says whose move it is.

    """
    fact = read(topics.FACTS, value)
    content = fact.get("content")
    if fact["version"] == 1:
        if content is not None and not isinstance(content, str):
            raise UnknownRecord("the content of a fact of version 1 is text")
        return fact
    if content is not None:
        if not isinstance(content, dict):
            raise UnknownRecord("the content of a fact is no object")
        fact["content"], fact["body"] = orjson.dumps(content).decode(), content
    return fact
