"""HubSpot webhooks: up to 100 unordered events a body, retried for 24 hours; most name no email.

Fields: developers.hubspot.com, webhooks, both formats: `contact.propertyChange` and, since 2025,
`object.propertyChange` with objectTypeId. eventId is NOT unique, so the id is made of (portalId,
subscriptionId, eventId, objectId, occurredAt, propertyName); attemptNumber is ignored. The docs
write eventType where deliveries have subscriptionType.
"""

from __future__ import annotations

from typing import Any

from schemas import topics
from streams.sources.retrieval import Retrieval
from streams.sources.vendor import Option, Route, Scheme, Secret, Vendor

from .adapter import normalise
from .retrieval import answers, wanted
from .signature import prove
from .words import API, COMPUTED, PORTAL

_EXAMPLE: Any = [
    {
        "eventId": 1,
        "subscriptionId": 2,
        "portalId": 3,
        "occurredAt": 1769850000000,
        "subscriptionType": "contact.propertyChange",
        "objectId": 4,
        "propertyName": "lifecyclestage",
        "propertyValue": "marketingqualifiedlead",
    }
]

VENDOR = Vendor(
    name="hubspot",
    title="HubSpot",
    topic=topics.RAW_CRM,
    normalise=normalise,
    sends=frozenset({"human", "inbound", "accepted", "rejected", "leave", "moved"}),
    evidence="seen",
    documentation="https://developers.hubspot.com/docs/api/webhooks",
    routes=(
        Route(
            "/v1/hubspot",
            "Take a batch of HubSpot's webhooks.",
            prove,
            (
                Scheme(
                    "HubSpotSignature",
                    "X-HubSpot-Signature-v3",
                    "Base64 HMAC-SHA256 of POST, address, body and timestamp.",
                ),
                Scheme(
                    "HubSpotTimestamp",
                    "X-HubSpot-Request-Timestamp",
                    "Milliseconds since the epoch; at most 300 s old.",
                ),
            ),
            "X-HubSpot-Signature-v3",
            ("objectId", "primaryObjectId", "fromObjectId"),
            example=_EXAMPLE,
        ),
    ),
    secrets=(Secret("hubspot_secret", "the app's client secret"),),
    options=(
        Option(
            "hubspot_computed",
            ",".join(COMPUTED),
            "patterns of properties that machines keep, with commas between",
        ),
        API,
        PORTAL,
    ),
    records=("contact",),
    deals=("deal",),
    stages={
        "subscriber": "inquiry",
        "lead": "inquiry",
        "marketingqualifiedlead": "mql",
        "salesqualifiedlead": "sql",
        "opportunity": "opportunity",
        "customer": "customer",
        "evangelist": "evangelist",
    },
    won=("closedwon",),
    lost=("closedlost",),
    patience=5.0,
    retries="up to 10 attempts in 24 hours, unordered",
    retrieval=Retrieval(
        address=API,
        token=Secret(
            "hubspot_token", "a private app's token, with the scopes to read contacts and deals"
        ),
        wanted=wanted,
        answers=answers,
        rate=8.0,
    ),
)
