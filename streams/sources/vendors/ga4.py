"""Google Analytics 4: the Measurement Protocol's bodies, as a server-side tag sends a copy of them.

Fields: developers.google.com, Measurement Protocol (GA4), and its recommended events for generating
leads. Times are in MICROseconds; a body has up to 25 events. No field tells a repeated event, so
its id is made of its content.
"""

from __future__ import annotations

from typing import Any

from schemas import topics
from schemas.events import EventType
from streams.sources import web
from streams.sources.adapter import Connection, Normalised, digest, each
from streams.sources.proof import by_any, equal
from streams.sources.values import aliases, email_alias, name, number, phone_alias, record, text
from streams.sources.vendor import Call, Route, Scheme, Secret, Secrets, Vendor

# What the tag sends by itself, without anything that a salesperson would call activity.
_AUTOMATIC = frozenset({
    "session_start", "first_visit", "first_open", "user_engagement", "scroll", "app_remove",
    "app_update", "app_clear_data", "os_update", "video_progress", "web_vitals",
    "campaign_details", "error", "app_exception", "ad_impression",
})  # fmt: skip
# Google's recommended events for leads, as stages; the funnel file maps them.
_STAGES = (
    "qualify_lead",
    "working_lead",
    "close_convert_lead",
    "close_unconvert_lead",
    "disqualify_lead",
)
_TOUCHES = {
    "page_view": "page_view",
    "screen_view": "page_view",
    "form_submit": "form",
    "click": "link_click",
}


def normalise(body: Any, received_at: int, _connection: Connection) -> Normalised:
    """Transform a body of up to 25 events, or a list of bodies."""
    bodies = body if isinstance(body, list) else [body]
    parts = [(one, event, number) for one in bodies for number, event in _events(one)]
    return each(parts, received_at, _one, lambda part: _alone(part[0], part[1]))


def _events(body: Any) -> list[tuple[int, Any]]:
    """Return a body's events, each with the number of equal ones before it: they all count."""
    found = record(body).get("events")
    if not isinstance(found, list):
        return [(0, body)]  # refused with its reason
    before: dict[str, int] = {}
    counted = []
    for event in found:
        key = digest(event)
        counted.append((before.get(key, 0), event))
        before[key] = before.get(key, 0) + 1
    return counted


def _alone(body: Any, event: Any) -> Any:
    return {**body, "events": [event]} if isinstance(record(body).get("events"), list) else body


def _one(part: tuple[Any, Any, int], out: Normalised) -> None:
    body, event, repeat = part
    if not isinstance(record(body).get("events"), list):
        raise ValueError(  # noqa: TRY004
            "a body of the Measurement Protocol is an object with a list of `events`"
        )
    kind, params = text(event["name"], 100), record(event.get("params"))
    if not kind:
        raise ValueError("an event has a name")
    if kind in _AUTOMATIC:
        out.ignored.append(kind)
        return
    stated = {click: value for click in web.CLICKS if (value := text(params.get(click)))}
    parameters = {**web.asked(None, params.get("page_location")), **stated}
    clicks, browser, user = (
        web.clicks(parameters),
        name(body.get("client_id") or body.get("app_instance_id")),
        name(body.get("user_id")),
    )
    address = email_alias(user)
    found = aliases(
        email_alias(params.get("email")) or address,
        f"ga4:user:{user}" if user and not address else None,
        *(f"{click}:{value}" for click, value in clicks.items()),
        f"ga4:anon:{browser}" if browser else None,
        phone_alias(params.get("phone") or params.get("phone_number")),
    )
    if not found:
        raise ValueError("no client_id or user_id that names anybody: nobody to give this to")
    stamp = event.get("timestamp_micros") or body.get("timestamp_micros")
    named = {key: value for key, value in body.items() if key != "events"}
    common: dict[str, Any] = {
        "id": f"ga4:{kind}:{digest([named, event, repeat])}",
        "occurred_at": number(stamp) // 1000 if stamp else out.received_at,
        "source": "ga4",
        "aliases": found,
        "marketing": _marketing(params, parameters, clicks),
    }
    _say(kind, params, common, out)


def _say(kind: str, params: dict[str, Any], common: dict[str, Any], out: Normalised) -> None:
    if kind == "generate_lead":
        form = text(params.get("form_id") or params.get("form_name"), 100)
        out.add(
            type=EventType.CREATED,
            kind="form",
            direction="inbound",
            attributes={"form": form} if form else {},
            **common,
        )
    elif kind in _STAGES:
        reason = text(params.get("disqualified_lead_reason") or params.get("unconvert_lead_reason"))
        out.add(type=EventType.STAGE_REPORTED, stage=kind, reason=reason, **common)
    elif kind in ("login", "sign_up"):
        out.add(type=EventType.LINKED, **common)
    else:
        out.add(type=EventType.TOUCH, kind=_TOUCHES.get(kind, kind), direction="inbound", **common)


def _marketing(
    params: dict[str, Any], parameters: dict[str, str], clicks: dict[str, str]
) -> dict[str, str] | None:
    source, medium = (
        params.get(word) or params.get(f"campaign_{word}") or parameters.get(f"utm_{word}")
        for word in ("source", "medium")
    )
    campaign, landed = (
        params.get("campaign") or parameters.get("utm_campaign"),
        web.path(params.get("page_location")),
    )
    return web.marketing(
        clicks, source, medium, campaign, referrer=params.get("page_referrer"), landing_page=landed
    )


def prove(call: Call, secrets: Secrets) -> bytes | None:
    """Compare the query's `api_secret`, as the protocol has it."""
    stated = call.query.get("api_secret", "")
    good = by_any(secrets("ga4_api_secret"), lambda secret: equal(secret, stated))
    return call.body if good else None


_EXAMPLE: Any = {
    "client_id": "100.200",
    "timestamp_micros": "1769850000000000",
    "events": [{"name": "generate_lead", "params": {"gclid": "an-example"}}],
}

VENDOR = Vendor(
    name="ga4",
    title="Google Analytics 4 (Measurement Protocol)",
    topic=topics.RAW_WEB,
    normalise=normalise,
    sends=frozenset({"inbound"}),
    evidence="constructed",
    documentation="https://developers.google.com/analytics/devguides/collection/protocol/ga4",
    routes=(
        Route(
            "/v1/ga4",
            "Take a body of the Measurement Protocol, proven by the query's `api_secret`.",
            prove,
            (Scheme("GA4Secret", "api_secret", "The Measurement Protocol's API secret.", "query"),),
            "api_secret",
            keys=("client_id", "app_instance_id"),
            example=_EXAMPLE,
        ),
    ),
    secrets=(Secret("ga4_api_secret", "the Measurement Protocol's API secret"),),
    origin="marketing",
    stages={
        "qualify_lead": "mql",
        "working_lead": "sal",
        "close_convert_lead": "customer",
        "close_unconvert_lead": "rejected",
        "disqualify_lead": "rejected",
    },
    retries="none: a tag sends an event once",
)
