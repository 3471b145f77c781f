"""Calendly: bookings, cancellations and no-shows of meetings.

Fields: developer.calendly.com, webhook payloads. A booking is both a lead who asks for a meeting
with a person of the firm, and that person's time. A cancellation or no-show takes the meeting back;
a rescheduled one is booked anew.
"""

from __future__ import annotations

import re
from typing import Any

from schemas import topics
from schemas.events import EventType
from streams.sources import web
from streams.sources.adapter import Connection, Normalised, digest, each
from streams.sources.proof import by_any, equal, hex_digest, recent
from streams.sources.values import aliases, email_alias, first_time, phone_alias, record, text
from streams.sources.vendor import Call, Route, Scheme, Secret, Secrets, Vendor

_WINDOW_MS = 180_000  # Calendly's documentation suggests 3 minutes
_UUID = re.compile(r"[A-Za-z0-9-]{6,64}")


def normalise(body: Any, received_at: int, _connection: Connection) -> Normalised:
    """Transform one delivery, or a list of them."""
    return each(body if isinstance(body, list) else [body], received_at, _one)


def _last(address: Any) -> str | None:
    """Return the id at the end of a resource's address."""
    found = (text(address) or "").rstrip("/").rpartition("/")[2]
    return found if _UUID.fullmatch(found) else None


def _one(part: dict[str, Any], out: Normalised) -> None:
    kind, payload = str(part["event"]), record(part["payload"])
    handle = _HANDLERS.get(kind)
    if handle is None:
        out.ignored.append(kind[:60])
        return
    invitee = payload.get("invitee")
    about = record(invitee) or payload  # of a no-show the invitee is an address, or is written out
    booking = (
        _last(invitee if isinstance(invitee, str) else about.get("uri"))
        or f"body-{digest(payload)}"
    )
    known = aliases(
        email_alias(about.get("email")) or email_alias(payload.get("email")),
        phone_alias(about.get("text_reminder_number")),
        f"calendly:anon:{booking}",
    )
    at = (
        first_time(part.get("created_at"), payload.get("updated_at"), payload.get("created_at"))
        or out.received_at
    )
    handle(booking, payload, {"occurred_at": at, "source": "calendly", "aliases": known}, out)


def _booked(booking: str, payload: dict[str, Any], common: dict[str, Any], out: Normalised) -> None:
    """Add the lead's request, and the meeting with whoever holds it."""
    tracking, event = record(payload.get("tracking")), record(payload.get("scheduled_event"))
    at = first_time(payload.get("created_at")) or common["occurred_at"]
    booking_fields = {**common, "occurred_at": at}
    source, medium, campaign = (
        tracking.get(word) for word in ("utm_source", "utm_medium", "utm_campaign")
    )
    meeting = text(event.get("name"), 200)
    if payload.get("old_invitee"):
        # The request was the first booking's; the meeting is this one.
        out.ignored.append("rescheduled booking")
    else:
        out.add(
            id=f"calendly:booking:{booking}",
            type=EventType.CREATED,
            kind="meeting_booked",
            direction="inbound",
            marketing=web.marketing({}, source, medium, campaign),
            attributes={"meeting": meeting} if meeting else {},
            **booking_fields,
        )
    out.add(
        id=f"calendly:meeting:{booking}",
        type=EventType.TOUCH,
        kind="meeting",
        direction="human",
        **booking_fields,
    )


def _cancelled(
    booking: str, payload: dict[str, Any], common: dict[str, Any], out: Normalised
) -> None:
    """Take the meeting back. The lead stays one who asked for it."""
    reason = text(record(payload.get("cancellation")).get("reason"))
    out.add(
        id=f"calendly:cancelled:{booking}",
        type=EventType.VOID,
        voids=f"calendly:meeting:{booking}",
        reason=reason,
        **common,
    )


def _absent(
    booking: str, _payload: dict[str, Any], common: dict[str, Any], out: Normalised
) -> None:
    """Take back the meeting to which nobody came."""
    out.add(
        id=f"calendly:absent:{booking}",
        type=EventType.VOID,
        voids=f"calendly:meeting:{booking}",
        reason="no-show",
        **common,
    )


def _came(booking: str, _payload: dict[str, Any], common: dict[str, Any], out: Normalised) -> None:
    """Add the meeting once more: it was marked as a no-show by mistake."""
    out.add(
        id=f"calendly:meeting:{booking}:held",
        type=EventType.TOUCH,
        kind="meeting",
        direction="human",
        **common,
    )


_HANDLERS = {
    "invitee.created": _booked,
    "invitee.canceled": _cancelled,
    "invitee_no_show.created": _absent,
    "invitee_no_show.deleted": _came,
}


def prove(call: Call, secrets: Secrets) -> bytes | None:
    """Check `t=<seconds>,v1=<hex HMAC of t, a point and the body>`, at most 3 minutes old."""
    stated = dict(
        part.strip().partition("=")[::2]
        for part in call.headers.get("calendly-webhook-signature", "").split(",")
    )
    stamp = stated.get("t", "")
    if not recent(f"{stamp}000", call.now, _WINDOW_MS):
        return None
    signed = stamp.encode() + b"." + call.body
    valid, mark = secrets("calendly_signing_key"), stated.get("v1", "")
    good = by_any(valid, lambda secret: equal(hex_digest(secret, signed), mark))
    return call.body if good else None


_EXAMPLE: Any = {
    "event": "invitee.created",
    "created_at": "2026-01-31T09:00:00Z",
    "payload": {
        "email": "jane@example.com",
        "uri": "https://api.calendly.com/scheduled_events/AAAAAA/invitees/BBBBBB",
    },
}

VENDOR = Vendor(
    name="calendly",
    title="Calendly bookings",
    topic=topics.RAW_CRM,
    normalise=normalise,
    sends=frozenset({"inbound", "human"}),
    evidence="constructed",
    documentation="https://developer.calendly.com/api-docs/",
    routes=(
        Route(
            "/v1/calendly",
            "Take a booking, a cancellation or a no-show of Calendly's.",
            prove,
            (
                Scheme(
                    "CalendlySignature",
                    "Calendly-Webhook-Signature",
                    "`t=<seconds>,v1=<HMAC-SHA256>`; at most 3 minutes old.",
                ),
            ),
            "Calendly-Webhook-Signature",
            example=_EXAMPLE,
        ),
    ),
    secrets=(Secret("calendly_signing_key", "the webhook subscription's signing key"),),
    origin="marketing",
    patience=15.0,
    retries="up to 25 attempts in 24 hours with growing pauses",
)
