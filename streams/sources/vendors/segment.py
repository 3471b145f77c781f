"""Segment and RudderStack: page, screen, track, identify, group, alias and delete (an erasure).

Fields: the Segment spec. timestamp = receivedAt - (sentAt - originalTimestamp) unless it stands in
the body. The same messageId may stand on an identify and a page, so the id carries the type. A
group's traits are the account's.
"""

from __future__ import annotations

from typing import Any

from schemas import topics
from schemas.events import EventType
from streams.sources import web
from streams.sources.adapter import Connection, Normalised, digest, each
from streams.sources.proof import signed
from streams.sources.values import (
    aliases,
    email_alias,
    first_time,
    iso_ms,
    name,
    phone_alias,
    record,
    text,
)
from streams.sources.vendor import Route, Scheme, Secret, Vendor

_FORMS = {"demo": "demo_form", "contact": "contact_form"}
_KINDS = ("page", "screen", "track", "identify", "alias", "group", "delete")


def normalise(body: Any, received_at: int, _connection: Connection) -> Normalised:
    """Transform one message, or a batch of them, into events."""
    parts = body.get("batch", [body]) if isinstance(body, dict) else body
    if not isinstance(parts, list):
        raise ValueError(  # noqa: TRY004 - the sender's mistake
            "a Segment body is a message, or has a list of them as `batch`"
        )
    return each(parts, received_at, _message)


def _when(part: dict[str, Any], received_at: int) -> int:
    try:
        if part.get("originalTimestamp") and part.get("sentAt") and part.get("receivedAt"):
            return iso_ms(part["receivedAt"]) - (
                iso_ms(part["sentAt"]) - iso_ms(part["originalTimestamp"])
            )
    except (ValueError, OverflowError):
        if not part.get("timestamp"):
            raise
    return (
        first_time(part.get("timestamp"), part.get("originalTimestamp"), part.get("sentAt"))
        or received_at
    )


def _people(
    part: dict[str, Any], traits: dict[str, Any], properties: dict[str, Any]
) -> list[str | None]:
    """Return the aliases of a message's subject: addresses, and the site's ids, old and new."""
    found: list[str | None] = [
        email_alias(traits.get("email")) or email_alias(properties.get("email"))
    ]
    for key, also_anonymous in (("userId", False), ("previousId", True)):
        known = name(part.get(key))
        address = email_alias(known)
        found.append(address or (f"segment:user:{known}" if known else None))
        if known and also_anonymous and not address:
            found.append(f"segment:anon:{known}")  # Segment gives either id as the one before
    return found


def _message(part: dict[str, Any], out: Normalised) -> None:
    kind = part["type"]
    if kind not in _KINDS:
        raise ValueError(f"type {str(kind)[:40]!r} is none of {', '.join(_KINDS)}")
    context, properties = record(part.get("context")), record(part.get("properties"))
    traits = {
        **record(context.get("traits")),
        **(record(part.get("traits")) if kind != "group" else {}),
    }
    page = {**record(context.get("page")), **(properties if kind == "page" else {})}
    clicks = web.clicks(web.asked(page.get("search"), page.get("url")))
    anonymous = name(part.get("anonymousId"))
    found = aliases(
        *_people(part, dict(traits), dict(properties)),
        *(f"{click}:{value}" for click, value in clicks.items()),
        f"segment:anon:{anonymous}" if anonymous else None,
        phone_alias(traits.get("phone")),
    )
    if not found:
        raise ValueError(
            "no userId, anonymousId or email that names anybody: nobody to give this to"
        )
    key = text(part.get("messageId"), 150) or f"body-{digest(part)}"
    common: dict[str, Any] = {
        "id": f"segment:{kind}:{key}",
        "occurred_at": _when(part, out.received_at),
        "source": "segment",
        "aliases": found,
        "marketing": _marketing(context, page, clicks),
    }
    match kind:
        case "page" | "screen":
            out.add(type=EventType.TOUCH, kind="page_view", direction="inbound", **common)
        case "track":
            out.add(**_track(text(part["event"], 100) or "track", dict(properties)), **common)
        case "group":
            account = text(record(part.get("traits")).get("name")) or name(part.get("groupId"))
            out.add(type=EventType.LINKED, account=account, **common)
        case "delete":
            out.add(type=EventType.ERASE, **{**common, "marketing": None})
        case _:
            out.add(type=EventType.LINKED, **common)


def _track(event: str, properties: dict[str, Any]) -> dict[str, Any]:
    if event in ("Form Submitted", "Lead Generated"):
        form = text(properties.get("form_id"), 100) or ""
        return {"type": EventType.CREATED, "kind": _FORMS.get(form, "form"), "direction": "inbound"}
    if event == "Email Link Clicked":
        return {"type": EventType.TOUCH, "kind": "email_click", "direction": "inbound"}
    if event == "Call Requested":
        return {"type": EventType.TOUCH, "kind": "call_requested", "direction": "inbound"}
    if event in ("Email Sent", "Email Delivered"):
        return {"type": EventType.TOUCH, "kind": "email_sent", "direction": "automated"}
    return {"type": EventType.TOUCH, "kind": event, "direction": "inbound"}


def _marketing(
    context: dict[str, Any], page: dict[str, Any], clicks: dict[str, str]
) -> dict[str, str] | None:
    campaign = record(context.get("campaign"))
    source, medium, title = (campaign.get(word) for word in ("source", "medium", "name"))
    landed = text(page.get("path")) or web.path(page.get("url"))
    return web.marketing(
        clicks, source, medium, title, referrer=page.get("referrer"), landing_page=landed
    )


_EXAMPLE: Any = {
    "type": "track",
    "event": "Form Submitted",
    "messageId": "an-example",
    "anonymousId": "a-browser",
    "timestamp": "2026-01-31T09:00:00Z",
    "properties": {"email": "jane@example.com"},
}

VENDOR = Vendor(
    name="segment",
    title="Segment, RudderStack",
    topic=topics.RAW_WEB,
    normalise=normalise,
    sends=frozenset({"inbound", "automated"}),
    evidence="seen",
    documentation="https://segment.com/docs/connections/spec/",
    routes=(
        Route(
            "/v1/segment",
            "Take a body of Segment's webhooks.",
            signed("segment_secret", "x-signature", "sha1"),
            (Scheme("SegmentSignature", "X-Signature", "Hexadecimal HMAC-SHA1 of the body."),),
            "X-Signature",
            ("anonymousId", "userId"),
            example=_EXAMPLE,
        ),
    ),
    secrets=(Secret("segment_secret", "the shared secret of the webhook destination"),),
    origin="marketing",
    patience=5.0,
    retries="repeats for up to 4 hours with growing pauses",
)
