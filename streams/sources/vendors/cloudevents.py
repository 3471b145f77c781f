"""CloudEvents 1.0, for any other system: `data` is a LeadEvent without id, time and source.

Standard: CloudEvents 1.0, structured, batch and binary mode. `type` is `leadstream.<event type>`; `source`
names the system; (source, id) is unique, so it makes our id; `time` is RFC 3339. A vendor's name is no
`source` here, and an event takes back only what its own source has sent: else whoever holds any token
could speak with a vendor's authority. `leadstream.spend` is a cost, of any platform: its `data` is a Spend.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import orjson

from schemas import topics
from schemas.records import Spend
from streams.sources.adapter import RESERVED, Connection, Normalised, each
from streams.sources.values import aliases, email_alias, iso_ms, phone_alias, record
from streams.sources.vendor import WORK, Vendor

PREFIX = "leadstream."
SPEND = f"{PREFIX}spend"


def normalise(body: Any, received_at: int, _connection: Connection) -> Normalised:
    """Turn one CloudEvent, or a batch of them."""
    parts = body if isinstance(body, list) else [body]
    return each(parts, received_at, _one)


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
            raise ValueError("data_base64 is no Base64: write an object as `data`, or the Base64 of its JSON") from error
    if isinstance(found, str | bytes):
        try:
            found = orjson.loads(found)
        except orjson.JSONDecodeError as error:
            raise ValueError("data is a text that holds no JSON: write an object") from error
    if found is not None and not isinstance(found, dict):
        raise ValueError(f"data is a {type(found).__name__}: write an object")
    return dict(found or {})


def _one(part: dict[str, Any], out: Normalised) -> None:
    if record(part).get("specversion") != "1.0":
        raise ValueError("specversion must be 1.0")
    kind, source, key = part["type"], part["source"], part["id"]
    if not isinstance(kind, str) or not kind.startswith(PREFIX):
        raise ValueError(f"type {str(kind)[:100]!r} is none of ours: write {PREFIX}lead.created and the like")
    if not isinstance(source, str) or not source or not isinstance(key, str) or not key:
        raise ValueError("source and id are texts that are not empty (CloudEvents 1.0)")
    data = data_of(part)
    system = system_of(source)
    if system in RESERVED:
        raise ValueError(f"source {source[:100]!r} is a vendor's name, which only the vendor's own route may use: name your own system")
    if kind == SPEND:
        out.spend.append(Spend(**data))
        return
    voids = data.get("voids")
    if voids is not None and not str(voids).startswith(f"{system}:"):
        raise ValueError(f"voids {str(voids)[:100]!r} is no event of {system}: write {system}:<id>")
    named = data.pop("aliases", None) or ()
    known = aliases(*(_alias(one) for one in named), email_alias(data.pop("email", None)), phone_alias(data.pop("phone", None)))
    out.add_whole(
        **{
            **data,
            "id": f"{system}:{key}",
            "type": kind.removeprefix(PREFIX),
            "occurred_at": iso_ms(part["time"]) if part.get("time") else out.received_at,
            "source": system,
            "aliases": known,
        }
    )


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
