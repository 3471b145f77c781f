"""What the CRM systems of the market share: one person's record, and the deal that may come of it.

A method returns None where its system has no word for what happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.embedded.market.posts import Identity, Meaning, Post

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
