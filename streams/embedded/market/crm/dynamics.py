"""What Dynamics 365 sends of one person and one deal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.embedded.market.posts import Identity, Meaning, Post
from streams.embedded.market.readiness import NO_FIT, NOT_READY
from streams.embedded.market.web import EMAIL

from .base import CONTACT, DEAL, PERSON, Crm

if TYPE_CHECKING:
    import random


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
