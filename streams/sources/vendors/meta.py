"""Meta Lead Ads: the webhook (created_time in SECONDS, many entries times changes), the retrieval, and insights.

Fields: developers.facebook.com, lead ads and insights. Ids beyond 2^53 are strings; a docs body has them as numbers.
"""

from __future__ import annotations

from typing import Any

import orjson

from schemas.events import EventType
from schemas.records import Spend
from streams.sources.adapter import Connection, Normalised, aliases, each, email_alias, event, iso_ms, phone_alias


def normalise(body: Any, received_at: int, connection: Connection) -> Normalised:
    """Turn a webhook, a retrieved lead, or a page of insights."""
    if "field_data" in body:
        return each([body], lambda part, out: _retrieved(part, received_at, out))
    if "data" in body:
        return each(body["data"], lambda part, out: _insight(part, connection, out), lambda part: {"data": [part]})
    if "entry" not in body:
        raise ValueError("neither a webhook (entry), a lead (field_data) nor insights (data)")
    changes = [(entry, change) for entry in body["entry"] for change in entry.get("changes", [])]
    return each(changes, lambda part, out: _change(part[0], part[1], received_at, out), _delivery)


def _delivery(part: tuple[dict[str, Any], Any]) -> dict[str, Any]:
    """Make the webhook that holds one change of an entry."""
    entry, change = part
    return {"object": "page", "entry": [{**entry, "changes": [change]}]}


def _change(entry: dict[str, Any], change: dict[str, Any], received_at: int, out: Normalised) -> None:
    if change["field"] != "leadgen":
        out.ignored.append(str(change["field"]))
        return
    value = change["value"]
    lead = str(value["leadgen_id"])
    out.events.append(
        event(
            received_at,
            id=f"meta:lead:{lead}",
            type=EventType.CREATED,
            occurred_at=int(value["created_time"]) * 1000,
            source="meta",
            aliases=(f"meta:lead:{lead}",),
            kind="ad_lead_form",
            direction="inbound",
            marketing={"platform": "meta", **({"campaign": str(value["ad_id"])} if value.get("ad_id") else {})},
            attributes={"page": str(value.get("page_id", entry.get("id", ""))), "form": str(value.get("form_id", ""))},
        )
    )


def _retrieved(lead: dict[str, Any], received_at: int, out: Normalised) -> None:
    answers = {field["name"]: (field.get("values") or [None])[0] for field in lead["field_data"]}
    campaign = lead.get("campaign_id") or lead.get("ad_id")
    out.events.append(
        event(
            received_at,
            id=f"meta:retrieved:{lead['id']}",
            type=EventType.LINKED,
            occurred_at=iso_ms(lead["created_time"]),
            source="meta",
            aliases=aliases(f"meta:lead:{lead['id']}", email_alias(answers.get("email")), phone_alias(answers.get("phone_number"))),
            marketing={"platform": "meta", **({"campaign": str(campaign)} if campaign else {})},
        )
    )


def _insight(row: dict[str, Any], connection: Connection, out: Normalised) -> None:
    if row["date_start"] != row["date_stop"]:
        raise ValueError(f"a row from {row['date_start']} to {row['date_stop']} is no day; ask insights with time_increment=1")
    keys = (
        "adset_id",
        "ad_id",
        "publisher_platform",
        "device_platform",
        "impression_device",
        "age",
        "gender",
        "country",
    )
    out.spend.append(
        Spend(
            platform="meta",
            account=row["account_id"],
            day=row["date_start"],
            campaign=row.get("campaign_id", ""),
            breakdown=orjson.dumps({key: row[key] for key in keys if row.get(key)}).decode(),
            amount=row["spend"],
            currency=row.get("account_currency", connection.meta_currency),
            clicks=int(row.get("inline_link_clicks", 0)),
            impressions=int(row.get("impressions", 0)),
        )
    )
