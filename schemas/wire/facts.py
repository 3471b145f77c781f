"""Codec of `lead.facts` and `lead.state`: facts, states, cuts, aliases, definitions, holes.

In memory a fact's or a state's content is canonical JSON, which is compared and stored as text; on
the wire it is an object.
"""

from __future__ import annotations

from typing import Any

import orjson

from schemas import topics
from schemas.first_form import HANDOFF

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
        if content and fact["record"] in ("fact", "state"):
            fact["content"] = _renewed(fact.get("kind", ""), content)
        return fact
    if content is not None:
        if not isinstance(content, dict):
            raise UnknownRecord("the content of a fact is no object")
        fact["content"], fact["body"] = orjson.dumps(content).decode(), content
    return fact


# What version 1 left out, by kind: it knew one hand-off and one gate, and did not name its funnel.
_SINCE: dict[str, dict[str, Any]] = {
    "journey": {"funnel": "", "dimensions": {}},
    "transition": {"funnel": "", "dimensions": {}},
    "clock": {"funnel": "", "dimensions": {}},
    "handoff": {"funnel": "", "dimensions": {}, "stage": HANDOFF},
    "decision": {"funnel": "", "stage": HANDOFF},
    "disagreement": {"funnel": ""},
    "deal": {"dimensions": {}},
    "": {"dimensions": {}},  # a lead's state
}


def _renewed(kind: str, content: str) -> str:
    """Return the content of a fact or a state of version 1 as it would be stated now."""
    body = {**_SINCE.get(kind, {}), **orjson.loads(content)}
    if "origin" in body:
        body["lead_origin"] = body.pop("origin")
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()
