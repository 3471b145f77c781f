"""Codec of `lead.spend`, `lead.targets`, `lead.rates` and `lead.surveys`: what is stated to us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from schemas import topics
from schemas.records import Rate, Spend, SurveyAnswer, Target

from .versions import VERSIONS, read

if TYPE_CHECKING:
    from collections.abc import Mapping

Stated = Spend | Target | Rate | SurveyAnswer
MODELS: Mapping[str, type[Stated]] = {
    topics.SPEND: Spend,
    topics.TARGETS: Target,
    topics.RATES: Rate,
    topics.SURVEYS: SurveyAnswer,
}


TOPICS: Mapping[type[Stated], str] = {model: topic for topic, model in MODELS.items()}


def dump(one: Stated) -> bytes:
    """Write a record. A breakdown, which is text in memory, is the object that it says."""
    ((record, version),) = VERSIONS[TOPICS[type(one)]].items()
    fields = one.model_dump(mode="json")
    if isinstance(one, Spend) and _is_object(one.breakdown):
        fields["breakdown"] = orjson.Fragment(one.breakdown)
    return orjson.dumps({"record": record, "version": version, **fields})


def _is_object(text: str) -> bool:
    try:
        found: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return isinstance(found, dict)


def load(topic: str, value: bytes | None) -> Stated:
    """Read a record of one of these topics; keys that a later release added are ignored.

    Raises:
        UnknownRecord: it is none of this release; the text says whose move it is.
        ValidationError: what it says can't be.

    """
    read(topic, value)
    return MODELS[topic].model_validate_json(value or b"", extra="ignore")
