"""Salesforce Change Data Capture as JSON, through a relay.

It reads leads, contacts, opportunities, contact roles, tasks and events.

Fields: Salesforce CDC developer guide. An event stands bare, in a `payload` (Pub/Sub), in `data`
(CometD) or in `detail` (EventBridge). In the Pub/Sub shape an update carries null for UNCHANGED
fields, so only `nulledFields` shows that one was cleared; one event may carry several recordIds;
GAP_* means that the record must be read again, GAP_OVERFLOW (id 000000000000000AAA) that all must.
Ids are made 18 characters long: 15 are case-sensitive, the last three their checksum.
"""

from __future__ import annotations

from typing import Any

from schemas import topics
from streams.sources.retrieval import Retrieval
from streams.sources.vendor import Option, Route, Secret, Vendor

from .adapter import normalise
from .retrieval import answers, judged, wanted
from .words import API, COMPUTED, canonical

_EXAMPLE: Any = {
    "ChangeEventHeader": {
        "entityName": "Lead",
        "changeType": "CREATE",
        "recordIds": ["00Q000000000001"],
        "transactionKey": "an-example",
        "commitTimestamp": 1769850000000,
    },
    "Email": "jane@example.com",
    "Status": "Open - Not Contacted",
}

VENDOR = Vendor(
    name="salesforce",
    title="Salesforce Change Data Capture",
    topic=topics.RAW_CRM,
    normalise=normalise,
    sends=frozenset({"human", "automated", "inbound", "accepted", "rejected", "leave", "moved"}),
    evidence="seen",
    documentation=(
        "https://developer.salesforce.com/docs/atlas.en-us.change_data_capture.meta"
        "/change_data_capture/"
    ),
    routes=(
        Route(
            "/v1/salesforce",
            "Take a change event of Salesforce from the relay.",
            keys=("id", "transactionKey"),
            example=_EXAMPLE,
        ),
    ),
    options=(
        Option("salesforce_org", "default", "the org's name in aliases, where several orgs send"),
        Option(
            "salesforce_computed",
            ",".join(COMPUTED),
            "patterns of fields that machines keep, with commas between",
        ),
        API,
    ),
    records=("lead", "contact"),
    deals=("opportunity",),
    canonical=canonical,
    stages={
        "Open": "inquiry",
        "Open - Not Contacted": "inquiry",
        "Working": "sal",
        "Working - Contacted": "sal",
        "Closed - Converted": "sql",
        "Closed - Not Converted": "rejected",
    },
    won=("Closed Won",),
    lost=("Closed Lost",),
    retries="a relay's: events can be replayed for 72 hours",
    retrieval=Retrieval(
        address=API,
        token=Secret(
            "salesforce_token",
            "an access token of a user who may read leads, contacts and opportunities",
        ),
        wanted=wanted,
        answers=answers,
        rate=5.0,
        judged=judged,
    ),
)
