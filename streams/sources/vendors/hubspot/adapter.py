"""What HubSpot's webhooks, and records that were read of its API, become."""

from __future__ import annotations

from typing import Any

from schemas.events import EventType
from streams.sources.adapter import Connection, Normalised, digest, each
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

from .words import (
    ASSOCIATIONS,
    COMPUTED,
    CONTACTED,
    DEAL_FIELDS,
    HUMAN,
    MACHINES,
    PEOPLE,
    URL,
    WORKED_ON,
    kind_of,
    record_of,
)


def normalise(body: Any, received_at: int, connection: Connection) -> Normalised:
    """Transform one delivery."""
    if not isinstance(body, list):
        raise ValueError(  # noqa: TRY004 - the sender's mistake, not ours
            "a HubSpot delivery is a list of events"
        )
    return each(
        body, received_at, lambda part, out: _one(part, connection, out), lambda part: [part]
    )


def _one(part: dict[str, Any], connection: Connection, out: Normalised) -> None:
    if isinstance(part.get("object"), dict):
        _read(part, out)
        return
    subscription = str(part.get("subscriptionType") or part["eventType"])
    named, _, action = subscription.partition(".")
    if action == "associationChange":
        _association(part, named, out)
        return
    kind = kind_of(part.get("objectTypeId"), named)
    if kind not in URL:
        out.ignored.append(kind)  # a company, a ticket: known, and no lead's
        return
    portal, key = number(part["portalId"]), record_of(part, action)
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
    return f"https://app.hubspot.com/contacts/{portal}/record/{URL[kind]}/{key}"


def _read(part: dict[str, Any], out: Normalised) -> None:
    """Add who a record of the CRM API is, and whose a deal is.

    The record carries the portal and the type that were asked for. Its stages and amounts came with
    the webhooks, with their times.
    """
    found, kind, portal = (
        part["object"],
        kind_of(part.get("objectTypeId"), ""),
        number(part["portalId"]),
    )
    if kind not in URL:
        out.ignored.append(kind)
        return
    key, properties = _needed(found.get("id")), record(found.get("properties"))
    alias, at = f"hubspot:{portal}:{kind}:{key}", iso_ms(found["updatedAt"])
    common: dict[str, Any] = {"source": "hubspot", "record_url": _address_of(portal, kind, key)}
    if kind == "contact":
        people = (
            email_alias(one)
            for name in PEOPLE
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
    other = next((kind for kind in kinds if kind in WORKED_ON), "")
    if set(kinds) == {"contact", "deal"}:
        _deal_of(part, found, out)
    elif other and ("deal" in kinds or ("contact" in kinds and other in CONTACTED)):
        _work(part, other, "deal" if "deal" in kinds else "contact", found, out)
    else:
        out.ignored.append(f"association {'-'.join(sorted(set(kinds)))}")


def _ends(part: dict[str, Any], named: str) -> tuple[str, str] | None:
    """Return the kinds that an association joins, in HubSpot's order.

    They follow from the types of objects, else from its name, else from its number.
    """
    if part.get("fromObjectTypeId") and part.get("toObjectTypeId"):
        return kind_of(part["fromObjectTypeId"], ""), kind_of(part["toObjectTypeId"], "")
    if part.get("associationType"):
        first, to, second = str(part["associationType"]).lower().partition("_to_")
        return (first, second) if to else None
    number_of = part.get("associationTypeId")
    known = ASSOCIATIONS.get(number_of) if isinstance(number_of, int) else None
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
        kind=WORKED_ON[kind],
        direction="human",
    )


def _needed(value: Any) -> str:
    found = identified(value)
    if found is None:
        raise KeyError("objectId")
    return found


def _computed(part: dict[str, Any], name: str, connection: Connection) -> bool:
    """Return whether a machine keeps a property, by who changed it and by its name."""
    return part.get("changeSource") in MACHINES or named_by(
        name, connection.get("hubspot_computed", ",".join(COMPUTED))
    )


def _property(
    part: dict[str, Any],
    alias: str,
    connection: Connection,
    common: dict[str, Any],
    out: Normalised,
) -> None:
    name, value = str(part["propertyName"]), text(part.get("propertyValue")) or ""
    if name in PEOPLE or name in ("phone", "mobilephone"):
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
    elif name in HUMAN:
        out.add(type=EventType.TOUCH, kind=HUMAN[name], direction="human", **common)
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
    if name not in DEAL_FIELDS:
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
        deal={"id": alias, DEAL_FIELDS[name]: found},
        **common,
    )
