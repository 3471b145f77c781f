"""What Salesforce sends of one person and one deal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.embedded.market.hours import DAY, iso
from streams.embedded.market.posts import Identity, Meaning, Post
from streams.embedded.market.web import EMAIL
from streams.sources.vendors.salesforce.words import canonical

from .base import CONTACT, DEAL, PERSON, Crm

if TYPE_CHECKING:
    import random


class Salesforce(Crm):
    """Change events through a relay; a conversion makes a contact and an opportunity of a lead."""

    vendor = "salesforce"

    def __init__(self, who: Identity, rng: random.Random) -> None:
        super().__init__(who, rng)
        made = (self._id(prefix, who.number) for prefix in ("00Q", "003", "006"))
        self._lead, self._contact, self._deal = made

    @staticmethod
    def _id(prefix: str, number: int) -> str:
        return canonical(prefix + _base36(number).rjust(12, "0"))

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


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[rest] + digits
    return digits or "0"
