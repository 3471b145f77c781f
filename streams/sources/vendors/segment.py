"""Segment (and RudderStack): page, track, identify, and delete, which is an erasure request.

Fields: the Segment spec. timestamp = receivedAt - (sentAt - originalTimestamp) unless it stands in the body. The same
messageId may stand on an identify and a page, so the id carries the type.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from schemas.events import EventType
from streams.sources.adapter import Connection, Normalised, aliases, each, email_alias, event, iso_ms, phone_alias

_CLICKS = ("gclid", "gbraid", "wbraid", "fbclid", "li_fat_id")
_FORMS = {"demo": "demo_form", "contact": "contact_form"}


def normalise(body: Any, received_at: int, _connection: Connection) -> Normalised:
    """Turn one message, or a batch of them, into events."""
    parts = body.get("batch", [body]) if isinstance(body, dict) else body
    return each(parts, lambda part, out: _message(part, received_at, out))


def _when(part: dict[str, Any], received_at: int) -> int:
    if part.get("originalTimestamp") and part.get("sentAt") and part.get("receivedAt"):
        return iso_ms(part["receivedAt"]) - (iso_ms(part["sentAt"]) - iso_ms(part["originalTimestamp"]))
    return iso_ms(part["timestamp"]) if part.get("timestamp") else received_at


def _message(part: dict[str, Any], received_at: int, out: Normalised) -> None:
    kind = part["type"]
    context, properties = part.get("context") or {}, part.get("properties") or {}
    traits = part.get("traits") or context.get("traits") or {}
    page = {**(context.get("page") or {}), **(properties if kind == "page" else {})}
    clicks = _clicks(page)
    found = aliases(
        email_alias(traits.get("email") or properties.get("email")),
        f"segment:user:{part['userId']}" if part.get("userId") else None,
        *(f"{name}:{value}" for name, value in clicks.items()),
        f"segment:anon:{part['anonymousId']}" if part.get("anonymousId") else None,
        phone_alias(traits.get("phone")),
    )
    if not found:
        raise ValueError("no userId, anonymousId or email: nobody to give this to")
    common: dict[str, Any] = {
        "id": f"segment:{kind}:{part.get('messageId') or part.get('timestamp')}",
        "occurred_at": _when(part, received_at),
        "source": "segment",
        "aliases": found,
        "marketing": _marketing(context, page, clicks),
    }
    match kind:
        case "page" | "screen":
            out.events.append(event(received_at, type=EventType.TOUCH, kind="page_view", direction="inbound", **common))
        case "track":
            out.events.append(event(received_at, **_track(part["event"], properties), **common))
        case "identify" | "alias" | "group":
            out.events.append(event(received_at, type=EventType.LINKED, **common))
        case "delete":
            out.events.append(event(received_at, type=EventType.ERASE, **{**common, "marketing": None}))
        case _:
            raise ValueError(f"type {kind!r} is none of page, screen, track, identify, alias, group, delete")


def _track(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    if name in ("Form Submitted", "Lead Generated"):
        form = str(properties.get("form_id", ""))
        return {"type": EventType.CREATED, "kind": _FORMS.get(form, "form"), "direction": "inbound"}
    if name == "Email Link Clicked":
        return {"type": EventType.TOUCH, "kind": "email_click", "direction": "inbound"}
    if name == "Call Requested":
        return {"type": EventType.TOUCH, "kind": "call_requested", "direction": "inbound"}
    if name == "Email Sent":
        return {"type": EventType.TOUCH, "kind": "email_sent", "direction": "automated"}
    return {"type": EventType.TOUCH, "kind": name[:100], "direction": "inbound"}


def _clicks(page: dict[str, Any]) -> dict[str, str]:
    query = page.get("search") or urlsplit(page.get("url") or "").query
    asked = parse_qs(query.lstrip("?"))
    return {name: asked[name][0] for name in _CLICKS if asked.get(name)}


def _marketing(context: dict[str, Any], page: dict[str, Any], clicks: dict[str, str]) -> dict[str, str] | None:
    campaign = context.get("campaign") or {}
    said = {
        "click": next(iter(clicks), None),
        "utm_source": campaign.get("source"),
        "utm_medium": (campaign.get("medium") or "").lower() or None,
        "utm_campaign": campaign.get("name"),
        "referrer": (urlsplit(page.get("referrer") or "").hostname) or None,
        "landing_page": page.get("path") or urlsplit(page.get("url") or "").path or None,
    }
    kept = {name: value for name, value in said.items() if value}
    return kept or None
