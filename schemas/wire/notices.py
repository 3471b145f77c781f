"""Keys and records of `lead.notices`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from schemas import topics

from . import versions
from .models.notices import Notification, Place, Shown, Snooze, Stall

if TYPE_CHECKING:
    from collections.abc import Mapping

Record = Stall | Notification | Snooze | Place | Shown
_MODELS: Mapping[str, type[Record]] = {
    "stall": Stall,
    "message": Notification,
    "snooze": Snooze,
    "place": Place,
    "shown": Shown,
}


def key(one: Record) -> bytes:
    """Return a record's key: what a later record must share to replace it.

    A snooze replaces none, so that each stays on record: who asked for it, when and why.
    """
    match one:
        case Stall() | Notification():
            parts: list[str | int] = [one.record, one.id]
        case Snooze():
            parts = [one.record, one.subject, one.at]
        case Place():
            parts = [one.record, one.partition]
        case Shown():
            parts = [one.record]
    return orjson.dumps(parts)


def dump(one: Record) -> bytes:
    """Write a record."""
    return one.model_dump_json(exclude_defaults=False).encode()


def load(value: bytes | None) -> Record:
    """Read a record.

    Raises:
        versions.UnknownRecord, pydantic.ValidationError: it is none that this release reads.

    """
    body = versions.read(topics.NOTICES, value)
    return _MODELS[body["record"]].model_validate(body)
