"""CloudEvents 1.0 in structured mode, for anyone else: `data` is a LeadEvent without id, time and source.

Standard: CloudEvents 1.0. `type` is `leadstream.<event type>`; `source` names the system; (source, id) is unique, so it
makes our id; `time` is RFC 3339.
"""

from __future__ import annotations

import re
from typing import Any

from streams.sources.adapter import Connection, Normalised, aliases, each, email_alias, event, iso_ms

PREFIX = "leadstream."


def normalise(body: Any, received_at: int, _connection: Connection) -> Normalised:
    """Turn one CloudEvent, or a batch of them."""
    parts = body if isinstance(body, list) else [body]
    return each(parts, lambda part, out: _one(part, received_at, out))


def _one(part: dict[str, Any], received_at: int, out: Normalised) -> None:
    if part.get("specversion") != "1.0":
        raise ValueError("specversion must be 1.0")
    if not part["type"].startswith(PREFIX):
        raise ValueError(f"type {part['type']!r} is none of ours: write {PREFIX}lead.created and the like")
    data = dict(part.get("data") or {})
    email = data.pop("email", None)
    system = re.sub(r"[^a-z0-9_]", "_", part["source"].lower().strip("/"))[:40] or "cloudevents"
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
