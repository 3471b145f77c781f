"""HubSpot webhooks: up to 100 unordered events a body, retried for 24 hours; most name no email.

Fields: developers.hubspot.com, webhooks, both formats: `contact.propertyChange` and, since 2025,
`object.propertyChange` with objectTypeId. eventId is NOT unique, so the id is made of (portalId,
subscriptionId, eventId, objectId, occurredAt, propertyName); attemptNumber is ignored. The docs
write eventType where deliveries have subscriptionType.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from schemas import topics
from schemas.events import EventType
from streams.sources.adapter import Connection, Normalised, digest, each, written
from streams.sources.proof import base64_digest, by_any, equal, recent
from streams.sources.retrieval import Answer, Ask, Retrieval, each_once, listed
from streams.sources.values import (
    aliases,
    day_in,
    email_alias,
    identified,
    iso_ms,
    money,
    named_by,
    number,
    phone_alias,
    record,
    text,
)
from streams.sources.vendor import Call, Option, Route, Scheme, Secret, Secrets, Vendor

# Types of objects, by number, and by name in the older format (developers.hubspot.com, type ids).
_TYPES = {
    "0-1": "contact", "0-2": "company", "0-3": "deal", "0-5": "ticket", "0-7": "product",
    "0-8": "line_item", "0-14": "quote", "0-18": "communication", "0-27": "task", "0-46": "note",
    "0-47": "meeting", "0-48": "call", "0-49": "email", "0-116": "postal_mail", "0-136": "lead",
}  # fmt: skip
# Association type ids that HubSpot defines.
_ASSOCIATIONS = {3: ("deal", "contact"), 4: ("contact", "deal")}
_URL = {"contact": "0-1", "deal": "0-3"}
# Work that somebody logged with a person: a touch once it is associated with a contact. HubSpot
# counts the same as a contact made (property notes_last_contacted); a note or a task is none, but
# it is activity on a deal.
_CONTACTED = {
    "call": "call",
    "email": "email",
    "meeting": "meeting",
    "communication": "message",
    "postal_mail": "letter",
}
_WORKED_ON = {**_CONTACTED, "note": "note", "task": "task"}
# Properties that HubSpot itself keeps when somebody works on a contact.
_HUMAN = {
    "notes_last_contacted": "contacted",
    "hs_sales_email_last_replied": "email_reply",
    "hs_last_booked_meeting_date": "meeting",
}
# Who changed a property, where it was a machine (changeSource): its values are nobody's activity.
_MACHINES = frozenset({
    "AI_GROUP", "ANALYTICS", "ASSOCIATIONS", "AUTOMATION_PLATFORM", "BATCH_UPDATE",
    "BEHAVIORAL_EVENTS", "CALCULATED", "CLONE_OBJECTS", "COMPANY_FAMILIES", "COMPANY_INSIGHTS",
    "CRM_PIPELINES_AUTOMATION", "DATA_ENRICHMENT", "DEFAULT", "ECOMMERCE", "ENGAGEMENTS",
    "FLYWHEEL_PRODUCT_DATA_SYNC", "IMPORT", "INTEGRATION", "INTEGRATIONS_SYNC",
    "INTERNAL_PROCESSING", "LEADIN", "MARKET_SOURCE", "MERGE_COMPANIES", "MERGE_CONTACTS",
    "MERGE_OBJECTS", "MIGRATION", "PRESENTATIONS", "PRIMARY_ASSOCIATION", "PROPAGATOR",
    "PROPERTY_SETTINGS", "RECALCULATED", "SALESFORCE", "SCORES", "SEQUENCES", "SIDEKICK", "SURVEY",
    "TASK", "WAL_INCREMENTAL", "WORKFLOWS", "WORKFLOW_CONTACT_DELETE_ACTION", "WORKFLOW",
})  # fmt: skip
_COMPUTED = (
    "hs_*", "num_*", "notes_*", "recent_*", "first_*", "days_to_close", "hubspotscore",
    "lastmodifieddate", "createdate", "total_revenue", "currentlyinworkflow", "associatedcompanyid",
    "associatedcompanylastupdated", "hubspot_team_id", "hubspot_owner_assigneddate",
    "engagements_last_*", "amount_in_home_currency", "deal_currency_code_*", "closed_*",
    "followercount", "linkedinconnections", "kloutscoregeneral", "surveymonkeyeventlastupdated",
    "webinareventlastupdated", "ip_*", "lastactivitydate",
)  # fmt: skip
_DEAL_FIELDS = {
    "dealstage": "stage",
    "amount": "amount",
    "deal_currency_code": "currency",
    "closedate": "close_date",
}
_PEOPLE = ("email", "work_email", "hs_additional_emails")
_WINDOW_MS = 300_000
_API = Option("hubspot_api", "https://api.hubapi.com", "HubSpot's API")
_PORTAL = Option(
    "hubspot_portal", "", "the portal whose token a retriever has, where several portals send"
)
_PLURAL = {"contact": "contacts", "deal": "deals"}
_PERSONAL = (*_PEOPLE, "phone", "mobilephone", "company")  # what `_read` reads of a contact
# What HubSpot decodes in the address before it signs: these, and nothing else (its documentation).
_DECODED = {
    "%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$",
    "%27": "'", "%28": "(", "%29": ")", "%2A": "*", "%2C": ",", "%3B": ";",
}  # fmt: skip
_ENCODED = re.compile("|".join(_DECODED), re.IGNORECASE)


def normalise(body: Any, received_at: int, connection: Connection) -> Normalised:
    """Transform one delivery."""
    if not isinstance(body, list):
        raise ValueError(  # noqa: TRY004 - the sender's mistake, not ours
            "a HubSpot delivery is a list of events"
        )
    return each(
        body, received_at, lambda part, out: _one(part, connection, out), lambda part: [part]
    )


def _kind(type_id: Any, named: str) -> str:
    return _TYPES.get(str(type_id), "custom object") if type_id else named


def _one(part: dict[str, Any], connection: Connection, out: Normalised) -> None:
    if isinstance(part.get("object"), dict):
        _read(part, out)
        return
    subscription = str(part.get("subscriptionType") or part["eventType"])
    named, _, action = subscription.partition(".")
    if action == "associationChange":
        _association(part, named, out)
        return
    kind = _kind(part.get("objectTypeId"), named)
    if kind not in _URL:
        out.ignored.append(kind)  # a company, a ticket: known, and no lead's
        return
    portal, key = number(part["portalId"]), _record_of(part, action)
    alias = f"hubspot:{portal}:{kind}:{key}"
    common: dict[str, Any] = {
        "id": _event_id(part, key),
        "occurred_at": number(part["occurredAt"]),
        "source": "hubspot",
        "aliases": (alias,),
    }
    shown = {"record_url": _address_of(portal, kind, key)}
    deal = {"deal": {"id": alias}} if kind == "deal" else {}
    match action:
        case "creation" if kind == "contact":
            # Once, whichever reports it: the webhook, or the record that is read.
            common["id"] = f"{alias}:created"
            stated = "CRM_UI" if part.get("changeSource") == "CRM_UI" else None
            out.add(
                type=EventType.CREATED,
                kind="crm",
                direction="inbound",
                origin=stated,
                **common,
                **shown,
            )
        case "creation":
            out.add(type=EventType.OPPORTUNITY_CREATED, **common, **shown, **deal)
        case "deletion":
            out.add(
                type=EventType.OPPORTUNITY_DELETED if deal else EventType.DELETED, **common, **deal
            )
        case "restore":
            out.add(
                type=EventType.OPPORTUNITY_RESTORED if deal else EventType.RESTORED,
                **common,
                **shown,
                **deal,
            )
        case "privacyDeletion" if kind == "contact":
            out.add(type=EventType.ERASE, **common)
        case "merge":
            _merge(part, portal, kind, {**common, **shown}, out)
        case "propertyChange" if deal:
            _deal_property(part, alias, connection, {**common, **shown}, out)
        case "propertyChange":
            _property(part, alias, connection, {**common, **shown}, out)
        case _:
            out.ignored.append(subscription)


def _address_of(portal: int, kind: str, key: str) -> str:
    return f"https://app.hubspot.com/contacts/{portal}/record/{_URL[kind]}/{key}"


def _read(part: dict[str, Any], out: Normalised) -> None:
    """Add who a record of the CRM API is, and whose a deal is.

    The record carries the portal and the type that were asked for. Its stages and amounts came with
    the webhooks, with their times.
    """
    found, kind, portal = (
        part["object"],
        _kind(part.get("objectTypeId"), ""),
        number(part["portalId"]),
    )
    if kind not in _URL:
        out.ignored.append(kind)
        return
    key, properties = _needed(found.get("id")), record(found.get("properties"))
    alias, at = f"hubspot:{portal}:{kind}:{key}", iso_ms(found["updatedAt"])
    common: dict[str, Any] = {"source": "hubspot", "record_url": _address_of(portal, kind, key)}
    if kind == "contact":
        people = (
            email_alias(one)
            for name in _PEOPLE
            for one in (text(properties.get(name)) or "").split(";")
        )
        known = aliases(
            alias,
            *people,
            *(phone_alias(properties.get(name)) for name in ("phone", "mobilephone")),
        )
        if found.get("createdAt"):
            made = iso_ms(found["createdAt"])
            inbound = {"kind": "crm", "direction": "inbound"}
            out.add(
                id=f"{alias}:created",
                type=EventType.CREATED,
                occurred_at=made,
                aliases=(alias,),
                **inbound,
                **common,
            )
        name = f"{alias}:read:{digest([known, properties.get('company')])}"
        out.add(
            id=name,
            type=EventType.LINKED,
            occurred_at=at,
            aliases=known,
            account=text(properties.get("company")),
            **common,
        )
        return
    results = record(record(found.get("associations")).get("contacts")).get("results")
    for one in results if isinstance(results, list) else ():
        contact = f"hubspot:{portal}:contact:{_needed(one.get('id'))}"
        name = f"hubspot:association:{portal}:{one['id']}:{key}:read"
        out.add(
            id=name,
            type=EventType.LINKED,
            occurred_at=at,
            aliases=(contact, alias),
            deal={"id": alias},
            **common,
        )


def _record_of(part: dict[str, Any], action: str) -> str:
    """Return the record's id: of a merge the one that is left."""
    names = ("newObjectId", "primaryObjectId", "objectId") if action == "merge" else ("objectId",)
    found = next((key for name in names if (key := identified(part.get(name)))), None)
    if found is None:
        raise KeyError("objectId")
    return found


def _event_id(part: dict[str, Any], key: str) -> str:
    """Return the event's id; where HubSpot left out a part of it, one of the whole content."""
    if part.get("eventId") in (None, "") or part.get("subscriptionId") in (None, ""):
        content = {name: value for name, value in part.items() if name != "attemptNumber"}
        return f"hubspot:body-{digest(content)}"
    parts = (
        part["portalId"],
        part["subscriptionId"],
        part["eventId"],
        key,
        part["occurredAt"],
        part.get("propertyName", ""),
    )
    return "hubspot:" + ":".join(map(str, parts))


def _merge(
    part: dict[str, Any], portal: int, kind: str, common: dict[str, Any], out: Normalised
) -> None:
    """Add a merge of several records. The one that is left may be one of them, or a new one."""
    winner = common["aliases"][0]
    keys = [part.get("primaryObjectId"), *part["mergedObjectIds"]]
    named = aliases(*(f"hubspot:{portal}:{kind}:{key}" for one in keys if (key := identified(one))))
    others = tuple(alias for alias in named if alias != winner)
    if not others:
        raise ValueError("mergedObjectIds names no other record")
    deal = {"deal": {"id": winner, "merged": others}} if kind == "deal" else {}
    out.add(type=EventType.MERGE, **{**common, "aliases": (winner, *others)}, **deal)


def _association(part: dict[str, Any], named: str, out: Normalised) -> None:
    kinds = _ends(part, named)
    if kinds is None:
        out.ignored.append("association")
        return
    found = dict(zip(kinds, (part["fromObjectId"], part["toObjectId"]), strict=True))
    other = next((kind for kind in kinds if kind in _WORKED_ON), "")
    if set(kinds) == {"contact", "deal"}:
        _deal_of(part, found, out)
    elif other and ("deal" in kinds or ("contact" in kinds and other in _CONTACTED)):
        _work(part, other, "deal" if "deal" in kinds else "contact", found, out)
    else:
        out.ignored.append(f"association {'-'.join(sorted(set(kinds)))}")


def _ends(part: dict[str, Any], named: str) -> tuple[str, str] | None:
    """Return the kinds that an association joins, in HubSpot's order.

    They follow from the types of objects, else from its name, else from its number.
    """
    if part.get("fromObjectTypeId") and part.get("toObjectTypeId"):
        return _kind(part["fromObjectTypeId"], ""), _kind(part["toObjectTypeId"], "")
    if part.get("associationType"):
        first, to, second = str(part["associationType"]).lower().partition("_to_")
        return (first, second) if to else None
    number_of = part.get("associationTypeId")
    known = _ASSOCIATIONS.get(number_of) if isinstance(number_of, int) else None
    return known if known and named in ("object", *known) else None


def _deal_of(part: dict[str, Any], found: dict[str, Any], out: Normalised) -> None:
    """Add whose a deal is, or no longer is. The contact's own row must know which deal."""
    portal, at = number(part["portalId"]), number(part["occurredAt"])
    contact, deal = (
        f"hubspot:{portal}:{kind}:{_needed(found[kind])}" for kind in ("contact", "deal")
    )
    out.add(
        id=f"hubspot:association:{portal}:{found['contact']}:{found['deal']}:{at}",
        type=EventType.UNMERGE if part.get("associationRemoved") else EventType.LINKED,
        occurred_at=at,
        source="hubspot",
        aliases=(contact, deal),
        deal={"id": deal},
    )


def _work(
    part: dict[str, Any], kind: str, with_kind: str, found: dict[str, Any], out: Normalised
) -> None:
    """Add the touch of an engagement: it names nobody until it is associated."""
    if part.get("associationRemoved"):
        out.ignored.append(f"association {kind} removed")
        return
    portal = number(part["portalId"])
    out.add(
        id=f"hubspot:{kind}:{portal}:{_needed(found[kind])}:{_needed(found[with_kind])}",
        type=EventType.TOUCH,
        occurred_at=number(part["occurredAt"]),
        source="hubspot",
        aliases=(f"hubspot:{portal}:{with_kind}:{_needed(found[with_kind])}",),
        kind=_WORKED_ON[kind],
        direction="human",
    )


def _needed(value: Any) -> str:
    found = identified(value)
    if found is None:
        raise KeyError("objectId")
    return found


def _computed(part: dict[str, Any], name: str, connection: Connection) -> bool:
    """Return whether a machine keeps a property, by who changed it and by its name."""
    return part.get("changeSource") in _MACHINES or named_by(
        name, connection.get("hubspot_computed", ",".join(_COMPUTED))
    )


def _property(
    part: dict[str, Any],
    alias: str,
    connection: Connection,
    common: dict[str, Any],
    out: Normalised,
) -> None:
    name, value = str(part["propertyName"]), text(part.get("propertyValue")) or ""
    if name in _PEOPLE or name in ("phone", "mobilephone"):
        _address(name, value, alias, common, out)
    elif name == "hubspot_owner_id":
        out.add(type=EventType.ASSIGNED, owner=value, **common)
    elif name == "hs_email_optout":
        out.add(type=EventType.CONSENT, granted=value.lower() != "true", **common)
    elif not value:
        out.ignored.append(f"{name} cleared")  # a blank is neither a stage nor a touch
    elif name == "lifecyclestage":
        out.add(type=EventType.STAGE_REPORTED, stage=value, **common)
    elif name == "hs_lead_status":
        _status(value, common, out)
    elif name in _HUMAN:
        out.add(type=EventType.TOUCH, kind=_HUMAN[name], direction="human", **common)
    elif _computed(part, name, connection):
        out.ignored.append(f"property {name}")
    else:
        out.add(type=EventType.TOUCH, kind=f"property:{name}", direction="inbound", **common)


def _address(name: str, value: str, alias: str, common: dict[str, Any], out: Normalised) -> None:
    read = phone_alias if name in ("phone", "mobilephone") else email_alias
    known = aliases(*(read(one) for one in value.split(";")))
    if known:
        out.add(type=EventType.LINKED, **{**common, "aliases": (alias, *known)})
    elif value and name == "email":
        raise ValueError("propertyValue is no email address")
    else:
        out.ignored.append(f"{name} that names nobody")


def _status(value: str, common: dict[str, Any], out: Normalised) -> None:
    match value:
        case "UNQUALIFIED":
            out.add(type=EventType.REJECTED, reason="no-fit", **common)
        case "BAD_TIMING":
            out.add(type=EventType.REJECTED, reason="not-ready", **common)
        case "IN_PROGRESS" | "CONNECTED" | "OPEN_DEAL":
            out.add(type=EventType.ACCEPTED, **common)
        case "ATTEMPTED_TO_CONTACT":
            out.add(type=EventType.TOUCH, kind="contact_attempt", direction="human", **common)
        case _:
            out.ignored.append("hs_lead_status")


def _deal_property(
    part: dict[str, Any],
    alias: str,
    connection: Connection,
    common: dict[str, Any],
    out: Normalised,
) -> None:
    name, value = str(part["propertyName"]), text(part.get("propertyValue")) or ""
    if name not in _DEAL_FIELDS:
        if not value or _computed(part, name, connection):
            out.ignored.append(f"property {name}")
        else:
            out.add(type=EventType.TOUCH, kind=f"property:{name}", direction="inbound", **common)
        return
    found: str | None = value
    if value and name == "amount":
        found = money(value)
    elif value and name == "closedate":
        found = day_in(value, connection.get("zone", "UTC"))
    if found is None:
        what = (
            "amount: write a number"
            if name == "amount"
            else "day: write one like 2026-01-31, or ms since the epoch"
        )
        raise ValueError(f"propertyValue {value[:40]!r} is no {what}")
    if not found and name in ("dealstage", "deal_currency_code"):
        out.ignored.append(f"{name} cleared")
        return
    out.add(
        type=EventType.OPPORTUNITY_STAGE_CHANGED,
        deal={"id": alias, _DEAL_FIELDS[name]: found},
        **common,
    )


def wanted(body: Any, connection: Connection) -> tuple[Ask, ...]:
    """Ask for new contacts, and for deals whose event does not name their contacts.

    Another portal's record of the same number is another record: a token reads those of its own.
    """
    own = connection.get(_PORTAL.name)
    return each_once(
        (part for part in listed(body) if not own or text(record(part).get("portalId")) == own),
        _ask,
    )


def _ask(part: Any) -> list[Ask]:
    named, _, action = str(part.get("subscriptionType") or part["eventType"]).partition(".")
    kind = _kind(part.get("objectTypeId"), named)
    if kind == "deal":
        fits = action in ("creation", "restore") or (
            action == "propertyChange" and part["propertyName"] in _DEAL_FIELDS
        )
    else:
        fits = kind == "contact" and action == "creation"
    if not fits:
        return []
    portal, key = number(part["portalId"]), _record_of(part, action)
    if not (key.isascii() and key.isdigit()):
        return []
    params = (
        (("associations", "contacts"),)
        if kind == "deal"
        else (("properties", ",".join(_PERSONAL)),)
    )
    carried = written({"portalId": portal, "objectTypeId": _URL[kind]})
    return [
        Ask(
            f"{portal}:{kind}:{key}",
            f"/crm/v3/objects/{_PLURAL[kind]}/{key}",
            params,
            carried=carried,
        )
    ]


def answers(ask: Ask, answer: Any) -> Answer:
    """Return the record with the portal and the type asked for; a deal's contacts come in pages."""
    around = orjson.loads(ask.carried)
    known = around.get("object")
    if known:  # a page of a deal's contacts
        found = {
            **known,
            "associations": {"contacts": {"results": list(listed(record(answer)["results"]))}},
        }
        paging = answer.get("paging")
    else:
        found = record(answer)
        if not (found.get("id") and found.get("updatedAt")):
            raise ValueError("the answer is no record (id, updatedAt)")
        paging = record(record(found.get("associations")).get("contacts")).get("paging")
    body = written([{**around, "object": found}])
    after = text(record(record(paging).get("next")).get("after"), 200)
    if not after:
        return Answer((body,))
    carried = written({**around, "object": {"id": found["id"], "updatedAt": found["updatedAt"]}})
    path = ask.path if known else f"{ask.path}/associations/contacts"
    return Answer(
        (body,), Ask(ask.key, path, (("after", after), ("limit", "500")), carried=carried)
    )


def sign(secret: str, method: str, uri: str, body: bytes, timestamp: str) -> str:
    """Sign as HubSpot does: base64(HMAC-SHA256(secret, method + uri + body + timestamp))."""
    return base64_digest(
        secret, method.encode() + uri.encode(errors="replace") + body + timestamp.encode()
    )


def prove(call: Call, secrets: Secrets) -> bytes | None:
    """Check signature v3, at most 300 s old."""
    stamp, stated = (
        call.headers.get("x-hubspot-request-timestamp", ""),
        call.headers.get("x-hubspot-signature-v3", ""),
    )
    if not recent(stamp, call.now, _WINDOW_MS):
        return None
    decoded = _ENCODED.sub(lambda found: _DECODED[found[0].upper()], call.address)
    good = by_any(
        secrets("hubspot_secret"),
        lambda secret: equal(sign(secret, "POST", decoded, call.body, stamp), stated),
    )
    return call.body if good else None


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
            ",".join(_COMPUTED),
            "patterns of properties that machines keep, with commas between",
        ),
        _API,
        _PORTAL,
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
        address=_API,
        token=Secret(
            "hubspot_token", "a private app's token, with the scopes to read contacts and deals"
        ),
        wanted=wanted,
        answers=answers,
        rate=8.0,
    ),
)
