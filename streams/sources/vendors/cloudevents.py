"""CloudEvents 1.0 in structured mode, for anyone else: `data` is a LeadEvent without id, time and source.

Standard: CloudEvents 1.0. `type` is `leadstream.<event type>`; `source` names the system; (source, id) is unique, so it
makes our id; `time` is RFC 3339. A vendor's name is no `source` here, and an event takes back only what its own
source has sent: else whoever holds any token could speak with a vendor's authority.
"""

from __future__ import annotations

import re
from typing import Any

from streams.sources.adapter import RESERVED, Connection, Normalised, aliases, each, email_alias, event, iso_ms

PREFIX = "leadstream."


def normalise(body: Any, received_at: int, _connection: Connection) -> Normalised:
    """Turn one CloudEvent, or a batch of them."""
    parts = body if isinstance(body, list) else [body]
    return each(parts, lambda part, out: _one(part, received_at, out))


def system_of(source: str) -> str:
    """Return the system that a CloudEvent's source names, as facts and rules write it."""
    return re.sub(r"[^a-z0-9_]", "_", source.lower().strip("/"))[:40] or "cloudevents"


def _one(part: dict[str, Any], received_at: int, out: Normalised) -> None:
    if part.get("specversion") != "1.0":
        raise ValueError("specversion must be 1.0")
    if not part["type"].startswith(PREFIX):
        raise ValueError(f"type {part['type']!r} is none of ours: write {PREFIX}lead.created and the like")
    data = dict(part.get("data") or {})
    email = data.pop("email", None)
    system = system_of(part["source"])
    if system in RESERVED:
        raise ValueError(
            f"source {part['source']!r} is a vendor's name, which only the vendor's own route may use: "
            "name your own system"
        )
    voids = data.get("voids")
    if voids is not None and not str(voids).startswith(f"{system}:"):
        raise ValueError(f"voids {voids!r} is no event of {system}: write {system}:<id>")
    known = aliases(*data.pop("aliases", ()), email_alias(email))
    out.events.append(
        event(
            received_at,
            **{
                **data,
                "id": f"{system}:{part['id']}",
                "type": part["type"].removeprefix(PREFIX),
                "occurred_at": iso_ms(part["time"]) if part.get("time") else received_at,
                "source": system,
                "aliases": known,
            },
        )
    )
