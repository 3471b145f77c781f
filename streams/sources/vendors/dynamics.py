"""Microsoft Dynamics 365 Sales: the execution contexts that Dataverse posts to webhooks, as JSON.

Fields: Microsoft Learn, Dataverse webhooks and RemoteExecutionContext. Attributes and parameters
are lists of key and value; an option's text stands in FormattedValues; times are `/Date(ms)/`. A
body over 256 kB comes without its parameters: then the record must be read again. Its proof is the
webhook's key, in the query (`code`) or in a header.
"""

from __future__ import annotations

import re
from typing import Any

from schemas import topics
from schemas.events import EventType
from streams.sources.adapter import Connection, Normalised, digest, each
from streams.sources.proof import by_any, equal
from streams.sources.values import (
    aliases,
    day_in,
    email_alias,
    identified,
    iso_ms,
    money,
    name,
    phone_alias,
    record,
    text,
)
from streams.sources.vendor import Call, Route, Scheme, Secret, Secrets, Vendor

_DATE = re.compile(r"/Date\((-?\d{1,15})(?:[+-]\d{4})?\)/")
_KINDS = {"lead": "lead", "contact": "contact", "opportunity": "opportunity"}
_MAILS = ("emailaddress1", "emailaddress2", "emailaddress3")
_PHONES = ("mobilephone", "telephone1", "telephone2")
# Activities, and what a completed one is called; Dataverse knows the direction of calls and emails.
_WORK = {
    "phonecall": "call",
    "appointment": "meeting",
    "email": "email",
    "task": "task",
    "letter": "letter",
    "msdyn_ocsession": "chat",
}
_COMPLETED = 1  # statecode of an activity; of a lead: qualified; of an opportunity: won
_LOST = 2  # statecode of an opportunity; of a lead: disqualified
# Names of a lead's states where no text of its status is sent.
_STATES = {0: "New", 1: "Qualified", 2: "Disqualified"}


def canonical(key: str) -> str:
    """Write a GUID in one form: lower case, without braces."""
    return key.strip("{}").lower()


def normalise(body: Any, received_at: int, _connection: Connection) -> Normalised:
    """Transform one execution context, or a list of them."""
    return each(body if isinstance(body, list) else [body], received_at, _one)


def _pairs(value: Any) -> dict[str, Any]:
    """Read a list of key and value as an object; also one that is an object already."""
    if isinstance(value, dict):
        return value
    return {
        key: record(one).get("value")
        for one in (value if isinstance(value, list) else ())
        if (key := text(record(one).get("key"), 100))
    }


def _plain(value: Any) -> Any:
    """Return an attribute's value: an option's number, an amount, ISO 8601, or a reference."""
    if isinstance(value, dict) and "Value" in value:
        value = value["Value"]
    if isinstance(value, str) and (found := _DATE.fullmatch(value)):
        return int(found[1])
    return value


def _attributes(entity: Any) -> dict[str, Any]:
    """Return what an entity's attributes hold, by name; nothing where it is none."""
    given = _pairs(record(entity).get("Attributes"))
    return {key: _plain(value) for key, value in given.items()}


class _Context:
    """One execution context, as its handlers need it."""

    def __init__(self, part: dict[str, Any]) -> None:
        self.message, self.entity = (
            text(part["MessageName"], 60) or "",
            (text(part["PrimaryEntityName"], 60) or "").lower(),
        )
        self.org = (text(part.get("OrganizationId"), 60) or "default").lower()
        self.given, self.given_back = (
            _pairs(part.get("InputParameters")),
            _pairs(part.get("OutputParameters")),
        )
        target = record(self.given.get("Target"))
        image = next((record(one) for one in _pairs(part.get("PostEntityImages")).values()), {})
        self.fields = _attributes(target)
        self.whole = {**_attributes(image), **self.fields}
        self.closing = _attributes(self.given.get("OpportunityClose"))
        self.words = {
            **_pairs(image.get("FormattedValues")),
            **_pairs(target.get("FormattedValues")),
        }
        places = (  # zeros where the message has no record of its own
            part.get("PrimaryEntityId"),
            target.get("Id"),
            record(self.closing.get("opportunityid")).get("Id"),
            record(self.given.get("LeadId")).get("Id"),
        )
        key = next((found for place in places if (found := name(place))), None)
        if key is None:
            raise KeyError("PrimaryEntityId")
        self.key, self.at = canonical(key), _time(part["OperationCreatedOn"])
        content = digest(
            [
                self.message,
                part.get("OperationCreatedOn"),
                part.get("InputParameters"),
                part.get("OutputParameters"),
            ]
        )
        self.name = f"dynamics:{self.entity}:{self.key}:{content}"
        self.common: dict[str, Any] = {
            "id": self.name,
            "occurred_at": self.at,
            "source": "dynamics",
        }

    def alias(self, kind: str, value: Any) -> str | None:
        """Return the alias of a record, by its id or by a reference to it."""
        found = identified(record(value).get("Id") if isinstance(value, dict) else value)
        return f"dynamics:{self.org}:{kind}:{canonical(found)}" if found else None

    def named(self, field: str) -> str | None:
        """Return the alias that a field refers to: a lead, a contact, or a deal."""
        reference = self.whole.get(field)
        kind = (text(record(reference).get("LogicalName"), 40) or "").lower()
        return self.alias(kind, reference) if kind in _KINDS else None

    @property
    def known(self) -> tuple[str, ...]:
        """Return the aliases of a lead or contact."""
        emails, phones = (
            (email_alias(self.whole.get(one)) for one in _MAILS),
            (phone_alias(self.whole.get(one)) for one in _PHONES),
        )
        return aliases(self.alias(self.entity, self.key), *emails, *phones)


def _time(stamp: Any) -> int:
    found = _plain(stamp)
    return found if isinstance(found, int) else iso_ms(stamp)


def _one(part: dict[str, Any], out: Normalised) -> None:
    context = _Context(part)
    if context.entity not in (*_KINDS, *_WORK):
        out.ignored.append(context.entity or "record")
    elif not context.given:
        raise ValueError(
            f"{context.message} of {context.entity} {context.key} came without its parameters "
            "(over 256 kB); read it again"
        )
    elif context.message == "Merge":
        _merge(context, out)
    elif context.message == "Delete":
        _deleted(context, out)
    elif context.message == "Assign":
        _assigned(context, context.given.get("Assignee"), out)
    elif context.entity in _WORK:
        _activity(context, out)
    elif context.entity == "opportunity":
        _opportunity(context, out)
    elif context.message == "QualifyLead":
        _qualified(context, out)
    elif context.message in ("Create", "Update", "SetState", "SetStateDynamicEntity"):
        _person(context, out)
    else:
        out.ignored.append(f"{context.entity} {context.message}")


def _deleted(context: _Context, out: Normalised) -> None:
    alias = context.alias(context.entity, context.key)
    if context.entity == "opportunity":
        out.add(
            type=EventType.OPPORTUNITY_DELETED,
            aliases=(alias,),
            deal={"id": alias},
            **context.common,
        )
    elif context.entity in _KINDS:
        out.add(type=EventType.DELETED, aliases=(alias,), **context.common)
    else:
        out.ignored.append(f"{context.entity} deleted")


def _merge(context: _Context, out: Normalised) -> None:
    """Add a merge: the target is left, the subordinate becomes part of it."""
    winner, loser = (
        context.alias(context.entity, context.key),
        context.alias(context.entity, context.given.get("SubordinateId")),
    )
    if context.entity not in ("lead", "contact"):
        out.ignored.append(f"{context.entity} Merge")
    elif not winner or not loser or winner == loser:
        raise ValueError("a merge names a Target and a SubordinateId")
    else:
        out.add(type=EventType.MERGE, aliases=(winner, loser), **context.common)


def _assigned(context: _Context, owner: Any, out: Normalised) -> bool:
    if context.entity not in _KINDS or not owner:
        out.ignored.append(f"{context.entity} Assign")
        return False
    name = canonical(text(record(owner).get("Id")) or "")
    alias = context.alias(context.entity, context.key)
    out.add(
        type=EventType.ASSIGNED,
        owner=name,
        aliases=(alias,),
        **{**context.common, "id": f"{context.name}:owner"},
    )
    return True


def _option(context: _Context, field: str) -> int | None:
    """Return an option's number of what changed, also as SetState has it."""
    value = context.fields.get(field)
    if value is None:
        value = _plain(context.given.get("State" if field == "statecode" else "Status"))
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _person(context: _Context, out: Normalised) -> None:
    known, fields, common = context.known, context.fields, context.common
    created = context.message == "Create"
    if created and context.entity == "lead":
        origin = text(context.words.get("leadsourcecode"))
        out.add(
            type=EventType.CREATED,
            kind="crm",
            direction="inbound",
            origin=origin,
            account=text(fields.get("companyname")),
            aliases=known,
            **common,
        )
    elif created or any(field in fields for field in (*_MAILS, *_PHONES)):
        out.add(type=EventType.LINKED, aliases=known, **common)
    added = created
    refused = next(
        (
            fields[one]
            for one in ("donotbulkemail", "donotemail")
            if isinstance(fields.get(one), bool)
        ),
        None,
    )
    if refused is not None and (refused or not created):
        out.add(
            type=EventType.CONSENT,
            granted=not refused,
            aliases=known,
            **{**common, "id": f"{context.name}:consent"},
        )
        added = True
    if not created and "ownerid" in fields:
        added = _assigned(context, fields["ownerid"], out) or added
    state, status = _option(context, "statecode"), _option(context, "statuscode")
    if context.entity == "lead" and not created and (state is not None or status is not None):
        stage = (
            text(context.words.get("statuscode"))
            or (_STATES.get(state) if state is not None else None)
            or f"statuscode {status}"
        )
        out.add(
            type=EventType.STAGE_REPORTED,
            stage=stage,
            aliases=known,
            **{**common, "id": f"{context.name}:stage"},
        )
        added = True
    if not added and not any(field in fields for field in (*_MAILS, *_PHONES)):
        # Dynamics does not show whether a person or a flow changed it.
        out.ignored.append(f"{context.entity} {context.message}")


def _qualified(context: _Context, out: Normalised) -> None:
    """Add that a lead was qualified, and into which contact and deal."""
    lead = context.alias("lead", context.given.get("LeadId") or context.key)
    common = {**context.common, "aliases": (lead,)}
    out.add(
        type=EventType.STAGE_REPORTED,
        stage="Qualified",
        **{**common, "id": f"{context.name}:stage"},
    )
    made = context.given_back.get("CreatedEntities")
    for one in made if isinstance(made, list) else ():
        kind, alias = (text(record(one).get("LogicalName"), 40) or "").lower(), None
        if kind in ("contact", "opportunity"):
            alias = context.alias(kind, one)
        if alias and kind == "contact":
            out.add(
                type=EventType.MERGE,
                **{**common, "id": f"{context.name}:contact", "aliases": (lead, alias)},
            )
        elif alias:
            out.add(
                type=EventType.LINKED,
                deal={"id": alias},
                **{**common, "id": f"{context.name}:deal", "aliases": (lead, alias)},
            )


def _opportunity(context: _Context, out: Normalised) -> None:
    alias, fields = context.alias("opportunity", context.key), context.fields
    close = context.closing
    deal: dict[str, Any] = {"id": alias}
    found = {
        "amount": money(close.get("actualrevenue"))
        or money(fields.get("actualvalue"))
        or money(fields.get("estimatedvalue")),
        "stage": text(context.words.get("salesstage")) or text(fields.get("stepname")),
        "close_date": day_in(fields.get("actualclosedate"), "UTC")
        or day_in(fields.get("estimatedclosedate"), "UTC"),
    }
    deal |= {name: value for name, value in found.items() if value}
    cleared = {"amount": "estimatedvalue", "close_date": "estimatedclosedate"}
    deal |= {
        name: "" for name, field in cleared.items() if field in fields and fields[field] is None
    }
    person = next(
        filter(
            None,
            (
                context.named(field)
                for field in ("parentcontactid", "customerid", "originatingleadid")
            ),
        ),
        None,
    )
    wrote = any(field in fields for field in ("parentcontactid", "customerid", "originatingleadid"))
    if person and wrote:
        out.add(
            type=EventType.LINKED,
            deal={"id": alias},
            aliases=(person, alias),
            **{**context.common, "id": f"{context.name}:contact"},
        )
    assigned = (
        context.message == "Update"
        and "ownerid" in fields
        and _assigned(context, fields["ownerid"], out)
    )
    state, common = (
        _option(context, "statecode"),
        {**context.common, "aliases": (alias,), "deal": deal},
    )
    if context.message == "Win" or (context.message != "Create" and state == _COMPLETED):
        out.add(type=EventType.OPPORTUNITY_WON, **common)
    elif context.message == "Lose" or (context.message != "Create" and state == _LOST):
        out.add(
            type=EventType.OPPORTUNITY_LOST,
            reason=text(context.words.get("statuscode")) or text(close.get("subject")),
            **common,
        )
    elif context.message == "Create":
        out.add(type=EventType.OPPORTUNITY_CREATED, **common)
    elif len(deal) > 1 or state == 0:
        deal.setdefault("stage", "Open")
        out.add(type=EventType.OPPORTUNITY_STAGE_CHANGED, **common)
    elif not assigned:
        out.ignored.append(f"opportunity {context.message}")


def _activity(context: _Context, out: Normalised) -> None:
    """Add a completed activity as a touch of the lead, contact or deal that it is about."""
    done = context.message == "Send" or _option(context, "statecode") == _COMPLETED
    if context.message == "Create" and context.entity == "appointment":
        done = False
    about = context.named("regardingobjectid")
    if not done:
        out.ignored.append(f"{context.entity} open")
        return
    weak = f"dynamics:anon:{context.entity}-{context.key}"
    outgoing = context.whole.get("directioncode", True)
    name = f"dynamics:{context.entity}:{context.key}:done"
    direction = "human" if outgoing is not False else "inbound"
    out.add(
        type=EventType.TOUCH,
        kind=_WORK[context.entity],
        direction=direction,
        **{**context.common, "id": name},
        aliases=(about or weak,),
    )


def prove(call: Call, secrets: Secrets) -> bytes | None:
    """Compare the webhook's key: WebhookKey puts it into the query, HttpHeader into a header."""
    stated = call.query.get("code") or call.headers.get("x-webhook-key", "")
    good = by_any(secrets("dynamics_key"), lambda secret: equal(secret, stated))
    return call.body if good else None


_EXAMPLE: Any = {
    "MessageName": "Create",
    "PrimaryEntityName": "lead",
    "PrimaryEntityId": "00000000-0000-0000-0000-000000000005",
    "OrganizationId": "00000000-0000-0000-0000-000000000001",
    "OperationCreatedOn": "/Date(1769850000000)/",
    "InputParameters": [
        {
            "key": "Target",
            "value": {"Attributes": [{"key": "emailaddress1", "value": "jane@example.com"}]},
        }
    ],
}

VENDOR = Vendor(
    name="dynamics",
    title="Microsoft Dynamics 365 Sales (Dataverse webhooks)",
    topic=topics.RAW_CRM,
    normalise=normalise,
    sends=frozenset({"human", "inbound", "accepted", "rejected", "leave", "moved"}),
    evidence="constructed",
    documentation="https://learn.microsoft.com/power-apps/developer/data-platform/use-webhooks",
    routes=(
        Route(
            "/v1/dynamics",
            "Take an execution context of Dataverse, "
            "proven by the webhook's key in `code` or in a header.",
            prove,
            (
                Scheme(
                    "DynamicsKey",
                    "X-Webhook-Key",
                    "The webhook's key; the query's `code` is taken too.",
                ),
            ),
            "X-Webhook-Key",
            ("PrimaryEntityId",),
            example=_EXAMPLE,
        ),
    ),
    secrets=(Secret("dynamics_key", "the webhook's key, as it was registered"),),
    records=("lead", "contact"),
    deals=("opportunity",),
    canonical=canonical,
    stages={
        "New": "inquiry",
        "Contacted": "sal",
        "Qualified": "sql",
        "Disqualified": "rejected",
        "Lost": "rejected",
        "Cannot Contact": "rejected",
        "No Longer Interested": "rejected",
        "Canceled": "rejected",
    },
    patience=60.0,
    retries="an asynchronous step is repeated when it fails",
)
