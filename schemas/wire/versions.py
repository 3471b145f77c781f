"""Which records a topic of ours holds, in which version; how older versions are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from schemas import topics
from schemas.errors import LeadstreamError

if TYPE_CHECKING:
    from collections.abc import Mapping

# What the newest release writes, by topic. `lead.state` holds the same records as `lead.facts`.
VERSIONS: Mapping[str, Mapping[str, int]] = {
    topics.EVENTS: {"event": 2, "link": 2, "ask": 2},
    topics.TOUCHES: {"event": 2, "edge": 2, "definition": 2},
    topics.FACTS: {"fact": 2, "state": 2, "cut": 2, "alias": 2, "definition": 2, "hole": 2},
    topics.STATE: {"state": 2},
    topics.ALERTS: {"alert": 2},
    topics.NOTICES: {"stall": 1, "message": 1, "snooze": 1, "place": 1, "shown": 1},
    topics.SPEND: {"spend": 2},
    topics.TARGETS: {"target": 1},
    topics.RATES: {"rate": 1},
    topics.SURVEYS: {"answer": 1},
}
# Under which key version 1 said what a record is; the other topics hold one kind and did not say.
_FIRST_TAG = {topics.EVENTS: "t", topics.TOUCHES: "t", topics.FACTS: "k", topics.STATE: "k"}


class UnknownRecord(LeadstreamError, ValueError):  # noqa: N818 - whoever runs the reader must act, as the text says
    """A record that this release does not read."""


def read(topic: str, value: bytes | None) -> dict[str, Any]:
    """Return a record of one of our topics, named as the newest version names it.

    Its content may still be that of an older version, which `version` tells.

    Raises:
        UnknownRecord: it is none that this release reads; the text says whose move it is.

    """
    try:
        body = orjson.loads(value or b"")
    except orjson.JSONDecodeError as error:
        raise UnknownRecord(f"no JSON: only our workers write to {topic}") from error
    if not isinstance(body, dict):
        raise UnknownRecord(f"no object: only our workers write to {topic}")
    name, version, known = body.get("record"), body.get("version"), VERSIONS[topic]
    if isinstance(name, str) and type(version) is int and known.get(name) == version:
        return body
    return _older(topic, body, known)


def _older(topic: str, body: dict[str, Any], known: Mapping[str, int]) -> dict[str, Any]:
    tag = _FIRST_TAG.get(topic)
    if "record" in body:
        name, version = body["record"], body.get("version", 1)
    else:
        name, version = body.get(tag) if tag else next(iter(known)), 1
    if not isinstance(name, str) or name not in known:
        raise UnknownRecord(
            f"{topic} has no record of kind {str(name)[:50]!r} that this release reads: if a later "
            "release wrote it, update this worker and replay the letter"
        )
    if type(version) is not int or not 1 <= version <= known[name]:
        raise UnknownRecord(
            f"version {str(version)[:20]} of the record {name!r} is none that this release reads "
            f"(1 to {known[name]}): update this worker and replay the letter"
        )
    older = {key: one for key, one in body.items() if key != tag}
    if "record" not in older and "version" in older:  # of a definition, an alert: the funnel's
        older["funnel_version"] = older["version"]
    return {**older, "record": name, "version": version}
