"""Google: webhooks of lead forms, and the cost of Google Ads (costMicros is a string).

Fields: support.google.com lead form webhook, Google Ads API search stream. Ids are JSON numbers;
unknown fields are ignored. google_key proves a body, and is cut out before the body is stored.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import orjson

from schemas import topics
from schemas.events import EventType
from schemas.records import Spend
from streams.sources.adapter import Connection, Normalised, digest, each
from streams.sources.proof import by_any, equal
from streams.sources.values import (
    aliases,
    count,
    email_alias,
    first_time,
    identified,
    money,
    name,
    number,
    phone_alias,
    record,
    text,
)
from streams.sources.vendor import Call, Route, Secret, Secrets, Vendor

MICROS = 1_000_000
_SPACE = re.compile(r"[ \t\n\r]*")


def normalise(body: Any, received_at: int, _connection: Connection) -> Normalised:
    """Transform a lead, or a search stream of cost rows."""
    if isinstance(body, list) or "results" in record(body):
        pages = body if isinstance(body, list) else [body]
        return each(
            [row for page in pages for row in _rows(page)],
            received_at,
            _cost,
            lambda row: [{"results": [row]}],
        )
    if not isinstance(body, dict):
        raise ValueError(  # noqa: TRY004 - the sender's mistake
            "a body of Google's is a lead, or a search stream of cost rows"
        )
    body = {field: value for field, value in body.items() if field != "google_key"}
    return each([body], received_at, _lead)


def _rows(page: Any) -> list[Any]:
    """Return a page's rows: none without results; what is no page is refused as a row."""
    found = page.get("results", []) if isinstance(page, dict) else None
    return found if isinstance(found, list) else [page]


def _lead(body: dict[str, Any], out: Normalised) -> None:
    given = body["user_column_data"]
    columns: dict[str, Any] = {}
    for column in given if isinstance(given, list) else ():
        if key := text(record(column).get("column_id"), 100):
            columns.setdefault(key.upper(), record(column).get("string_value"))
    lead, click = identified(body.get("lead_id")), name(body.get("gcl_id"))
    known = aliases(
        email_alias(columns.get("EMAIL")) or email_alias(columns.get("WORK_EMAIL")),
        f"google:lead:{lead}" if lead else None,
        f"gclid:{click}" if click else None,
        phone_alias(columns.get("PHONE_NUMBER")) or phone_alias(columns.get("WORK_PHONE")),
    )
    if not known:
        raise ValueError(
            "no lead_id, EMAIL, phone number or gcl_id that names anybody: nobody to give this to"
        )
    campaign = text(body.get("campaign_id"))
    try:
        at = first_time(body.get("lead_submit_time"))
    except ValueError:
        at = None
        out.dropped.append("lead_submit_time")
    out.add(
        id=f"google:lead:{lead or digest(body)}",
        type=EventType.CREATED,
        occurred_at=at or out.received_at,
        source="google",
        aliases=known,
        kind="ad_lead_form",
        direction="inbound",
        test=body.get("is_test") is True or text(body.get("is_test")) == "true",
        account=text(columns.get("COMPANY_NAME")),
        marketing={"platform": "google", **({"campaign": campaign} if campaign else {})},
        attributes={"form": text(body.get("form_id")) or ""},
    )


def _cost(row: dict[str, Any], out: Normalised) -> None:
    segments, metrics = row["segments"], row["metrics"]
    breakdown = {key: value for key, value in segments.items() if key != "date"}
    for place, key in (("adGroup", "id"), ("adGroupAd", "resourceName")):
        if record(row.get(place)).get(key):
            breakdown[place] = row[place][key]
    out.spend.append(
        Spend(
            platform="google",
            account=text(row["customer"]["id"]) or "",
            day=segments["date"],
            campaign=text(row["campaign"]["id"]) or "",
            breakdown=orjson.dumps(breakdown, option=orjson.OPT_SORT_KEYS).decode(),
            amount=money(Decimal(number(metrics["costMicros"])) / MICROS) or "none",
            currency=row["customer"]["currencyCode"],
            clicks=count(metrics.get("clicks")),
            impressions=count(metrics.get("impressions")),
        )
    )


def prove(call: Call, secrets: Secrets) -> bytes | None:
    """Compare google_key and cut it out: it must never be stored.

    All other bytes stay as they came, also where they are no JSON that every reader takes (half an
    emoji, a number of a thousand digits): the adapter judges those, and a replay after a fix finds
    them.
    """
    try:
        found, rest = _cut(call.body.decode("utf-8-sig"), "google_key")
    except (ValueError, RecursionError):  # no JSON, or nested too deep to be a lead
        return None
    stated = found[-1] if found else None
    good = isinstance(stated, str) and by_any(secrets("google_key"), lambda key: equal(stated, key))
    return rest.encode() if good else None


def _cut(body: str, member: str) -> tuple[list[object], str]:
    """Return the values of a member of a JSON object, and the text without that member.

    Raises:
        ValueError: the text is no JSON object.

    """
    scan = json.JSONDecoder(parse_int=str, parse_float=str, strict=False)
    members: list[tuple[str, object, int, int]] = []  # name, value, where it begins and ends
    place = _after(body, 0)
    _expect(body, place, "{")
    place = _after(body, place + 1)
    while body[place : place + 1] != "}" or members:
        start = place
        _expect(body, start, '"')
        key, place = scan.raw_decode(body, start)
        place = _after(body, place)
        _expect(body, place, ":")
        value, end = scan.raw_decode(body, _after(body, place + 1))
        members.append((key, value, start, end))
        place = _after(body, end)
        if body[place : place + 1] != ",":
            break
        place = _after(body, place + 1)
    _expect(body, place, "}")
    if _after(body, place + 1) != len(body):
        raise ValueError("more than one value")
    kept, before = "", 0  # `before` is where the member before ends: what parts the two is kept too
    for key, _, start, end in members:
        if key != member:
            kept += body[before if kept else start : end]
        before = end
    head = body[: members[0][2]] if members else ""
    return [value for key, value, _, _ in members if key == member], head + kept + body[before:]


def _expect(body: str, place: int, mark: str) -> None:
    if body[place : place + 1] != mark:
        raise ValueError(f"no {mark} at {place}")


def _after(body: str, place: int) -> int:
    """Return where white space ends."""
    found = _SPACE.match(body, place)
    return found.end() if found else place


_EXAMPLE: Any = {
    "lead_id": "an-example",
    "google_key": "the-key-of-the-form",
    "form_id": 1,
    "campaign_id": 7,
    "user_column_data": [{"column_id": "EMAIL", "string_value": "jane@example.com"}],
}

_EXAMPLE_OF_COSTS: Any = [
    {
        "results": [
            {
                "customer": {"id": "1", "currencyCode": "EUR"},
                "campaign": {"id": "7"},
                "segments": {"date": "2026-01-31"},
                "metrics": {"costMicros": "1500000"},
            }
        ]
    }
]

VENDOR = Vendor(
    name="google",
    title="Google lead forms, Google Ads spend",
    topic=topics.RAW_ADS,
    normalise=normalise,
    sends=frozenset({"inbound"}),
    evidence="seen",
    documentation="https://support.google.com/google-ads/answer/9423234",
    routes=(
        Route(
            "/v1/google",
            "Take a lead of a lead form, proven by its `google_key`.",
            prove,
            challenge="google_key",
            keys=("lead_id",),
            example=_EXAMPLE,
        ),
        Route(
            "/v1/spend/google",
            "Take a search stream of costs, from whoever asks Google for it.",
            example=_EXAMPLE_OF_COSTS,
        ),
    ),
    secrets=(Secret("google_key", "the key of the lead form's webhook"),),
    origin="marketing",
    retries="repeats what was not answered by 200",
)
