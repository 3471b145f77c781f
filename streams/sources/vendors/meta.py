"""Meta Lead Ads: the webhook, the retrieval, pages of leads, and insights.

The webhook has created_time in SECONDS, and many entries times many changes.
Fields: developers.facebook.com, lead ads and insights. Ids beyond 2^53 are strings; an example in
its documentation has them as numbers.
The webhook and the retrieval of a lead make the same event, so that each may come alone or twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from schemas import topics
from schemas.events import EventType
from schemas.records import Spend
from streams.sources.adapter import Connection, Normalised, each, written
from streams.sources.proof import by_any, equal, signed
from streams.sources.retrieval import Answer, Ask, Retrieval, Verdict, by_status, each_once, listed
from streams.sources.values import (
    aliases,
    count,
    email_alias,
    identified,
    iso_ms,
    money,
    number,
    phone_alias,
    record,
    text,
)
from streams.sources.vendor import Option, Route, Scheme, Secret, Secrets, Vendor

# What Meta's own test tool answers forms with (developers.facebook.com/tools/lead-ads-testing).
_TEST = "<test lead:"
_TEST_MAIL = ("test@fb.com", "test@meta.com", "test@facebook.com")
_API = Option("meta_api", "https://graph.facebook.com/v23.0", "the Graph API with its version")
_ASKED = "id,created_time,ad_id,form_id,campaign_id,is_organic,platform,field_data"
# Codes of the Graph API's errors (its documentation, error handling); the status is mostly 400.
_LIMITED, _UNWELL = frozenset({4, 17, 32, 341, 613, *range(80_000, 80_015)}), frozenset({1, 2})
_NO_TOKEN = frozenset({10, 102, 190, *range(200, 300)})
_BREAKDOWN = (
    "adset_id",
    "ad_id",
    "publisher_platform",
    "device_platform",
    "impression_device",
    "age",
    "gender",
    "country",
)


def normalise(body: Any, received_at: int, connection: Connection) -> Normalised:
    """Transform a webhook, a retrieved lead, a page of leads, or a page of insights."""
    if not isinstance(body, dict):
        raise ValueError(  # noqa: TRY004 - whose move it is stands in the text
            "a body of Meta's is an object: "
            "a webhook (entry), a lead (field_data), or a page (data)"
        )
    if "field_data" in body:
        return each([body], received_at, _lead)
    if isinstance(body.get("data"), list):
        return each(
            body["data"],
            received_at,
            lambda part, out: _of_page(part, connection, out),
            lambda part: {"data": [part]},
        )
    if not isinstance(body.get("entry"), list):
        raise ValueError(  # noqa: TRY004
            "neither a webhook (entry), a lead (field_data) nor a page of leads or insights (data)"
        )
    changes = [(record(entry), change) for entry in body["entry"] for change in _changes(entry)]
    return each(changes, received_at, lambda part, out: _change(part[0], part[1], out), _delivery)


def _changes(entry: Any) -> list[Any]:
    found = record(entry).get("changes", [])
    return found if isinstance(found, list) else [found]


def _delivery(part: tuple[Mapping[str, Any], Any]) -> dict[str, Any]:
    """Make the webhook that holds one change of an entry."""
    entry, change = part
    return {"object": "page", "entry": [{**entry, "changes": [change]}]}


def _change(_entry: Mapping[str, Any], change: dict[str, Any], out: Normalised) -> None:
    if change["field"] != "leadgen":
        out.ignored.append(text(change["field"], 40) or "change")
        return
    value = change["value"]
    _created(value["leadgen_id"], number(value["created_time"]) * 1000, value, out)


def _created(key: Any, at: int, about: Mapping[str, Any], out: Normalised) -> None:
    """Add the creation, from whichever body came: webhook and retrieval make the same."""
    lead = _known(key)
    form, ad = text(about.get("form_id")), text(about.get("ad_id"))
    out.add(
        id=f"meta:lead:{lead}",
        type=EventType.CREATED,
        occurred_at=at,
        source="meta",
        aliases=(f"meta:lead:{lead}",),
        kind="ad_lead_form",
        direction="inbound",
        marketing={"platform": "meta", **({"ad": ad} if ad else {})},
        attributes={"form": form} if form else {},
    )


def _known(key: Any) -> str:
    lead = identified(key)
    if lead is None:
        raise ValueError("the lead has no id: nobody can tell it from another one")
    return lead


def _of_page(part: dict[str, Any], connection: Connection, out: Normalised) -> None:
    if "field_data" in part:
        _lead(part, out)
    else:
        _insight(part, connection, out)


def _lead(lead: dict[str, Any], out: Normalised) -> None:
    """Add a retrieved lead: that it is there, and whom its answers name."""
    at, key = iso_ms(lead["created_time"]), _known(lead["id"])
    answers = _answers(lead["field_data"])
    campaign = text(lead.get("campaign_id"))
    _created(key, at, lead, out)
    out.add(
        id=f"meta:retrieved:{key}",
        type=EventType.LINKED,
        occurred_at=at,
        source="meta",
        aliases=aliases(
            f"meta:lead:{key}",
            _first(answers, "mail", email_alias),
            _first(answers, "phone", phone_alias),
        ),
        account=_first(answers, "company", text),
        test=any(
            value.startswith(_TEST) or value.lower() in _TEST_MAIL
            for values in answers.values()
            for value in values
        ),
        marketing={"platform": "meta", **({"campaign": campaign} if campaign else {})},
    )


def _answers(fields: Any) -> dict[str, list[str]]:
    """Return the answers by question; one that was left blank has none."""
    answers: dict[str, list[str]] = {}
    for field in fields if isinstance(fields, list) else ():
        values = record(field).get("values")
        question = text(record(field).get("name"), 200)
        if question:
            kept = [
                found
                for value in (values if isinstance(values, list) else [values])
                if (found := text(value))
            ]
            answers[question.lower()] = kept
    return answers


def _first(
    answers: Mapping[str, list[str]], word: str, read: Callable[[Any], str | None]
) -> str | None:
    """Return the answer to the first question about `word`; Meta's own names come first."""
    own = [
        name
        for name in ("email", "work_email", "phone_number", "work_phone_number", "company_name")
        if word in name
    ]
    for question in dict.fromkeys((*own, *(question for question in answers if word in question))):
        for value in answers.get(question, ()):
            if not value.startswith(_TEST) and (found := read(value)):
                return found
    return None


def _insight(row: dict[str, Any], connection: Connection, out: Normalised) -> None:
    if row["date_start"] != row["date_stop"]:
        raise ValueError(
            f"a row from {row['date_start']} to {row['date_stop']} is no day; "
            "ask insights with time_increment=1"
        )
    breakdown = {key: found for key in _BREAKDOWN if (found := text(row.get(key)))}
    out.spend.append(
        Spend(
            platform="meta",
            account=text(row["account_id"]) or "",
            day=row["date_start"],
            campaign=text(row.get("campaign_id")) or "",
            breakdown=orjson.dumps(breakdown).decode(),
            amount=money(row["spend"]) or "none",
            currency=text(row.get("account_currency")) or connection.get("meta_currency", "EUR"),
            clicks=count(row.get("inline_link_clicks")),
            impressions=count(row.get("impressions")),
        )
    )


def wanted(body: Any, _connection: Connection) -> tuple[Ask, ...]:
    """Ask for the leads of a webhook."""
    changes = (change for entry in listed(record(body).get("entry")) for change in _changes(entry))
    return each_once(changes, _ask)


def _ask(change: Any) -> list[Ask]:
    key = identified(change["value"]["leadgen_id"]) if change["field"] == "leadgen" else None
    return (
        [Ask(key, f"/{key}", (("fields", _ASKED),))]
        if key and key.isascii() and key.isdigit()
        else []
    )


def answers(_ask: Ask, answer: Any) -> Answer:
    """Return the lead as it came."""
    if "field_data" not in record(answer) or "id" not in answer:
        raise ValueError("the answer is no lead (field_data)")
    return Answer((written(answer),))


def judged(status: int, answer: Any) -> Verdict:
    """Judge an answer by the Graph API's code, where it has one."""
    error = record(record(answer).get("error"))
    code = error.get("code")
    if status < 400 or not isinstance(code, int):
        return by_status(status, answer)
    if code in _LIMITED:
        return Verdict.LATER
    if code in _UNWELL or error.get("is_transient") is True:
        return Verdict.AGAIN
    if code in _NO_TOKEN:
        return Verdict.TOKEN
    # It is not there, or this token may not see it.
    gone = code == 100 and error.get("error_subcode") == 33
    return Verdict.GONE if gone else by_status(status, answer)


def _handshake(query: Mapping[str, str], secrets: Secrets) -> tuple[str, str] | None:
    """Answer the challenge that Meta sends once, when the subscription is made."""
    stated = query.get("hub.verify_token", "")
    good = by_any(secrets("meta_verify_token"), lambda token: equal(token, stated))
    return (
        ("text/plain", query.get("hub.challenge", "")[:1_000])
        if good and query.get("hub.mode") == "subscribe"
        else None
    )


_EXAMPLE: Any = {
    "object": "page",
    "entry": [
        {
            "id": "9",
            "time": 1769850000,
            "changes": [
                {
                    "field": "leadgen",
                    "value": {"leadgen_id": "5", "created_time": 1769850000},
                }
            ],
        }
    ],
}

_EXAMPLE_OF_COSTS: Any = {
    "data": [
        {
            "account_id": "1",
            "campaign_id": "7",
            "date_start": "2026-01-31",
            "date_stop": "2026-01-31",
            "spend": "1.50",
        }
    ]
}

VENDOR = Vendor(
    name="meta",
    title="Meta Lead Ads, Meta spend",
    topic=topics.RAW_ADS,
    normalise=normalise,
    sends=frozenset({"inbound"}),
    evidence="seen",
    documentation="https://developers.facebook.com/docs/marketing-api/guides/lead-ads/",
    routes=(
        Route(
            "/v1/meta",
            "Take a body of Meta's webhooks.",
            signed("meta_app_secret", "x-hub-signature-256", prefix="sha256="),
            (
                Scheme(
                    "MetaSignature",
                    "X-Hub-Signature-256",
                    "`sha256=` and the hexadecimal HMAC-SHA256 of the body.",
                ),
            ),
            "X-Hub-Signature-256",
            handshake=_handshake,
            example=_EXAMPLE,
        ),
        Route(
            "/v1/spend/meta",
            "Take a page of insights, from whoever asks Meta for them.",
            example=_EXAMPLE_OF_COSTS,
        ),
    ),
    secrets=(
        Secret("meta_app_secret", "the app's secret"),
        Secret("meta_verify_token", "the word that the subscription was made with"),
    ),
    options=(
        Option("meta_currency", "EUR", "the currency of accounts whose reports name none"),
        _API,
    ),
    origin="marketing",
    retries="repeats for 36 hours, unordered, several leads a body",
    retrieval=Retrieval(
        address=_API,
        token=Secret("meta_token", "a page's or system user's token with leads_retrieval"),
        wanted=wanted,
        answers=answers,
        rate=5.0,
        judged=judged,
    ),
)
