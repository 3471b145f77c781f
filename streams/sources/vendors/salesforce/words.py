"""Salesforce's words: its ids, the wrappings of a change event, and what machines keep."""

from __future__ import annotations

import re
from typing import Any

from streams.sources.values import record
from streams.sources.vendor import Option

KINDS = {"Lead": "lead", "Contact": "contact", "Opportunity": "opportunity"}
_WRAPS = ("payload", "data", "detail", "event", "message")
_CHECKSUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
ID = re.compile(r"([A-Za-z0-9]{15})([A-Za-z0-9]{3})?")
# Fields that Salesforce or a formula keeps: a change of nothing else is no activity of anybody.
COMPUTED = (
    "LastModified*", "SystemModstamp", "LastActivityDate", "LastViewedDate", "LastReferencedDate",
    "LastCUUpdateDate", "LastCURequestDate", "IsUnreadByOwner", "*Score*", "Jigsaw*", "CleanStatus",
    "IndividualId", "EmailBounced*", "FirstCallDateTime", "FirstEmailDateTime", "ActivityMetricId",
    "PhotoUrl", "GeocodeAccuracy", "Latitude", "Longitude", "*GeocodeAccuracy", "LastStageChange*",
    "Has*", "IsClosed", "IsWon", "ForecastCategory*", "Probability", "ExpectedRevenue", "Fiscal*",
    "PushCount", "AgeInDays",
)  # fmt: skip
API = Option(
    "salesforce_api",
    "",
    "the org's address, where a retriever reads again what a gap event names: "
    "https://<domain>.my.salesforce.com",
)
READ_AGAIN = frozenset({"GAP_CREATE", "GAP_UPDATE", "GAP_UNDELETE"})


def canonical(key: str) -> str:
    """Make an id 18 characters long: one more for each five, which marks their capitals.

    The last three of a longer id are made anew: exports and people get them wrong, and the first 15
    are the id.
    """
    found = ID.fullmatch(key)
    if not found:
        return key
    fives = (found[1][place : place + 5] for place in (0, 5, 10))
    return found[1] + "".join(
        _CHECKSUM[sum(1 << place for place, letter in enumerate(five) if "A" <= letter <= "Z")]
        for five in fives
    )


def parts_of(body: Any) -> list[Any]:
    """Return the events, or records, of a body."""
    parts = body if isinstance(body, list) else record(body).get("events", body)
    return parts if isinstance(parts, list) else [parts]


def unwrapped(part: Any) -> dict[str, Any]:
    """Return the change event within what a relay put around it.

    Raises:
        ValueError: there is none.

    """
    found = part
    for _ in range(len(_WRAPS)):
        if "ChangeEventHeader" in record(found):
            return dict(found)
        found = next(
            (inner for name in _WRAPS if isinstance(inner := record(found).get(name), dict)), None
        )
    raise ValueError(
        "no ChangeEventHeader: a change event stands bare, or in payload, data or detail"
    )
