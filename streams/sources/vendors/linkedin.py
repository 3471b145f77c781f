"""LinkedIn: notifications of its lead forms, the responses fetched for them, and ad costs.

Fields: Microsoft Learn, LinkedIn Lead Sync and Ads Reporting. A notification names a response and
nobody; it is delivered many times. A response's answers carry only a questionId: the form that is
fetched with it holds the questions. Notification and response make the same creation, so that each
may come alone or twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from schemas import topics
from schemas.events import EventType
from schemas.records import Spend
from streams.sources.adapter import Connection, Normalised, each, written
from streams.sources.proof import by_any, equal, hex_digest
from streams.sources.retrieval import Answer, Ask, Retrieval, each_once
from streams.sources.values import (
    aliases,
    count,
    email_alias,
    identified,
    money,
    number,
    phone_alias,
    record,
    text,
)
from streams.sources.vendor import Call, Option, Route, Scheme, Secret, Secrets, Vendor

_SIGNED = b"hmacsha256="  # what LinkedIn puts before a body that it signs
_API = Option("linkedin_api", "https://api.linkedin.com/rest", "LinkedIn's versioned API")
_VERSION = Option(
    "linkedin_version", "202510", "the month of the API's version; LinkedIn ends each after a year"
)
_KEY = re.compile(r"[A-Za-z0-9_-]{1,200}")
# LinkedIn's own names of questions; all others are the form's.
_MAIL, _PHONE, _COMPANY = (
    ("EMAIL", "WORK_EMAIL"),
    ("PHONE_NUMBER", "WORK_PHONE_NUMBER"),
    ("COMPANY_NAME",),
)


def normalise(body: Any, received_at: int, connection: Connection) -> Normalised:
    """Transform a notification, a form, a response with or without it, or a page of these."""
    parts = body if isinstance(body, list) else [body]
    if len(parts) == 1 and isinstance(record(parts[0]).get("elements"), list):
        parts = parts[0]["elements"]
    return each(
        parts, received_at, lambda part, out: _one(part, connection, out), lambda part: [part]
    )


def _one(part: dict[str, Any], connection: Connection, out: Normalised) -> None:
    if "leadAction" in part:
        _notification(part, out)
    elif "formResponse" in part or "submittedAt" in part:
        _response(part, out)
    elif "costInLocalCurrency" in part or "pivotValues" in part:
        _cost(part, connection, out)
    elif "questions" in record(part.get("content")):
        out.ignored.append("lead form")  # the questions; the answers come with a response
    else:
        raise ValueError(
            "neither a notification (leadAction), a response (formResponse), "
            "a form (content) nor a cost (pivotValues)"
        )


def _last(urn: Any) -> str | None:
    """Return the id at the end of a urn; an id that stands alone is its own."""
    found = text(urn)
    return identified(found.rpartition(":")[2]) if found else None


def _notification(part: dict[str, Any], out: Normalised) -> None:
    lead = _known(_last(part["leadGenFormResponse"]))
    at, action = number(part["occurredAt"]), part["leadAction"]
    match action:
        case "CREATED":
            entity = record(part.get("associatedEntity"))
            _created(
                lead,
                at,
                _last(entity.get("sponsoredCreative") or entity.get("associatedCreative")),
                part.get("leadGenForm"),
                out,
            )
        case "DELETED":
            alias = f"linkedin:lead:{lead}"
            out.add(
                id=f"linkedin:deleted:{lead}",
                type=EventType.DELETED,
                occurred_at=at,
                source="linkedin",
                aliases=(alias,),
            )
        case _:
            out.ignored.append(f"lead {text(action, 40)}")


def _known(lead: str | None) -> str:
    if lead is None:
        raise ValueError("the response has no id: nobody can tell it from another one")
    return lead


def _created(lead: str, at: int, creative: str | None, form: Any, out: Normalised) -> None:
    """Add the creation, from whichever body came: notification and response make the same."""
    named, ad = _form(form), {"ad": creative} if creative else {}
    out.add(
        id=f"linkedin:lead:{lead}",
        type=EventType.CREATED,
        occurred_at=at,
        source="linkedin",
        aliases=(f"linkedin:lead:{lead}",),
        kind="ad_lead_form",
        direction="inbound",
        marketing={"platform": "linkedin", **ad},
        attributes={"form": named} if named else {},
    )


def _form(urn: Any) -> str | None:
    """Return a form's id without the version of urn:li:versionedLeadGenForm:(<form>,1)."""
    found = text(urn)
    return (
        identified(found.rpartition("(")[2].split(",")[0].rstrip(")").rpartition(":")[2])
        if found
        else None
    )


def _response(part: dict[str, Any], out: Normalised) -> None:
    """Add a fetched response: that it is there, and whom its answers name."""
    lead, at = _known(_last(part["id"])), number(part["submittedAt"])
    entity = record(part.get("associatedEntity"))
    creative = _last(entity.get("associatedCreative") or entity.get("sponsoredCreative"))
    _created(lead, at, creative, part.get("versionedLeadGenFormUrn"), out)
    answers = _answers(part, out)
    meta = record(record(part.get("leadMetadata")).get("sponsoredLeadMetadata"))
    campaign = _last(meta.get("campaign"))
    out.add(
        id=f"linkedin:retrieved:{lead}",
        type=EventType.LINKED,
        occurred_at=at,
        source="linkedin",
        aliases=aliases(
            f"linkedin:lead:{lead}",
            next(filter(None, map(email_alias, _named(answers, _MAIL))), None),
            next(filter(None, map(phone_alias, _named(answers, _PHONE))), None),
        ),
        account=next(iter(_named(answers, _COMPANY)), None),
        test=part.get("testLead") is True,
        marketing={"platform": "linkedin", **({"campaign": campaign} if campaign else {})},
    )


def _answers(part: dict[str, Any], out: Normalised) -> dict[str, str]:
    """Return the answers by question.

    Without the form only one answer can be known for what it is, a lone address: the submitter's.
    """
    given = record(part.get("formResponse")).get("answers")
    found: dict[str, str] = {}
    for answer in given if isinstance(given, list) else ():
        answer_text = record(
            record(record(answer).get("answerDetails")).get("textQuestionAnswer")
        ).get("answer")
        key = text(record(answer).get("questionId"), 40)
        if key and (value := text(answer_text)):
            found[key] = value
    asked = record(record(part.get("form")).get("content")).get("questions")
    fields = {
        text(record(one).get("questionId"), 40): (
            text(record(one).get("predefinedField")) or ""
        ).upper()
        for one in (asked if isinstance(asked, list) else ())
    }
    if fields:
        return {fields[key]: value for key, value in found.items() if fields.get(key)}
    addresses = [value for value in found.values() if email_alias(value)]
    if found and len(addresses) != 1:
        out.dropped.append("answers")
    return {"EMAIL": addresses[0]} if len(addresses) == 1 else {}


def _named(answers: Mapping[str, str], names: tuple[str, ...]) -> list[str]:
    return [answers[name] for name in names if name in answers]


def _day(part: Any) -> str:
    return f"{number(part['year']):04}-{number(part['month']):02}-{number(part['day']):02}"


def _cost(part: dict[str, Any], connection: Connection, out: Normalised) -> None:
    begin, end = _day(part["dateRange"]["start"]), _day(part["dateRange"]["end"])
    if begin != end:
        raise ValueError(f"a row from {begin} to {end} is no day; ask with timeGranularity=DAILY")
    pivots = (
        [text(one) or "" for one in part["pivotValues"]]
        if isinstance(part["pivotValues"], list)
        else [text(part["pivotValues"]) or ""]
    )
    named = {urn.split(":")[2]: urn.rpartition(":")[2] for urn in pivots if urn.count(":") >= 3}
    campaign = named.pop("sponsoredCampaign", "")
    account = named.pop("sponsoredAccount", "") or connection.get("linkedin_account", "")
    out.spend.append(
        Spend(
            platform="linkedin",
            account=account,
            day=begin,
            campaign=campaign,
            breakdown=orjson.dumps(named, option=orjson.OPT_SORT_KEYS).decode() if named else "",
            amount=money(part["costInLocalCurrency"]) or "none",
            currency=connection.get("linkedin_currency", "EUR"),
            clicks=count(part.get("clicks")),
            impressions=count(part.get("impressions")),
        )
    )


def wanted(body: Any, connection: Connection) -> tuple[Ask, ...]:
    """Ask for the responses that notifications name."""
    version = connection.get("linkedin_version", _VERSION.default)
    headers = (("LinkedIn-Version", version), ("X-Restli-Protocol-Version", "2.0.0"))

    def ask(part: Any) -> list[Ask]:
        key = _last(part["leadGenFormResponse"]) if part["leadAction"] == "CREATED" else None
        good = key and _KEY.fullmatch(key)
        return [Ask(key, f"/leadFormResponses/{key}", headers=headers)] if key and good else []

    return each_once(body if isinstance(body, list) else [body], ask)


def answers(ask: Ask, answer: Any) -> Answer:
    """Return the response with its form, for which a second request is made.

    A response whose form is gone is returned without it.
    """
    if ask.carried:
        response = orjson.loads(ask.carried)
        return Answer((written([{**response, "form": answer} if answer else response]),))
    if "formResponse" not in record(answer):
        raise ValueError("the answer is no response (formResponse)")
    form = _form(answer.get("versionedLeadGenFormUrn"))
    if "form" in answer or not (form and _KEY.fullmatch(form)):
        return Answer((written([answer]),))
    carried = written(answer)
    return Answer((), Ask(ask.key, f"/leadForms/{form}", (), ask.headers, carried, needed=False))


def prove(call: Call, secrets: Secrets) -> bytes | None:
    """Check the signature: of `hmacsha256=` and the body, in hexadecimal."""
    stated = call.headers.get("x-li-signature", "").removeprefix("hmacsha256=")
    signed = _SIGNED + call.body
    valid = secrets("linkedin_client_secret")
    good = by_any(valid, lambda secret: equal(hex_digest(secret, signed), stated))
    return call.body if good else None


def _handshake(query: Mapping[str, str], secrets: Secrets) -> tuple[str, str] | None:
    """Answer the challenge that LinkedIn sends for a new webhook, and every two hours after."""
    code, valid = query.get("challengeCode", "")[:1_000], secrets("linkedin_client_secret")
    if not code or not valid:
        return None
    answer = {
        "challengeCode": code,
        "challengeResponse": hex_digest(valid[0], code.encode(errors="replace")),
    }
    return "application/json", orjson.dumps(answer).decode()


_EXAMPLE: Any = {
    "type": "LEAD_ACTION",
    "leadGenFormResponse": "urn:li:leadGenFormResponse:an-example-5",
    "leadGenForm": "urn:li:leadGenForm:12",
    "leadAction": "CREATED",
    "leadType": "SPONSORED",
    "occurredAt": 1769850000000,
}

_EXAMPLE_OF_COSTS: Any = {
    "elements": [
        {
            "dateRange": {
                "start": {"year": 2026, "month": 1, "day": 31},
                "end": {"year": 2026, "month": 1, "day": 31},
            },
            "pivotValues": ["urn:li:sponsoredCampaign:7"],
            "costInLocalCurrency": "1.50",
        }
    ]
}

VENDOR = Vendor(
    name="linkedin",
    title="LinkedIn Lead Sync, LinkedIn spend",
    topic=topics.RAW_ADS,
    normalise=normalise,
    sends=frozenset({"inbound"}),
    evidence="seen",
    documentation="https://learn.microsoft.com/linkedin/marketing/lead-sync/leadsync",
    routes=(
        Route(
            "/v1/linkedin",
            "Take a notification of LinkedIn's lead forms.",
            prove,
            (
                Scheme(
                    "LinkedInSignature",
                    "X-LI-Signature",
                    "Hexadecimal HMAC-SHA256 of `hmacsha256=` and the body.",
                ),
            ),
            "X-LI-Signature",
            ("leadGenFormResponse",),
            _handshake,
            example=_EXAMPLE,
        ),
        Route(
            "/v1/spend/linkedin",
            "Take a page of LinkedIn's ad analytics by day, from whoever asks LinkedIn for it.",
            example=_EXAMPLE_OF_COSTS,
        ),
    ),
    secrets=(Secret("linkedin_client_secret", "the app's client secret"),),
    options=(
        Option("linkedin_account", "", "the ad account of reports that do not name it"),
        Option("linkedin_currency", "EUR", "the currency of the ad account: reports name none"),
        _API,
        _VERSION,
    ),
    origin="marketing",
    patience=3.0,
    retries="a challenge every 2 hours; a notification may come many times",
    retrieval=Retrieval(
        address=_API,
        token=Secret("linkedin_token", "a member's token with r_marketing_leadgen_automation"),
        wanted=wanted,
        answers=answers,
        rate=2.0,
    ),
)
