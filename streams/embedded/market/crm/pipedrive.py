"""What Pipedrive sends of one person and one deal."""

from __future__ import annotations

from typing import Any

from streams.embedded.market.hours import iso
from streams.embedded.market.posts import Post
from streams.embedded.market.web import EMAIL

from .base import DEAL, PERSON, Crm


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
