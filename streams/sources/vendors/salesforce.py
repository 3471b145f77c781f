"""Salesforce Change Data Capture as JSON, through a relay: Lead, Contact and Opportunity events.

Fields: Salesforce CDC developer guide. In the Pub/Sub shape an update carries null for UNCHANGED fields, so a null is
never a change; one event may carry several recordIds; GAP_* means that the record must be read again, GAP_OVERFLOW
(id 000000000000000AAA) that all must.
"""

from __future__ import annotations

from typing import Any

from schemas.events import EventType
from streams.sources.adapter import Connection, Normalised, aliases, each, email_alias, event, phone_alias

_READ = {"Lead": "lead", "Contact": "contact", "Opportunity": "opportunity"}


def normalise(body: Any, received_at: int, connection: Connection) -> Normalised:
    """Turn one change event, or a list of them."""
    parts = body if isinstance(body, list) else [body]
    return each(parts, lambda part, out: _change(part, received_at, connection.salesforce_org, out))


def _change(part: dict[str, Any], received_at: int, org: str, out: Normalised) -> None:
    part = part.get("payload", part)
    header = part["ChangeEventHeader"]
    change, entity = header["changeType"], header["entityName"]
    if change == "GAP_OVERFLOW":
        raise ValueError(f"GAP_OVERFLOW: changes of {entity} were lost; run a full resync of {entity}")
    if change.startswith("GAP_"):
        ids = ", ".join(header["recordIds"])
        raise ValueError(f"{change}: {entity} {ids} changed and the event does not say how; read it again")
    if entity not in _READ:
        out.ignored.append(str(entity))
        return
    for record in header["recordIds"]:
        said = {name: value for name, value in part.items() if value is not None and name != "ChangeEventHeader"}
        transaction = f"{header['transactionKey']}:{header.get('sequenceNumber', 0)}:{record}"
        common: dict[str, Any] = {
            "occurred_at": int(header["commitTimestamp"]),
            "sequence": int(header.get("sequenceNumber", 0)),
            "source": "salesforce",
            "record_url": f"https://login.salesforce.com/{record}",
        }
        turn = {"Lead": _lead, "Contact": _contact, "Opportunity": _opportunity}[entity]
        turn(
            change,
            said,
            f"salesforce:{org}:{_READ[entity]}:{record}",
            f"salesforce:{transaction}",
            common,
            received_at,
            out,
        )


def _lead(change: str, said: dict[str, Any], alias: str, name: str, common: dict[str, Any], received_at: int, out: Normalised) -> None:
    known = aliases(alias, email_alias(said.get("Email")), phone_alias(said.get("Phone")))
    owner = {"owner": said["OwnerId"]} if said.get("OwnerId") else {}
    if change == "DELETE":
        out.events.append(event(received_at, id=name, type=EventType.DELETED, aliases=known, **common))
        return
    if change == "CREATE":
        out.events.append(
            event(
                received_at,
                id=f"{name}:created",
                type=EventType.CREATED,
                aliases=known,
                kind="crm",
                direction="inbound",
                origin=said.get("LeadSource"),
                account=said.get("Company"),
                **owner,
                **common,
            )
        )
    if said.get("Status") or said.get("IsConverted"):
        stage = said.get("Status") or "Closed - Converted"
        reason = said.get("Rejection_Reason__c")
        out.events.append(
            event(
                received_at,
                id=f"{name}:stage",
                type=EventType.STAGE_REPORTED,
                aliases=known,
                stage=stage,
                reason=reason,
                **common,
            )
        )
    if said.get("IsConverted"):
        org = alias.split(":")[1]
        contact, deal = said.get("ConvertedContactId"), said.get("ConvertedOpportunityId")
        if contact:  # Salesforce's word: the contact may have been there, with a lead that was converted before
            known = (alias, f"salesforce:{org}:contact:{contact}")
            out.events.append(event(received_at, id=f"{name}:converted", type=EventType.MERGE, aliases=known, **common))
        if deal:
            _on_deal(f"{name}:deal", alias, f"salesforce:{org}:opportunity:{deal}", common, received_at, out)
    if change != "CREATE" and said.get("OwnerId"):
        out.events.append(event(received_at, id=f"{name}:owner", type=EventType.ASSIGNED, aliases=(alias,), **owner, **common))
    if change != "CREATE" and not {"Status", "IsConverted", "OwnerId"} & said.keys():
        out.events.append(
            event(
                received_at,
                id=name,
                type=EventType.TOUCH,
                aliases=known,
                kind="crm_update",
                direction="inbound",
                **common,
            )
        )


def _on_deal(name: str, person: str, deal: str, common: dict[str, Any], received_at: int, out: Normalised) -> None:
    """Say whose a deal is, under the person's alias: the row of a second contact must know which deal it influenced."""
    out.events.append(event(received_at, id=name, type=EventType.LINKED, aliases=(person, deal), deal={"id": deal}, **common))


def _contact(change: str, said: dict[str, Any], alias: str, name: str, common: dict[str, Any], received_at: int, out: Normalised) -> None:
    kind = EventType.DELETED if change == "DELETE" else EventType.LINKED
    known = aliases(alias, email_alias(said.get("Email")), phone_alias(said.get("Phone")))
    out.events.append(event(received_at, id=name, type=kind, aliases=known, **common))


def _opportunity(
    change: str, said: dict[str, Any], alias: str, name: str, common: dict[str, Any], received_at: int, out: Normalised
) -> None:
    if change == "DELETE":
        out.events.append(
            event(
                received_at,
                id=name,
                type=EventType.OPPORTUNITY_LOST,
                aliases=(alias,),
                reason="deleted",
                deal={"id": alias},
                **common,
            )
        )
        return
    deal: dict[str, Any] = {"id": alias}
    if "Amount" in said:
        deal["amount"] = f"{said['Amount']:.2f}"
    if said.get("CurrencyIsoCode"):
        deal["currency"] = said["CurrencyIsoCode"]
    if said.get("CloseDate"):
        deal["close_date"] = str(said["CloseDate"])  # ms in change events, a day elsewhere
    if said.get("StageName"):
        deal["stage"] = said["StageName"]
    if said.get("ContactId"):
        _on_deal(f"{name}:contact", f"salesforce:{alias.split(':')[1]}:contact:{said['ContactId']}", alias, common, received_at, out)
    kind = EventType.OPPORTUNITY_STAGE_CHANGED
    if said.get("IsWon"):
        kind = EventType.OPPORTUNITY_WON
    elif said.get("IsClosed"):
        kind = EventType.OPPORTUNITY_LOST
    elif change == "CREATE":
        kind = EventType.OPPORTUNITY_CREATED
    out.events.append(event(received_at, id=name, type=kind, aliases=(alias,), deal=deal, **common))
