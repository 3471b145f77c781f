"""What ad platforms send: leads of their forms (Meta, Google, LinkedIn), and what the ads cost."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from .hours import iso
from .posts import Identity, Meaning, Post
from .web import EMAIL

if TYPE_CHECKING:
    import random

AD, KIND = "ad lead", "ad_lead_form"
FORM = "urn:li:versionedLeadGenForm:(urn:li:leadGenForm:12,1)"
ACCOUNT, CREATIVE, CAMPAIGN = "urn:li:sponsoredAccount:33", "urn:li:sponsoredCreative:424", "7001"


def meta(who: Identity, at: int, later: int, *, test: bool) -> list[Post]:
    """Make a lead of Meta's: the webhook that names nobody, and the lead that was fetched."""
    lead, created = f"{who.number}77", at // 1000
    value = {
        "created_time": created,
        "leadgen_id": lead,
        "page_id": "1",
        "form_id": "9",
        "ad_id": "5",
    }
    change = {"field": "leadgen", "value": value}
    webhook = {"object": "page", "entry": [{"id": "1", "time": created, "changes": [change]}]}
    company = "<test lead: dummy data for company_name>" if test else "Acme"
    answers = {"email": who.email, "company_name": company}
    found = {
        "id": lead, "created_time": iso(created * 1000), "form_id": "9", "ad_id": "5",
        "campaign_id": "spring",
        "field_data": [{"name": name, "values": [answer]} for name, answer in answers.items()],
    }  # fmt: skip
    return _both("meta", webhook, found, at, later, created * 1000, test=test)


def linkedin(who: Identity, at: int, later: int, *, test: bool) -> list[Post]:
    """Make a lead of LinkedIn's: the notification, and the response with its form."""
    response, answer = f"r-{who.name}", {"textQuestionAnswer": {"answer": who.email}}
    notification = {
        "type": "LEAD_ACTION", "leadGenFormResponse": f"urn:li:leadGenFormResponse:{response}",
        "leadGenForm": FORM, "leadType": "SPONSORED", "leadAction": "CREATED", "occurredAt": at,
        "owner": {"sponsoredAccount": ACCOUNT}, "associatedEntity": {"sponsoredCreative": CREATIVE},
    }  # fmt: skip
    found = {
        "id": response, "leadType": "SPONSORED", "submittedAt": at, "testLead": test,
        "versionedLeadGenFormUrn": FORM, "owner": {"sponsoredAccount": ACCOUNT},
        "leadMetadata": {
            "sponsoredLeadMetadata": {"campaign": f"urn:li:sponsoredCampaign:{CAMPAIGN}"}
        },
        "associatedEntity": {"associatedCreative": CREATIVE},
        "formResponse": {"answers": [{"questionId": 1, "answerDetails": answer}]},
        "form": {"content": {"questions": [{"questionId": 1, "predefinedField": "EMAIL"}]}},
    }  # fmt: skip
    return _both("linkedin", notification, found, at, later, at, test=test)


def _both(
    source: str, first: Any, found: Any, at: int, later: int, created: int, *, test: bool
) -> list[Post]:
    """Return the notification and what was fetched: both make the creation, one names the lead."""
    creation = Meaning("ad", (AD,), (), "inquiry", KIND, created)
    whose = Meaning("answers", (AD, EMAIL), links=True, test=test, at=created)
    return [
        Post(source, first, at, "ad lead", (creation,)),
        Post(source, found, later, "ad lead's answers", (creation, whose)),
    ]


def google(who: Identity, at: int, *, test: bool) -> Post:
    """Make a lead of Google's form."""
    body = {
        "lead_id": f"g-{who.name}", "form_id": 1, "campaign_id": 7, "gcl_id": f"click-{who.name}",
        "lead_submit_time": iso(at), "is_test": test,
        "user_column_data": [{"column_id": "EMAIL", "string_value": who.email}],
    }  # fmt: skip
    meaning = Meaning("ad", (EMAIL, AD), ("click",), "inquiry", KIND, at, test=test)
    return Post("google", body, at, "ad lead", (meaning,))


def costs(day: date, at: int, rng: random.Random) -> list[Post]:
    """Make what each ad account cost on a day."""
    text, parts = day.isoformat(), {"year": day.year, "month": day.month, "day": day.day}
    metrics = {
        "costMicros": str(rng.randint(40, 90) * 1_000_000),
        "clicks": "40",
        "impressions": "900",
    }
    row = {
        "campaign": {"id": "7"}, "customer": {"id": "11", "currencyCode": "EUR"},
        "segments": {"date": text, "device": "MOBILE"}, "metrics": metrics,
    }  # fmt: skip
    insight = {
        "account_id": "22", "campaign_id": "spring", "ad_id": "5", "impressions": "400",
        "spend": f"{rng.randint(20, 60)}.50", "date_start": text, "date_stop": text,
    }  # fmt: skip
    element = {
        "dateRange": {"start": parts, "end": parts}, "clicks": 9, "impressions": 300,
        "pivotValues": [ACCOUNT, f"urn:li:sponsoredCampaign:{CAMPAIGN}"],
        "costInLocalCurrency": f"{rng.randint(15, 45)}.25",
    }  # fmt: skip
    bodies = {
        "google": {"results": [row]},
        "meta": {"data": [insight]},
        "linkedin": {"elements": [element]},
    }
    return [Post(f"{name}-spend", body, at, f"cost of {text}") for name, body in bodies.items()]
