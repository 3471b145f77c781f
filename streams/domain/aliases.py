"""Aliases: how a source names somebody, and how strongly each way of writing it names one lead.

How an alias is written says what it is, whoever its system is: `<system>:<account>:<kind>:<id>`
is a CRM's record; `<system>:<anon, user or lead>:<id>` states its strength itself;
`email:<address>` is an address. All others are weak.
"""

from __future__ import annotations

import hmac
import uuid
from enum import IntEnum
from functools import lru_cache

from .members import DEALS


class Strength(IntEnum):
    """How strongly an alias names a person; smaller is stronger. A weak one never merges leads."""

    CRM = 0
    EMAIL = 1
    USER = 2
    AD = 3
    WEAK = 4


_NAMED = {"anon": Strength.WEAK, "user": Strength.USER, "lead": Strength.AD}
_CLICKS = {"phone", "gclid", "gbraid", "wbraid", "fbclid", "li_fat_id"}


@lru_cache(maxsize=4_096)  # each alias is asked for several times by one record
def strength(alias: str) -> Strength:
    """Rank an alias: CRM id, email, user id, ad lead id, then all that is weak."""
    system, _, rest = alias.partition(":")
    if system == "email":
        return Strength.EMAIL
    parts = rest.split(":", 2)
    if system in _CLICKS or len(parts) == 1:
        return Strength.WEAK
    named = _NAMED.get(parts[0])
    if named is not None:
        return named
    return Strength.CRM if len(parts) == 3 and parts[2] else Strength.WEAK


def record_kind(alias: str) -> str:
    """Name the kind of a CRM's record, like `hubspot:1:contact`; empty for all other aliases.

    A lead has one record of each kind but deals.
    """
    return ":".join(alias.split(":")[:3]) if strength(alias) is Strength.CRM else ""


@lru_cache(maxsize=4_096)
def is_deal(alias: str) -> bool:
    """Return whether an alias names a CRM's deal."""
    return record_kind(alias).endswith(DEALS)


def ordered(aliases: tuple[str, ...]) -> list[str]:
    """Put the strongest first, a CRM's people before its deals; equals stay as named. Each once."""
    return sorted(dict.fromkeys(aliases), key=lambda alias: (strength(alias), is_deal(alias)))


def origin_id(key: bytes, alias: str) -> str:
    """Name an identity without giving its alias away: a UUID of the alias' HMAC-SHA256.

    `key` is the installation's identity key.
    """
    made = bytearray(hmac.digest(key, alias.encode(), "sha256")[:16])
    # Version 8 of RFC 9562, "custom"; the uuid module of 3.11 does not know it.
    made[6] = made[6] & 0x0F | 0x80
    made[8] = made[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(made)))
