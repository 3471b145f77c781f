"""HubSpot webhooks: up to 100 events a body, unordered, retried for 24 hours; no email in most of them.

Fields: developers.hubspot.com webhooks. eventId is NOT unique, so the id is made of (portalId, subscriptionId, eventId,
objectId, occurredAt, propertyName); attemptNumber is ignored. The docs say eventType where deliveries say subscriptionType.
"""

from __future__ import annotations

from typing import Any

from schemas.events import EventType
from streams.sources.adapter import Connection, Normalised, each, email_alias, event

# Properties that HubSpot itself keeps when somebody works on a contact.
_HUMAN = {
    "notes_last_contacted": "contacted",
    "hs_sales_email_last_replied": "email_reply",
    "hs_last_booked_meeting_date": "meeting",
}
_URL = "https://app.hubspot.com/contacts/{portal}/record/{kind}/{object}"
_RECORD = {"contact": "0-1", "deal": "0-3"}


def normalise(body: Any, received_at: int, _connection: Connection) -> Normalised:
    """Turn one delivery."""
    if not isinstance(body, list):
        raise ValueError("a HubSpot delivery is a list of events")  # noqa: TRY004 - the sender's mistake, not ours
    return each(body, lambda part, out: _one(part, received_at, out), lambda part: [part])


def _one(part: dict[str, Any], received_at: int, out: Normalised) -> None:
    subscription = part.get("subscriptionType") or part["eventType"]
    kind, _, action = subscription.partition(".")
    if kind not in _RECORD:
        out.ignored.append(str(kind))  # a company, a ticket: known, and no lead's
        return
    portal, obj = part["portalId"], part["objectId"] if "objectId" in part else part.get("fromObjectId")
    alias = f"hubspot:{portal}:{kind}:{obj}"
    dedup = (portal, part["subscriptionId"], part["eventId"], obj, part["occurredAt"], part.get("propertyName", ""))
    common: dict[str, Any] = {
        "id": "hubspot:" + ":".join(map(str, dedup)),
        "occurred_at": int(part["occurredAt"]),
        "source": "hubspot",
        "aliases": (alias,),
        "record_url": _URL.format(portal=portal, kind=_RECORD[kind], object=obj),
    }
    if kind == "deal" and action in ("creation", "propertyChange"):
        common["deal"] = {"id": alias}
    match action:
        case "creation" if kind == "contact":
            stated = part.get("changeSource") if part.get("changeSource") == "CRM_UI" else None
            out.events.append(event(received_at, type=EventType.CREATED, kind="crm", direction="inbound", origin=stated, **common))
        case "creation":
            out.events.append(event(received_at, type=EventType.OPPORTUNITY_CREATED, **common))
        case "deletion" | "privacyDeletion":
            erase = action == "privacyDeletion"
            out.events.append(event(received_at, type=EventType.ERASE if erase else EventType.DELETED, **common))
        case "merge":
            merged = [f"hubspot:{portal}:{kind}:{other}" for other in part["mergedObjectIds"]]
            winner = f"hubspot:{portal}:{kind}:{part['primaryObjectId']}"
            others = [other for other in merged if other != winner]
            out.events.append(event(received_at, type=EventType.MERGE, **{**common, "aliases": (winner, *others)}))
        case "associationChange":
            _association(part, portal, received_at, common, out)
        case "propertyChange":
            _property(part, kind, received_at, common, out)
        case _:
            raise ValueError(f"{subscription!r} is not read; unsubscribe it")


def _association(part: dict[str, Any], portal: int, received_at: int, common: dict[str, Any], out: Normalised) -> None:
    ends = {"CONTACT_TO_DEAL": ("contact", "deal"), "DEAL_TO_CONTACT": ("deal", "contact")}
    if part["associationType"] not in ends:
        raise ValueError(f"association {part['associationType']!r} joins no contact and deal")
    from_kind, to_kind = ends[part["associationType"]]
    found = {from_kind: part["fromObjectId"], to_kind: part["toObjectId"]}
    contact, deal = f"hubspot:{portal}:contact:{found['contact']}", f"hubspot:{portal}:deal:{found['deal']}"
    word = EventType.UNMERGE if part.get("associationRemoved") else EventType.LINKED
    name = f"hubspot:association:{portal}:{found['contact']}:{found['deal']}:{part['occurredAt']}"
    said = {**common, "id": name, "aliases": (contact, deal), "deal": {"id": deal}}  # the contact's own row must know which deal
    out.events.append(event(received_at, type=word, **said))


def _property(part: dict[str, Any], kind: str, received_at: int, common: dict[str, Any], out: Normalised) -> None:
    name, value = part["propertyName"], str(part.get("propertyValue") or "")
    if kind == "deal":
        _deal_property(name, value, received_at, common, out)
    elif name == "lifecyclestage":
        out.events.append(event(received_at, type=EventType.STAGE_REPORTED, stage=value, **common))
    elif name == "email":
        known = email_alias(value)
        if known is None:
            raise ValueError("propertyValue is no email address")
        out.events.append(event(received_at, type=EventType.LINKED, **{**common, "aliases": (*common["aliases"], known)}))
    elif name == "hubspot_owner_id":
        out.events.append(event(received_at, type=EventType.ASSIGNED, owner=value, **common))
    elif name == "hs_lead_status" and value == "UNQUALIFIED":
        out.events.append(event(received_at, type=EventType.REJECTED, reason="no-fit", **common))
    elif name == "hs_lead_status" and value == "BAD_TIMING":
        out.events.append(event(received_at, type=EventType.REJECTED, reason="not-ready", **common))
    elif name == "hs_lead_status" and value in ("IN_PROGRESS", "CONNECTED", "OPEN_DEAL"):
        out.events.append(event(received_at, type=EventType.ACCEPTED, **common))
    elif name in _HUMAN:
        out.events.append(event(received_at, type=EventType.TOUCH, kind=_HUMAN[name], direction="human", **common))
    elif name == "hs_email_optout":
        out.events.append(event(received_at, type=EventType.CONSENT, granted=value != "true", **common))
    else:
        out.events.append(event(received_at, type=EventType.TOUCH, kind=f"property:{name}", direction="inbound", **common))


def _deal_property(name: str, value: str, received_at: int, common: dict[str, Any], out: Normalised) -> None:
    deal = common.pop("deal")
    kind = EventType.OPPORTUNITY_STAGE_CHANGED
    if name == "dealstage":
        deal = {**deal, "stage": value}
    elif name == "amount":
        deal = {**deal, "amount": value}
    elif name == "deal_currency_code":
        deal = {**deal, "currency": value}
    elif name == "closedate":
        deal = {**deal, "close_date": value}
    else:
        out.events.append(event(received_at, type=EventType.TOUCH, kind=f"property:{name}", direction="inbound", **common))
        return
    out.events.append(event(received_at, type=kind, deal=deal, **common))
