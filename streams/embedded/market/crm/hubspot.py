"""What HubSpot sends of one person and one deal."""

from __future__ import annotations

from typing import Any

from streams.embedded.market.posts import Post
from streams.embedded.market.readiness import NOT_READY
from streams.embedded.market.web import EMAIL

from .base import DEAL, PERSON, Crm


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
