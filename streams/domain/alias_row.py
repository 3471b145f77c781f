"""The row of one alias: the lead that it names or leads to, what it holds, what it noted of others.

All that strangers can make grow is bounded, or stands in pages (book.py).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any

import orjson

from .aliases import Strength, strength
from .book import Book
from .members import Origin

if TYPE_CHECKING:
    from collections.abc import Callable

HELD_EVENTS = 50
HELD_MS = 30 * 86_400_000
HELD_BYTES = 1_000_000  # of what one alias holds
# An alias that stands with so many identities (info@, a kiosk) raises no more edges and sends no
# more links.
SHARED_LEADS = 20


class Naming(Enum):
    """Whom an alias names."""

    STRONG = "one lead for good: it has an identity of its own"
    WEAK = "whoever it was first seen with; until then its events wait"


class Note(StrEnum):
    """What a row notes of others, so that a repeat is harmless."""

    LINKED = "t"  # whom it sent its identity, and of which first event
    RAISED = "r"  # which edges it raised, and of which first event
    ASKED = "a"  # whom it asked for a lead
    WAITS = "w"  # who waits for its answer: under its alias, since the answer goes there

    def of(self, key: bytes, name: str) -> str:
        """Name a note in little room, and without an address in it."""
        return self + hmac.digest(key, name.encode(), "sha256")[:8].hex()


@dataclass(frozen=True)
class AliasRow:
    """What one alias leads to. A strong one has an identity; a weak one has a lead, or holds."""

    alias: str
    origin: Origin | None = None
    notes: Book = field(default_factory=Book)  # of others, however many, by `Note`
    # Identities whose events named this alias, and identities that this one's events named.
    leads: tuple[str, ...] = ()
    joins: tuple[str, ...] = ()
    held: tuple[tuple[int, dict[str, Any]], ...] = ()  # since when (ms), and what; oldest first
    shared: int = 0  # links that were not followed, since others came first
    expired: int = 0  # what was held and given up

    @property
    def naming(self) -> Naming:
        """Whom the alias names."""
        return Naming.WEAK if strength(self.alias) is Strength.WEAK else Naming.STRONG

    @property
    def next_due(self) -> int | None:
        """When what is held here is given up (ms)."""
        return self.held[0][0] + HELD_MS if self.held else None

    def waiting(self) -> list[str]:
        """Return the aliases that asked this one for a lead and have no answer yet."""
        found = [name for name in self.notes.names() if name.startswith(Note.WAITS)]
        return [name.removeprefix(Note.WAITS) for name in found]

    def noting(self, note: str, value: Any = 1) -> AliasRow:
        """Return the row with one more note."""
        return replace(self, notes=self.notes.put(note, value))


def with_one_more(known: tuple[str, ...], other: str) -> tuple[str, ...] | None:
    """Return the identities that an alias stands with, and one more; None when there is no room.

    Those that name it and those that it names are counted apart: whoever fills in an ad's form
    twenty times has a CRM record all the same.
    """
    if other in known:
        return known
    return (*known, other) if len(known) < SHARED_LEADS else None


def has_room(row: AliasRow, record: dict[str, Any]) -> bool:
    """Return whether a row may hold one more record."""
    size = sum(len(orjson.dumps(one)) for one in (record, *(one for _, one in row.held)))
    return len(row.held) < HELD_EVENTS and size <= HELD_BYTES


def expire(row: AliasRow, now: int) -> AliasRow:
    """Give up what was held for 30 days, each for itself; it is counted, not lost silently."""
    kept = tuple(one for one in row.held if now <= one[0] + HELD_MS)
    return replace(row, held=kept, expired=row.expired + len(row.held) - len(kept))


def dump(row: AliasRow) -> bytes:
    """Write a row; `due` first, so that the engine need not read the rest. Its key is its alias."""
    return orjson.dumps(
        {
            "due": row.next_due,
            "origin": list(row.origin) if row.origin else None,
            "notes": [row.notes.head, row.notes.pages, row.notes.size],
            "leads": row.leads,
            "joins": row.joins,
            "held": row.held,
            "shared": row.shared,
            "expired": row.expired,
        }
    )


def load(alias: str, body: bytes, pages: Callable[[bytes], bytes | None]) -> AliasRow:
    """Read an alias' row that `dump` wrote; `pages` reads the pages of its notes by name."""
    raw = orjson.loads(body)
    head, count, size = raw["notes"]
    return AliasRow(
        alias,
        Origin(*raw["origin"]) if raw["origin"] else None,
        Book(head, count, size, read=pages),
        tuple(raw["leads"]),
        tuple(raw["joins"]),
        tuple((since, record) for since, record in raw["held"]),
        raw["shared"],
        raw["expired"],
    )
