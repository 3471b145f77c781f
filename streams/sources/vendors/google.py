"""Google: lead form webhooks (google_key checked at the door and removed) and Google Ads cost (costMicros a string).

Fields: support.google.com lead form webhook, Google Ads API search stream. Ids are JSON numbers; unknown fields are ignored.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson

from schemas.events import EventType
from schemas.records import Spend
from streams.sources.adapter import Connection, Normalised, aliases, each, email_alias, event, iso_ms, phone_alias

MICROS = 1_000_000


def normalise(body: Any, received_at: int, _connection: Connection) -> Normalised:
    """Turn a lead, or a search stream of cost rows."""
    if isinstance(body, list) or "results" in body:
        pages = body if isinstance(body, list) else [body]
        return each([row for page in pages for row in _rows(page)], _cost, lambda row: [{"results": [row]}])
    body = {name: value for name, value in body.items() if name != "google_key"}
    return each([body], lambda part, out: _lead(part, received_at, out))


def _rows(page: Any) -> list[Any]:
    """Return a page's rows; one without results has none, and what is no page is refused as a row."""
    found = page.get("results", []) if isinstance(page, dict) else None
    return found if isinstance(found, list) else [page]


def _lead(body: dict[str, Any], received_at: int, out: Normalised) -> None:
    columns = {column.get("column_id"): column.get("string_value") for column in body["user_column_data"]}
    when = body.get("lead_submit_time")
    click = body.get("gcl_id")
    out.events.append(
        event(
            received_at,
            id=f"google:lead:{body['lead_id']}",
            type=EventType.CREATED,
            occurred_at=iso_ms(when) if when else received_at,
            source="google",
            aliases=aliases(
                email_alias(columns.get("EMAIL") or columns.get("WORK_EMAIL")),
                f"google:lead:{body['lead_id']}",
                f"gclid:{click}" if click else None,
                phone_alias(columns.get("PHONE_NUMBER")),
            ),
            kind="ad_lead_form",
            direction="inbound",
            test=bool(body.get("is_test")),
            marketing={
                "platform": "google",
                **({"campaign": str(body["campaign_id"])} if body.get("campaign_id") else {}),
            },
            attributes={"form": str(body.get("form_id", ""))},
        )
    )


def _cost(row: dict[str, Any], out: Normalised) -> None:
    segments = row["segments"]
    breakdown = {name: value for name, value in segments.items() if name != "date"}
    for place, key in (("adGroup", "id"), ("adGroupAd", "resourceName")):
        if row.get(place):
            breakdown[place] = row[place].get(key)
    out.spend.append(
        Spend(
            platform="google",
            account=row["customer"]["id"],
            day=segments["date"],
            campaign=row["campaign"]["id"],
            breakdown=orjson.dumps(breakdown, option=orjson.OPT_SORT_KEYS).decode(),
            amount=f"{Decimal(row['metrics']['costMicros']) / MICROS:f}",
            currency=row["customer"]["currencyCode"],
            clicks=int(row["metrics"].get("clicks", 0)),
            impressions=int(row["metrics"].get("impressions", 0)),
        )
    )
