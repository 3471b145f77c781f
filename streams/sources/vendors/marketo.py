"""Marketo's activities and leads, as pages of its REST API: whoever asks for them relays them.

Fields: Adobe, Marketo Engage REST API, Get Lead Activities and Get Activity Types. An activity
names its type by a number that is the same in every instance; types from 100,000 on are an
installation's own. A merge's leadId is the one that is left.
"""

from __future__ import annotations

import re
from typing import Any

from schemas import topics
from schemas.events import EventType
from streams.sources.adapter import Connection, Normalised, digest, each
from streams.sources.values import (
    aliases,
    email_alias,
    identified,
    iso_ms,
    money,
    name,
    number,
    phone_alias,
    record,
    text,
)
from streams.sources.vendor import Option, Route, Vendor

# Types that are a touch: what it is called, and who it comes from.
_TOUCHES: dict[int, tuple[str, str]] = {
    1: ("page_view", "inbound"),
    3: ("link_click", "inbound"),
    6: ("email_sent", "automated"),
    11: ("email_click", "inbound"),
    39: ("email", "human"),
    41: ("email_click", "inbound"),
    45: ("email_reply", "inbound"),
}
# Known, and no activity of a person: Marketo's own records, and opens, which mail programs cause.
_MACHINES = {
    7: "Email Delivered", 8: "Email Bounced", 10: "Open Email", 19: "Sync Lead to SFDC",
    24: "Add to List", 25: "Remove from List", 27: "Email Bounced Soft", 36: "Update Opportunity",
    38: "Send Alert", 40: "Open Sales Email", 42: "Add to SFDC Campaign",
    43: "Remove from SFDC Campaign", 44: "Change Status in SFDC Campaign", 46: "Interesting Moment",
    47: "Request Campaign", 48: "Sales Email Bounced", 100: "Change Lead Partition",
    110: "Call Webhook", 113: "Add to Nurture",
}  # fmt: skip
_OWN = 100_000
_DELETED = (29, 37)
_STAGE_FIELDS = "Lead Status,Lifecycle Stage,Lead Lifecycle Stage,leadStatus"
_ADDRESSES = {
    "email address": email_alias,
    "email": email_alias,
    "phone number": phone_alias,
    "phone": phone_alias,
    "mobile phone number": phone_alias,
}
_IDS = re.compile(r"\d{1,20}")


def normalise(body: Any, received_at: int, connection: Connection) -> Normalised:
    """Transform a page of activities or of leads, or a list of either."""
    found = record(body).get("result", body)
    parts = found if isinstance(found, list) else [found]
    return each(
        parts, received_at, lambda part, out: _one(part, connection, out), lambda part: [part]
    )


def _alias(connection: Connection, value: Any) -> str:
    found = identified(value)
    if found is None:
        raise KeyError("leadId")
    return f"marketo:{connection.get('marketo_account', 'default')}:lead:{found}"


def _attributes(part: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes by their names in lower case; Marketo leaves out empty ones."""
    given = part.get("attributes")
    named = {
        text(record(one).get("name"), 100): record(one).get("value")
        for one in (given if isinstance(given, list) else ())
    }
    return {key.lower(): value for key, value in named.items() if key}


def _one(part: dict[str, Any], connection: Connection, out: Normalised) -> None:
    if "activityTypeId" not in part:
        _lead(part, connection, out)
        return
    kind, lead = number(part["activityTypeId"]), _alias(connection, part["leadId"])
    key = text(part.get("marketoGUID"), 100) or identified(part.get("id"))
    common: dict[str, Any] = {
        "id": f"marketo:activity:{key or digest(part)}",
        "occurred_at": iso_ms(part["activityDate"]),
        "source": "marketo",
        "aliases": (lead,),
    }
    attributes = _attributes(part)
    if text(attributes.get("is bot activity")) == "true":
        out.ignored.append("bot activity")
    elif kind in _TOUCHES:
        what, direction = _TOUCHES[kind]
        out.add(type=EventType.TOUCH, kind=what, direction=direction, **common)
    elif kind in _DELETED:
        out.add(type=EventType.DELETED, **common)
    else:
        _other(kind, part, attributes, common, connection, out)


def _other(
    kind: int,
    part: dict[str, Any],
    attributes: dict[str, Any],
    common: dict[str, Any],
    connection: Connection,
    out: Normalised,
) -> None:
    about = text(part.get("primaryAttributeValue"), 200) or ""
    match kind:
        case 2:
            form = text(attributes.get("webform name")) or about
            out.add(
                type=EventType.CREATED,
                kind="form",
                direction="inbound",
                attributes={"form": form} if form else {},
                **common,
            )
        case 12:
            out.add(
                type=EventType.CREATED,
                kind="crm",
                direction="inbound",
                origin=text(attributes.get("lead source")),
                **common,
            )
        case 9:
            out.add(type=EventType.CONSENT, granted=False, **common)
        case 13:
            _changed(about, text(attributes.get("new value")) or "", common, connection, out)
        case 22:
            _score(about, attributes, common, out)
        case 23:
            owner = (
                text(attributes.get("new owner"))
                or text(attributes.get("new value"))
                or text(attributes.get("owner"))
                or about
            )
            out.add(type=EventType.ASSIGNED, owner=owner, **common)
        case 32:
            _merge(attributes, common, connection, out)
        case 34 | 35:
            _on_deal(kind, part, attributes, common, connection, out)
        case 101 | 102 if stage := text(attributes.get("new stage")) or text(
            attributes.get("new stage name")
        ):
            out.add(type=EventType.STAGE_REPORTED, stage=stage, **common)
        case 104 if text(attributes.get("success")) == "true":
            status = text(attributes.get("new status"), 60) or "success"
            out.add(
                type=EventType.TOUCH,
                kind="event_attended" if status.lower() == "attended" else f"program:{status}",
                direction="inbound",
                **common,
            )
        case _ if kind >= _OWN:
            out.add(
                type=EventType.TOUCH,
                kind=about[:60] or f"activity:{kind}",
                direction="inbound",
                **common,
            )
        case _:
            out.ignored.append(_MACHINES.get(kind, f"activity type {kind}"))


def _changed(
    field: str, value: str, common: dict[str, Any], connection: Connection, out: Normalised
) -> None:
    """Add what a changed field means; most are kept by machines, and Marketo names no hand."""
    stages = [
        one.strip().lower()
        for one in connection.get("marketo_stage_fields", _STAGE_FIELDS).split(",")
    ]
    known = _ADDRESSES.get(field.lower())
    if not value:
        out.ignored.append(f"{field[:60]} cleared")  # a blank means nothing
    elif field.lower() in stages:
        out.add(type=EventType.STAGE_REPORTED, stage=value, **common)
    elif field.lower() == "unsubscribed":
        out.add(type=EventType.CONSENT, granted=value.lower() not in ("1", "true"), **common)
    elif known and (alias := known(value)):
        out.add(type=EventType.LINKED, **{**common, "aliases": (*common["aliases"], alias)})
    else:
        out.ignored.append(f"field {field[:60]}")


def _score(field: str, attributes: dict[str, Any], common: dict[str, Any], out: Normalised) -> None:
    """Take the score of the person; an installation may keep many others."""
    value = money(attributes.get("new value"))
    if field.lower() not in ("lead score", "score", "person score"):
        out.ignored.append(f"score {field[:60]}")
    elif not value:
        raise ValueError("New Value is no number")
    else:
        out.add(type=EventType.SCORE_CHANGED, score=float(value), **common)


def _merge(
    attributes: dict[str, Any], common: dict[str, Any], connection: Connection, out: Normalised
) -> None:
    """Add a merge of several leads. `Merge IDs` is a list, or a text that looks like one."""
    given = attributes.get("merge ids")
    keys = given if isinstance(given, list) else _IDS.findall(text(given) or "")
    others = aliases(*(_alias(connection, key) for key in keys if identified(key)))
    others = tuple(alias for alias in others if alias not in common["aliases"])
    if not others:
        raise ValueError("Merge IDs names no other lead")
    out.add(type=EventType.MERGE, **{**common, "aliases": (*common["aliases"], *others)})


def _on_deal(
    kind: int,
    part: dict[str, Any],
    attributes: dict[str, Any],
    common: dict[str, Any],
    connection: Connection,
    out: Normalised,
) -> None:
    """Add whose a deal is, or no longer is."""
    key = identified(part.get("primaryAttributeValueId")) or name(part.get("primaryAttributeValue"))
    if key is None:
        raise KeyError("primaryAttributeValueId")
    deal = f"marketo:{connection.get('marketo_account', 'default')}:opportunity:{key}"
    primary = text(attributes.get("is primary")) == "true"
    role = {} if primary or kind == 35 else {"role": text(attributes.get("role"), 100) or "contact"}
    mark = ":primary" if primary and kind == 34 else ""  # members.PRIMARY
    both = {**common, "id": f"{common['id']}{mark}", "aliases": (*common["aliases"], deal)}
    out.add(
        type=EventType.LINKED if kind == 34 else EventType.UNMERGE,
        deal={"id": deal, **role},
        **both,
    )


def _lead(part: dict[str, Any], connection: Connection, out: Normalised) -> None:
    """Add a lead of the leads' own pages: who it is, and that it was there."""
    lead = _alias(connection, part["id"])
    found = aliases(
        lead,
        email_alias(part.get("email")),
        phone_alias(part.get("phone")),
        phone_alias(part.get("mobilePhone")),
    )
    common: dict[str, Any] = {
        "source": "marketo",
        "aliases": found,
        "account": text(part.get("company")),
    }
    if part.get("createdAt"):
        source = text(part.get("leadSource"))
        out.add(
            id=f"{lead}:created",
            type=EventType.CREATED,
            kind="crm",
            direction="inbound",
            origin=source,
            occurred_at=iso_ms(part["createdAt"]),
            **common,
        )
    at = iso_ms(part["updatedAt"]) if part.get("updatedAt") else out.received_at
    out.add(
        id=f"{lead}:known:{digest([found, common['account']])}",
        type=EventType.LINKED,
        occurred_at=at,
        **common,
    )


_EXAMPLE: Any = {
    "result": [
        {
            "id": 1,
            "marketoGUID": "an-example",
            "leadId": 5,
            "activityDate": "2026-01-31T09:00:00Z",
            "activityTypeId": 1,
            "attributes": [],
        }
    ]
}

VENDOR = Vendor(
    name="marketo",
    title="Marketo activities",
    topic=topics.RAW_CRM,
    normalise=normalise,
    sends=frozenset({"inbound", "automated", "human", "moved"}),
    evidence="constructed",
    documentation=(
        "https://experienceleague.adobe.com/en/docs/marketo-developer/marketo"
        "/rest/lead-database/activities"
    ),
    routes=(
        Route(
            "/v1/marketo",
            "Take a page of Marketo's activities or leads, from whoever asks Marketo for it.",
            example=_EXAMPLE,
        ),
    ),
    options=(
        Option(
            "marketo_account",
            "default",
            "the instance's name in aliases (its Munchkin id), where several send",
        ),
        Option(
            "marketo_stage_fields",
            _STAGE_FIELDS,
            "fields that hold a lead's stage, with commas between",
        ),
    ),
    records=("lead",),
    deals=("opportunity",),
    origin="marketing",
    retries="none of its own: whoever asks for pages sends a page again",
)
