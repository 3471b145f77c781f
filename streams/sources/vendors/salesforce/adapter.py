"""What change events, and records that were read of the REST API, become."""

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

from .words import API, COMPUTED, KINDS, READ_AGAIN, canonical, parts_of, unwrapped

# Of a record that is read: what it had when it was made, and who it is.
_MADE, _WHO = ("LeadSource", "Company"), ("Email", "PersonEmail", "Phone", "MobilePhone", "OwnerId")
_PERSON_PREFIX = {"003": "contact", "00Q": "lead"}  # what a WhoId names


def normalise(body: Any, received_at: int, connection: Connection) -> Normalised:
    """Transform one change event, or a list of them, however wrapped."""
    return each(parts_of(body), received_at, lambda part, out: _one(part, connection, out))


def _one(part: Any, connection: Connection, out: Normalised) -> None:
    if isinstance(record(part).get("attributes"), dict) and part.get("Id"):
        _read(part, connection, out)
    else:
        _change(part, connection, out)


class _Change:
    """One change of one record, as its handlers need it."""

    def __init__(
        self, header: dict[str, Any], fields: dict[str, Any], key: str, connection: Connection
    ) -> None:
        self.type, self.entity, self.key = header["changeType"], header["entityName"], key
        self.org, self.fields, self.connection = (
            connection.get("salesforce_org", "default"),
            fields,
            connection,
        )
        cleared = header.get("nulledFields")
        self.cleared = frozenset(map(str, cleared)) if isinstance(cleared, list) else frozenset()
        self.at, sequence = (
            number(header["commitTimestamp"]),
            number(header.get("sequenceNumber") or 0),
        )
        transaction = text(header.get("transactionKey")) or f"body-{digest([header, fields])}"
        self.name = f"salesforce:{transaction}:{sequence}:{key}"
        self.common: dict[str, Any] = {
            "occurred_at": self.at,
            "sequence": sequence,
            "source": "salesforce",
        }
        self.shown = {"record_url": f"https://login.salesforce.com/{key}"}

    def alias(self, kind: str, value: Any) -> str | None:
        """Return the alias of a record of the org."""
        found = identified(value)
        return f"salesforce:{self.org}:{kind}:{canonical(found)}" if found else None

    def person(self, value: Any) -> str | None:
        """Return the alias that a WhoId means; None for nobody, or for what is no person."""
        kind = _PERSON_PREFIX.get(str(value or "")[:3])
        return self.alias(kind, value) if kind else None

    @property
    def known(self) -> tuple[str, ...]:
        """Return the aliases of a lead or contact: the record, and its addresses."""
        emails = (email_alias(self.fields.get(name)) for name in ("Email", "PersonEmail"))
        phones = (phone_alias(self.fields.get(name)) for name in ("Phone", "MobilePhone"))
        return aliases(self.alias(KINDS[self.entity], self.key), *emails, *phones)

    @property
    def only_computed(self) -> bool:
        """Return whether nothing changed but what machines keep."""
        patterns = self.connection.get("salesforce_computed", ",".join(COMPUTED))
        return all(named_by(name, patterns) for name in (*self.fields, *self.cleared))


def _change(part: Any, connection: Connection, out: Normalised) -> None:
    part = unwrapped(part)
    header = part["ChangeEventHeader"]
    kind, entity = header["changeType"], str(header["entityName"])
    if kind == "GAP_OVERFLOW":
        raise ValueError(
            f"GAP_OVERFLOW: changes of {entity} were lost; run a full resync of {entity}"
        )
    if kind in ("GAP_DELETE", "GAP_UNDELETE") and entity in _HANDLERS:
        # A record that is read does not show that it was away.
        header = {**header, "changeType": kind.removeprefix("GAP_")}
    elif kind in READ_AGAIN and entity in KINDS and connection.get(API.name):
        out.ignored.append(kind)  # the record that a retriever reads has its present state
        return
    elif str(kind).startswith("GAP_"):
        ids = ", ".join(map(str, header["recordIds"]))
        raise ValueError(
            f"{kind}: {entity} {ids} changed and the event does not say how; read it again"
        )
    handle = _HANDLERS.get(entity)
    if handle is None:
        out.ignored.append(entity)
        return
    fields = {
        name: value
        for name, value in part.items()
        if value is not None and name != "ChangeEventHeader"
    }
    for key in header["recordIds"]:
        handle(_Change(header, fields, canonical(str(key)), connection), out)


def _read(found: dict[str, Any], connection: Connection, out: Normalised) -> None:
    """Transform a record of the REST API as two changes would: its creation, and its state now."""
    entity, key = text(found["attributes"].get("type"), 40) or "", canonical(str(found["Id"]))
    handle = _HANDLERS.get(entity)
    if handle is None or entity not in KINDS:
        out.ignored.append(entity or "record")
        return
    fields = {
        name: value for name, value in found.items() if value is not None and name != "attributes"
    }
    made = {name: fields[name] for name in (*_MADE, *_WHO) if name in fields}
    stamp = found.get("SystemModstamp") or found.get("LastModifiedDate")
    if found.get("CreatedDate"):
        header = {
            "changeType": "CREATE",
            "transactionKey": f"record-{key}",
            "commitTimestamp": iso_ms(found["CreatedDate"]),
        }
        handle(_Change({**header, "entityName": entity}, made, key, connection), out)
    gone = found.get("IsDeleted") is True
    header = {
        "changeType": "DELETE" if gone else "UPDATE",
        "transactionKey": f"record-{key}-{stamp}",
        "commitTimestamp": iso_ms(stamp),
    }
    state = {name: value for name, value in fields.items() if name not in _MADE}
    master = (
        canonical(str(found["MasterRecordId"])) if identified(found.get("MasterRecordId")) else ""
    )
    # It was deleted because it became part of another.
    if gone and master and entity in ("Lead", "Contact"):
        one = _Change({**header, "entityName": entity}, {}, key, connection)
        both = (one.alias(KINDS[entity], master), one.alias(KINDS[entity], key))
        out.add(id=f"{one.name}:merged", type=EventType.MERGE, aliases=aliases(*both), **one.common)
        return
    handle(_Change({**header, "entityName": entity}, state, key, connection), out)


def _lead(change: _Change, out: Normalised) -> None:
    fields, common, known = change.fields, change.common, change.known
    if _gone_or_back(change, known, out) and change.type == "DELETE":
        return
    owner = {"owner": text(fields["OwnerId"])} if fields.get("OwnerId") else {}
    if change.type == "CREATE":
        out.add(
            # Once, whichever reports it: the change, or the record that is read.
            id=f"salesforce:{change.org}:{change.key}:created",
            type=EventType.CREATED,
            aliases=known,
            kind="crm",
            direction="inbound",
            origin=text(fields.get("LeadSource")),
            account=text(fields.get("Company")),
            **owner,
            **common,
            **change.shown,
        )
    converted = fields.get("IsConverted") is True
    if fields.get("Status") or converted:
        out.add(
            id=f"{change.name}:stage",
            type=EventType.STAGE_REPORTED,
            aliases=known,
            stage=text(fields.get("Status")) or "Closed - Converted",
            reason=text(fields.get("Rejection_Reason__c")),
            **common,
            **change.shown,
        )
    if converted:
        contact = change.alias("contact", fields.get("ConvertedContactId"))
        deal = change.alias("opportunity", fields.get("ConvertedOpportunityId"))
        # Salesforce reports it: the contact may have come with a lead that was converted before.
        if contact:
            both = (known[0], contact)
            out.add(
                id=f"{change.name}:converted",
                type=EventType.MERGE,
                aliases=both,
                attributes={"record": "converted"},
                **common,
            )
        if deal:
            _on_deal(f"{change.name}:deal", known[0], deal, {}, common, out)
    _rest(change, known, {"Status", "IsConverted"}, owner, out)


def _contact(change: _Change, out: Normalised) -> None:
    known = change.known
    if _gone_or_back(change, known, out) and change.type == "DELETE":
        return
    owner = {"owner": text(change.fields["OwnerId"])} if change.fields.get("OwnerId") else {}
    out.add(id=change.name, type=EventType.LINKED, aliases=known, **change.common, **change.shown)
    _rest(change, known, set(change.fields) - {"OwnerId", "HasOptedOutOfEmail"}, owner, out)


def _gone_or_back(change: _Change, known: tuple[str, ...], out: Normalised) -> bool:
    """Add that a record was deleted, or is there again."""
    if change.type not in ("DELETE", "UNDELETE"):
        return False
    kind = EventType.DELETED if change.type == "DELETE" else EventType.RESTORED
    out.add(id=f"{change.name}:{kind.value}", type=kind, aliases=known, **change.common)
    return True


def _rest(
    change: _Change, known: tuple[str, ...], heard: set[str], owner: dict[str, Any], out: Normalised
) -> None:
    """Add what leads and contacts share: consent, owner, and that somebody worked on the record."""
    fields, common = change.fields, change.common
    opted_out = fields.get("HasOptedOutOfEmail")
    if isinstance(opted_out, bool) and (opted_out or change.type != "CREATE"):
        out.add(
            id=f"{change.name}:consent",
            type=EventType.CONSENT,
            aliases=known,
            granted=not opted_out,
            **common,
        )
    if change.type == "CREATE":
        return
    if owner or "OwnerId" in change.cleared:
        out.add(
            id=f"{change.name}:owner",
            type=EventType.ASSIGNED,
            aliases=known[:1],
            **(owner or {"owner": ""}),
            **common,
            **change.shown,
        )
    elif change.type == "UPDATE" and change.only_computed:
        out.ignored.append(f"{change.entity} computed")
    elif change.type == "UPDATE" and not heard & fields.keys() and not isinstance(opted_out, bool):
        out.add(
            id=change.name,
            type=EventType.TOUCH,
            aliases=known,
            kind="crm_update",
            direction="inbound",
            **common,
            **change.shown,
        )


def _on_deal(
    name: str, person: str, deal: str, role: dict[str, Any], common: dict[str, Any], out: Normalised
) -> None:
    """Add whose a deal is, under the person's alias, so that each contact's row knows its deal."""
    out.add(
        id=name, type=EventType.LINKED, aliases=(person, deal), deal={"id": deal, **role}, **common
    )


def _opportunity(change: _Change, out: Normalised) -> None:
    fields, common = change.fields, {**change.common, **change.shown}
    alias = f"salesforce:{change.org}:opportunity:{change.key}"
    if change.type in ("DELETE", "UNDELETE"):
        kind = (
            EventType.OPPORTUNITY_DELETED
            if change.type == "DELETE"
            else EventType.OPPORTUNITY_RESTORED
        )
        out.add(
            id=f"{change.name}:{kind.value}",
            type=kind,
            aliases=(alias,),
            deal={"id": alias},
            **change.common,
        )
        if change.type == "DELETE":
            return
    deal: dict[str, Any] = {"id": alias}
    found = {
        "amount": money(fields.get("Amount")),
        "currency": text(fields.get("CurrencyIsoCode")),
        "close_date": day_in(fields.get("CloseDate"), "UTC"),
        "stage": text(fields.get("StageName")),
    }
    deal |= {name: value for name, value in found.items() if value}
    deal |= {
        name: ""
        for name, field in (("amount", "Amount"), ("close_date", "CloseDate"))
        if field in change.cleared
    }
    contact = change.alias("contact", fields.get("ContactId"))
    if contact:
        _on_deal(f"{change.name}:contact", contact, alias, {}, change.common, out)
    if fields.get("OwnerId") and change.type != "CREATE":
        out.add(
            id=f"{change.name}:owner",
            type=EventType.ASSIGNED,
            aliases=(alias,),
            owner=text(fields["OwnerId"]),
            **common,
        )
    if fields.get("IsWon") is True:
        kind = EventType.OPPORTUNITY_WON
    elif fields.get("IsClosed") is True:
        kind = EventType.OPPORTUNITY_LOST
    elif change.type == "CREATE":
        kind = EventType.OPPORTUNITY_CREATED
    elif len(deal) > 1:
        kind = EventType.OPPORTUNITY_STAGE_CHANGED
    elif change.only_computed:
        out.ignored.append("Opportunity computed")
        return
    else:
        out.add(
            id=change.name,
            type=EventType.TOUCH,
            aliases=(alias,),
            kind="crm_update",
            direction="inbound",
            **common,
        )
        return
    reason = text(fields.get("Loss_Reason__c")) if kind == EventType.OPPORTUNITY_LOST else None
    out.add(id=change.name, type=kind, aliases=(alias,), deal=deal, reason=reason, **common)


def _contact_role(change: _Change, out: Normalised) -> None:
    """Join a contact and a deal. The primary contact decides whose the deal is."""
    contact, deal = (
        change.alias("contact", change.fields.get("ContactId")),
        change.alias("opportunity", change.fields.get("OpportunityId")),
    )
    if change.type == "DELETE" or not contact or not deal:
        # A change that names neither side tells nothing about them.
        out.ignored.append(f"OpportunityContactRole {change.type}")
        return
    primary = change.fields.get("IsPrimary") is True
    role = {} if primary else {"role": text(change.fields.get("Role"), 100) or "contact"}
    name = f"{change.name}:primary" if primary else change.name  # members.PRIMARY
    _on_deal(name, contact, deal, role, change.common, out)


def _activity(change: _Change, out: Normalised) -> None:
    """Add the touch of a task that was done, or of a meeting that was booked.

    An update names only what changed, and so not the person: the task itself is a weak alias, which
    learns whose it is.
    """
    fields, who = change.fields, change.person(change.fields.get("WhoId"))
    weak = f"salesforce:anon:{change.entity.lower()}-{change.key}"
    if who:
        out.add(
            id=f"{change.name}:who", type=EventType.LINKED, aliases=(who, weak), **change.common
        )
    done = (
        change.entity == "Event"
        or fields.get("Status") == "Completed"
        or fields.get("IsClosed") is True
    )
    if (
        change.type == "DELETE"
        or not done
        or (change.entity == "Event" and change.type != "CREATE")
    ):
        out.ignored.append(f"{change.entity} {'open' if change.type != 'DELETE' else 'deleted'}")
        return
    subtype = (
        text(fields.get("TaskSubtype")) or ("meeting" if change.entity == "Event" else "task")
    ).lower()
    inbound, automated = fields.get("CallType") == "Inbound", subtype == "listemail"
    out.add(
        id=f"salesforce:{change.entity.lower()}:{change.key}:done",
        type=EventType.TOUCH,
        aliases=(who,) if who else (weak,),
        kind=subtype,
        direction="inbound" if inbound else "automated" if automated else "human",
        **change.common,
    )


_HANDLERS = {
    "Lead": _lead,
    "Contact": _contact,
    "Opportunity": _opportunity,
    "OpportunityContactRole": _contact_role,
    "Task": _activity,
    "Event": _activity,
}
