"""CloudEvents 1.0, for any other system: `data` is a LeadEvent without id, time and source.

Standard: CloudEvents 1.0, structured, batch and binary mode. `type` is `leadstream.<event type>`;
`source` names the system; (source, id) is unique, so it makes our id; `time` is RFC 3339. A
vendor's name is no `source` here, and an event takes back only what its own source has sent: else
whoever holds any token could speak with a vendor's authority. `leadstream.spend` is a cost, of any
platform: its `data` is a Spend.
"""

from __future__ import annotations

import base64
import binascii
import re
from difflib import get_close_matches
from typing import Any

import orjson

from schemas import topics
from schemas.events import EventType, LeadEvent
from schemas.records import Spend
from streams.sources.adapter import (
    RESERVED,
    Connection,
    Fault,
    FaultError,
    Normalised,
    each,
    near_field,
)
from streams.sources.values import aliases, email_alias, iso_ms, phone_alias, record
from streams.sources.vendor import WORK, Vendor

PREFIX = "leadstream."
SPEND = f"{PREFIX}spend"
_TYPES = [*(one.value for one in EventType), SPEND.removeprefix(PREFIX)]
NAMES = ("email", "phone", "aliases")  # of `data`: who the lead is


def normalise(body: Any, received_at: int, _connection: Connection) -> Normalised:
    """Transform one CloudEvent, or a batch of them."""
    parts = body if isinstance(body, list) else [body]
    return each(parts, received_at, take)


def system_of(source: str) -> str:
    """Return the system that a CloudEvent's source names, as facts and rules write it."""
    return re.sub(r"[^a-z0-9_]", "_", source.lower().strip("/"))[:40] or "cloudevents"


def data_of(part: dict[str, Any]) -> dict[str, Any]:
    """Return an event's data, however it is written: an object, JSON in a text, JSON in Base64.

    Raises:
        ValueError: it is none of these; the text says what was expected.

    """
    found = part.get("data")
    if "data_base64" in part:
        try:
            found = base64.b64decode(part["data_base64"], validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise FaultError(
                Fault(
                    "data_base64",
                    "is no Base64: write an object as `data`, or the Base64 of its JSON",
                )
            ) from error
    if isinstance(found, str | bytes):
        try:
            found = orjson.loads(found)
        except orjson.JSONDecodeError as error:
            raise FaultError(
                Fault("data", "is a text that holds no JSON: write an object")
            ) from error
    if found is not None and not isinstance(found, dict):
        raise FaultError(Fault("data", f"is a {type(found).__name__}: write an object"))
    return dict(found or {})


def take(part: dict[str, Any], out: Normalised) -> None:
    """Add one CloudEvent.

    Raises:
        ValueError: it can't be read; a FaultError or ValidationError where the place is known.

    """
    if record(part).get("specversion") != "1.0":
        raise FaultError(Fault("specversion", "must be 1.0"))
    kind, source, key = part["type"], part["source"], part["id"]
    if (
        not isinstance(kind, str)
        or not kind.startswith(PREFIX)
        or kind.removeprefix(PREFIX) not in _TYPES
    ):
        shown = str(kind)[:100]
        raise FaultError(
            Fault(
                "type",
                f"{shown!r} is none of ours: write {PREFIX}lead.created and the like",
                near_type(shown),
            )
        )
    for name, text in (("source", source), ("id", key)):
        if not isinstance(text, str) or not text:
            raise FaultError(Fault(name, "is a text that is not empty (CloudEvents 1.0)"))
    data = data_of(part)
    system = system_of(source)
    if system in RESERVED:
        text = (
            f"{source[:100]!r} is a vendor's name, which only the vendor's own route may use: "
            "name your own system"
        )
        raise FaultError(Fault("source", text))
    if kind == SPEND:
        out.spend.append(Spend(**data))
        return
    voids = data.get("voids")
    if voids is not None and not str(voids).startswith(f"{system}:"):
        raise FaultError(
            Fault(
                "data.voids", f"{str(voids)[:100]!r} is no event of {system}: write {system}:<id>"
            )
        )
    named = data.pop("aliases", None) or ()
    known = aliases(
        *(_alias(one) for one in named),
        email_alias(data.pop("email", None)),
        phone_alias(data.pop("phone", None)),
    )
    if not known:
        unknown = next((name for name in data if name not in LeadEvent.model_fields), None)
        if unknown is not None:  # a name is misspelled more often than it is forgotten
            raise FaultError(
                Fault(f"data.{unknown}"[:100], "no field of ours", near_field((unknown,)))
            )
        beside = any(part.get(name) for name in NAMES)
        beside_it = "what names the lead stands beside it: write it into `data`"
        nobody = "names nobody: write `email`, `phone` or `aliases`"
        raise FaultError(Fault("data", beside_it if beside else nobody))
    out.add_whole(
        **{
            **data,
            "id": f"{system}:{key}",
            "type": kind.removeprefix(PREFIX),
            "occurred_at": _time(part, out.received_at),
            "source": system,
            "aliases": known,
        }
    )


def _time(part: dict[str, Any], received_at: int) -> int:
    if not part.get("time"):
        return received_at
    try:
        return iso_ms(part["time"])
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
        shown = repr(str(part["time"])[:100])
        text = f"{shown} is no time of RFC 3339 with a zone: write one like 2026-11-24T09:00:00Z"
        raise FaultError(Fault("time", text)) from error


def near_type(written: str) -> str:
    """Return the type of ours that resembles what was written, or ""."""
    near = get_close_matches(written.removeprefix(PREFIX), _TYPES, 1)
    return f"{PREFIX}{near[0]}" if near else ""


def _alias(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    if value[:6].lower() == "email:":
        return email_alias(value[6:])
    return phone_alias(value[6:]) or value if value.startswith("phone:") else value


VENDOR = Vendor(
    name="cloudevents",
    title="CloudEvents 1.0 (any other system)",
    topic=topics.RAW_CRM,
    normalise=normalise,
    sends=WORK,
    evidence="seen",
    documentation="https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md",
    retries="as you send",
)
