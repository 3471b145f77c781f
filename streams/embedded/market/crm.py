"""What four CRM systems send of one person and one deal, as far as each has words for it.

A method returns None where its system has no word for what happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.sources.vendors import salesforce

from .hours import DAY, iso
from .posts import Identity, Meaning, Post
from .readiness import NO_FIT, NOT_READY
from .web import EMAIL

if TYPE_CHECKING:
    import random

PERSON, CONTACT, DEAL = "crm person", "crm contact", "crm deal"


class Crm:
    """One person's record, and the deal that may come of it."""

    vendor = ""

    def __init__(self, who: Identity, rng: random.Random) -> None:
        self.who, self.owner, self.amount = who, rng.randrange(1, 8), rng.randint(5, 90) * 100
        self._count = 0
        self.person = PERSON  # whom work is written down for

    def _key(self) -> str:
        self._count += 1
        return f"crm-{self._count}"

    def _is(self, at: int, *names: str, stage: str = "inquiry", **more: Any) -> Meaning:
        return Meaning(self._key(), names, stage=stage, at=at, **more)

    def _post(self, body: Any, at: int, about: str, *meanings: Meaning) -> Post:
        return Post(self.vendor, body, at, about, meanings)

    def _won(self, at: int) -> Meaning:
        return self._is(at, DEAL, stage="customer", deal=DEAL, won=True)

    def _lost(self, at: int) -> Meaning:
        return self._is(at, DEAL, stage="opportunity", deal=DEAL)

    def qualified(self, at: int) -> Post | None:  # noqa: ARG002 - most systems have no word for it
        """Report that marketing takes the lead for ready."""
        return None

    def accepted(self, at: int) -> Post | None:  # noqa: ARG002
        """Report that sales takes the lead."""
        return None

    def rejected(self, at: int, reason: str) -> Post | None:  # noqa: ARG002
        """Report that sales does not take it."""
        return None


class HubSpot(Crm):
    """Batches of webhooks; a redelivery has another attemptNumber."""

    vendor = "hubspot"
    portal = 4242

    def _hook(self, at: int, subscription: str, **fields: Any) -> dict[str, Any]:
        self._count += 1
        return {
            "eventId": self._count, "subscriptionId": 1, "portalId": self.portal, "appId": 1,
            "occurredAt": at, "subscriptionType": subscription, "attemptNumber": 0,
            "objectId": self.who.number, **fields,
        }  # fmt: skip

    def _property(self, at: int, name: str, value: str) -> dict[str, Any]:
        return self._hook(
            at,
            "contact.propertyChange",
            propertyName=name,
            propertyValue=value,
            changeSource="CRM_UI",
        )

    def _one(
        self, at: int, name: str, value: str, about: str, stage: str = "inquiry", kind: str = ""
    ) -> Post:
        meaning = self._is(at, PERSON, stage=stage, kind=kind)
        return self._post([self._property(at, name, value)], at, about, meaning)

    def created(self, at: int, *, cold: bool) -> Post:
        source = "CRM_UI" if cold else "INTEGRATION"
        made = self._hook(at, "contact.creation", changeFlag="CREATED", changeSource=source)
        address = self._property(at, "email", self.who.email)
        whose = self._is(at, PERSON, EMAIL, links=True)
        return self._post([made, address], at, "contact created", self._is(at, PERSON), whose)

    def assigned(self, at: int) -> Post:
        return self._one(at, "hubspot_owner_id", f"owner-{self.owner}", "owner assigned")

    def qualified(self, at: int) -> Post:
        return self._one(
            at, "lifecyclestage", "marketingqualifiedlead", "qualified by marketing", "mql"
        )

    def called(self, at: int) -> Post:
        call = self._hook(
            at, "object.associationChange", fromObjectTypeId="0-48", toObjectTypeId="0-1",
            fromObjectId=self.who.number * 1_000 + self._count, toObjectId=self.who.number,
            associationRemoved=False,
        )  # fmt: skip
        return self._post([call], at, "call", self._is(at, PERSON))

    def accepted(self, at: int) -> Post:
        return self._one(at, "hs_lead_status", "CONNECTED", "accepted by sales", "sal")

    def rejected(self, at: int, reason: str) -> Post:
        word = "BAD_TIMING" if reason == NOT_READY else "UNQUALIFIED"
        return self._one(at, "hs_lead_status", word, "rejected by sales", kind=reason)

    def opened(self, at: int) -> Post:
        deal = self.who.number
        ends = {
            "associationType": "DEAL_TO_CONTACT",
            "fromObjectId": deal,
            "toObjectId": self.who.number,
        }
        bodies = [
            self._hook(at, "deal.creation", objectId=deal),
            self._hook(at, "deal.associationChange", objectId=deal, **ends),
            self._on_deal(at, "amount", str(self.amount)),
        ]
        return self._post(
            bodies,
            at,
            "deal opened",
            self._is(at, DEAL, stage="opportunity", deal=DEAL),
            self._is(at, PERSON, DEAL, links=True),
            self._is(at, DEAL, deal=DEAL, amount=self.amount),
        )

    def _on_deal(self, at: int, name: str, value: str) -> dict[str, Any]:
        return self._hook(
            at,
            "deal.propertyChange",
            objectId=self.who.number,
            propertyName=name,
            propertyValue=value,
        )

    def moved(self, at: int) -> Post:
        body = [self._on_deal(at, "dealstage", "presentationscheduled")]
        return self._post(
            body, at, "deal moved", self._is(at, DEAL, stage="opportunity", deal=DEAL)
        )

    def won(self, at: int) -> Post:
        return self._post(
            [self._on_deal(at, "dealstage", "closedwon")], at, "deal won", self._won(at)
        )

    def lost(self, at: int) -> Post:
        return self._post(
            [self._on_deal(at, "dealstage", "closedlost")], at, "deal lost", self._lost(at)
        )


class Salesforce(Crm):
    """Change events through a relay; a conversion makes a contact and an opportunity of a lead."""

    vendor = "salesforce"

    def __init__(self, who: Identity, rng: random.Random) -> None:
        super().__init__(who, rng)
        made = (self._id(prefix, who.number) for prefix in ("00Q", "003", "006"))
        self._lead, self._contact, self._deal = made

    @staticmethod
    def _id(prefix: str, number: int) -> str:
        return salesforce.canonical(prefix + _base36(number).rjust(12, "0"))

    def _change(self, at: int, entity: str, key: str, kind: str, **fields: Any) -> dict[str, Any]:
        self._count += 1
        header = {
            "entityName": entity, "recordIds": [key], "changeType": kind, "commitTimestamp": at,
            "transactionKey": f"{self.who.name}-{self._count}", "sequenceNumber": 1,
            "changedFields": list(fields),
        }  # fmt: skip
        return {"ChangeEventHeader": header, **fields}

    def _update(
        self, at: int, about: str, stage: str = "inquiry", kind: str = "", **fields: Any
    ) -> Post:
        body = self._change(at, "Lead", self._lead, "UPDATE", **fields)
        return self._post(body, at, about, self._is(at, PERSON, stage=stage, kind=kind))

    def created(self, at: int, *, cold: bool) -> Post:
        fields = {
            "Email": self.who.email, "Status": "Open - Not Contacted", "Company": "Acme",
            "LeadSource": "Cold Call" if cold else "Web",
        }  # fmt: skip
        body = self._change(at, "Lead", self._lead, "CREATE", **fields)
        return self._post(
            body, at, "lead created", *(self._is(at, PERSON, EMAIL) for _ in ("created", "stage"))
        )

    def assigned(self, at: int) -> Post:
        return self._update(at, "owner assigned", OwnerId=f"0050000000000{self.owner:02d}")

    def called(self, at: int) -> Post:
        task = self._id("00T", self.who.number * 100 + self._count)
        who = self._lead if self.person == PERSON else self._contact
        body = self._change(
            at,
            "Task",
            task,
            "CREATE",
            WhoId=who,
            Status="Completed",
            TaskSubtype="Call",
            CallType="Outbound",
        )
        whose = Meaning(self._key(), (self.person,), (f"task-{task}",), links=True, at=at)
        return self._post(body, at, "call", whose, self._is(at, self.person))

    def accepted(self, at: int) -> Post:
        return self._update(at, "accepted by sales", "sal", Status="Working - Contacted")

    def rejected(self, at: int, reason: str) -> Post:
        word = {"Status": "Closed - Not Converted", "Rejection_Reason__c": reason}
        return self._update(at, "rejected by sales", kind=reason, **word)

    def opened(self, at: int) -> Post:
        self.person = CONTACT
        bodies = [
            self._change(at, "Contact", self._contact, "CREATE", Email=self.who.email),
            self._change(
                at, "Opportunity", self._deal, "CREATE", Amount=float(self.amount),
                StageName="Qualification", CloseDate=iso(at + 30 * DAY)[:10],
            ),
            self._change(
                at, "Lead", self._lead, "UPDATE", Status="Closed - Converted", IsConverted=True,
                ConvertedContactId=self._contact, ConvertedOpportunityId=self._deal,
            ),
        ]  # fmt: skip
        return self._post(
            bodies,
            at,
            "lead converted",
            self._is(at, CONTACT, EMAIL, links=True),
            self._is(at, DEAL, stage="opportunity", deal=DEAL, amount=self.amount),
            self._is(at, PERSON, stage="sql"),
            self._is(at, PERSON, CONTACT, links=True),
            self._is(at, PERSON, DEAL, links=True),
        )

    def _on_deal(self, at: int, **fields: Any) -> dict[str, Any]:
        return self._change(at, "Opportunity", self._deal, "UPDATE", **fields)

    def moved(self, at: int) -> Post:
        body = self._on_deal(at, StageName="Proposal/Price Quote")
        return self._post(
            body, at, "deal moved", self._is(at, DEAL, stage="opportunity", deal=DEAL)
        )

    def won(self, at: int) -> Post:
        body = self._on_deal(at, StageName="Closed Won", IsClosed=True, IsWon=True)
        return self._post(body, at, "deal won", self._won(at))

    def lost(self, at: int) -> Post:
        body = self._on_deal(at, StageName="Closed Lost", IsClosed=True, Loss_Reason__c="price")
        return self._post(body, at, "deal lost", self._lost(at))


class Pipedrive(Crm):
    """Webhooks, version 2: what is there now, and what was there before."""

    vendor = "pipedrive"

    def _hook(
        self, at: int, entity: str, action: str, key: int, now: Any, before: Any = None
    ) -> dict[str, Any]:
        meta = {
            "action": action, "entity": entity, "entity_id": str(key), "company_id": "1",
            "timestamp": iso(at),
            "version": "2.0", "host": "firm.pipedrive.com",
        }  # fmt: skip
        return {"meta": meta, "data": {"id": key, **now}, "previous": before}

    def created(self, at: int, *, cold: bool) -> Post:  # noqa: ARG002 - it sends no origin
        addresses = [{"value": self.who.email, "primary": True, "label": "work"}]
        body = self._hook(
            at, "person", "create", self.who.number, {"name": "A B", "emails": addresses}
        )
        return self._post(body, at, "person created", self._is(at, PERSON, EMAIL))

    def assigned(self, at: int) -> Post:
        now, before = {"owner_id": self.owner}, {"owner_id": 99}
        body = self._hook(at, "person", "change", self.who.number, now, before)
        return self._post(body, at, "owner assigned", self._is(at, PERSON))

    def called(self, at: int) -> Post:
        now = {"type": "call", "done": True, "person_id": self.who.number}
        body = self._hook(at, "activity", "create", self.who.number * 1_000 + self._count, now)
        return self._post(body, at, "call", self._is(at, PERSON))

    def opened(self, at: int) -> Post:
        now = {
            "person_id": self.who.number, "value": self.amount, "currency": "EUR", "stage_id": 1,
            "status": "open",
        }  # fmt: skip
        body = self._hook(at, "deal", "create", self.who.number, now)
        whose = self._is(at, PERSON, DEAL, links=True)
        opened = self._is(at, DEAL, stage="opportunity", deal=DEAL, amount=self.amount)
        return self._post(body, at, "deal opened", whose, opened)

    def _on_deal(self, at: int, now: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
        return self._hook(at, "deal", "change", self.who.number, now, before)

    def moved(self, at: int) -> Post:
        step = self._count  # each time another stage, or nothing would have changed
        body = self._on_deal(at, {"stage_id": step + 1, "status": "open"}, {"stage_id": step})
        return self._post(
            body, at, "deal moved", self._is(at, DEAL, stage="opportunity", deal=DEAL)
        )

    def won(self, at: int) -> Post:
        body = self._on_deal(at, {"status": "won"}, {"status": "open"})
        return self._post(body, at, "deal won", self._won(at))

    def lost(self, at: int) -> Post:
        body = self._on_deal(at, {"status": "lost", "lost_reason": "price"}, {"status": "open"})
        return self._post(body, at, "deal lost", self._lost(at))


class Dynamics(Crm):
    """Execution contexts of Dataverse; a qualified lead becomes a contact and an opportunity."""

    vendor = "dynamics"
    organisation = "0f1e2d3c-0000-4000-8000-00000000c0de"

    def __init__(self, who: Identity, rng: random.Random) -> None:
        super().__init__(who, rng)
        self._lead, self._contact, self._deal = (self._guid(kind) for kind in (1, 2, 3))

    def _guid(self, kind: int, number: int = 0) -> str:
        text = f"{self.who.number:016x}"
        return f"{kind:04x}{number:04x}-{text[:4]}-4000-8000-{text[4:]}"

    def _context(
        self, at: int, message: str, entity: str, key: str, target: Any, **more: Any
    ) -> dict[str, Any]:
        return {
            "MessageName": message, "PrimaryEntityName": entity, "PrimaryEntityId": key,
            "OrganizationId": self.organisation, "OperationCreatedOn": f"/Date({at})/",
            "InputParameters": target, "OutputParameters": [], **more,
        }  # fmt: skip

    @staticmethod
    def _target(words: dict[str, str] | None = None, **attributes: Any) -> list[dict[str, Any]]:
        target = {"Attributes": _pairs(attributes), "FormattedValues": _pairs(words or {})}
        return [{"key": "Target", "value": target}]

    def _status(
        self, at: int, about: str, meaning: Meaning, status: int, word: str, state: int = 0
    ) -> Post:
        target = self._target(
            {"statuscode": word}, statecode={"Value": state}, statuscode={"Value": status}
        )
        body = self._context(at, "Update", "lead", self._lead, target)
        return self._post(body, at, about, meaning)

    def created(self, at: int, *, cold: bool) -> Post:
        words = {"leadsourcecode": "Cold Call" if cold else "Web"}
        target = self._target(words, emailaddress1=self.who.email, companyname="Acme")
        body = self._context(at, "Create", "lead", self._lead, target)
        return self._post(body, at, "lead created", self._is(at, PERSON, EMAIL))

    def assigned(self, at: int) -> Post:
        owner = {"LogicalName": "systemuser", "Id": f"00000000-0000-4000-8000-{self.owner:012d}"}
        body = self._context(at, "Update", "lead", self._lead, self._target(ownerid=owner))
        return self._post(body, at, "owner assigned", self._is(at, PERSON))

    def called(self, at: int) -> Post:
        kind, key = ("lead", self._lead) if self.person == PERSON else ("contact", self._contact)
        about = {"regardingobjectid": {"LogicalName": kind, "Id": key}, "directioncode": True}
        image = [{"key": "AsynchronousStepPrimaryName", "value": {"Attributes": _pairs(about)}}]
        call, done = self._guid(4, self._count), self._target(statecode={"Value": 1})
        body = self._context(at, "Update", "phonecall", call, done, PostEntityImages=image)
        return self._post(body, at, "call", self._is(at, self.person))

    def accepted(self, at: int) -> Post:
        return self._status(
            at, "accepted by sales", self._is(at, PERSON, stage="sal"), 2, "Contacted"
        )

    def rejected(self, at: int, reason: str) -> Post:
        word = "No Longer Interested" if reason == NOT_READY else "Disqualified"
        # Dataverse sends a status, and no reason with it.
        meaning = self._is(at, PERSON, kind=NO_FIT)
        return self._status(at, "rejected by sales", meaning, 7, word, 2)

    def opened(self, at: int) -> Post:
        self.person = CONTACT
        contact, deal = (
            {"LogicalName": "contact", "Id": self._contact},
            {"LogicalName": "opportunity", "Id": self._deal},
        )
        lead = {"LogicalName": "lead", "Id": self._lead}
        asked = [{"key": "LeadId", "value": lead}]
        made = [{"key": "CreatedEntities", "value": [contact, deal]}]
        opened = self._target(
            estimatedvalue={"Value": float(self.amount)},
            parentcontactid=contact,
            originatingleadid=lead,
        )
        bodies = [
            self._context(at, "QualifyLead", "lead", self._lead, asked, OutputParameters=made),
            self._context(at, "Create", "opportunity", self._deal, opened),
        ]
        return self._post(
            bodies,
            at,
            "lead qualified",
            self._is(at, PERSON, stage="sql"),
            self._is(at, PERSON, CONTACT, links=True),
            self._is(at, PERSON, DEAL, links=True),
            self._is(at, CONTACT, DEAL, links=True),
            self._is(at, DEAL, stage="opportunity", deal=DEAL, amount=self.amount),
        )

    def moved(self, at: int) -> Post:
        body = self._context(
            at,
            "Update",
            "opportunity",
            self._deal,
            self._target(stepname=f"3-Propose {self._count}"),
        )
        return self._post(
            body, at, "deal moved", self._is(at, DEAL, stage="opportunity", deal=DEAL)
        )

    def _closed(self, at: int, message: str, **fields: Any) -> dict[str, Any]:
        close = {"opportunityid": {"LogicalName": "opportunity", "Id": self._deal}, **fields}
        parameter = [{"key": "OpportunityClose", "value": {"Attributes": _pairs(close)}}]
        return self._context(at, message, "opportunity", self._deal, parameter)

    def won(self, at: int) -> Post:
        body = self._closed(at, "Win", actualrevenue={"Value": float(self.amount)})
        meaning = self._won(at)._replace(amount=self.amount)
        return self._post(body, at, "deal won", meaning)

    def lost(self, at: int) -> Post:
        return self._post(
            self._closed(at, "Lose", subject="price"), at, "deal lost", self._lost(at)
        )


def _pairs(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Write an object as Dataverse does."""
    return [{"key": key, "value": value} for key, value in values.items()]


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[rest] + digits
    return digits or "0"


SYSTEMS: tuple[type[HubSpot | Salesforce | Pipedrive | Dynamics], ...] = (
    HubSpot,
    Salesforce,
    Pipedrive,
    Dynamics,
)
SHARES = (45, 27, 12, 16)  # of the people, by system
