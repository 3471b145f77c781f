"""What an adapter is: one vendor's body in, lead events and spend out; what it can't read is refused with a reason.

Pure: the receipt time and the connection's settings are arguments. One body may hold good and bad parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import idna
import orjson
import phonenumbers
from pydantic import ValidationError

from schemas.events import LeadEvent
from schemas.records import Spend

AHEAD_MS = 300_000
# What reading a part may raise: nesting breaks `repr`, the year 1 breaks arithmetic with zones.
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
# Names of systems that only their own adapters may give an event: a stage's authority is held by
# name, so a name must follow from the channel (a vendor's route and secret), never from a body.
RESERVED = frozenset({"segment", "meta", "google", "hubspot", "salesforce"})


@dataclass(frozen=True)
class Connection:
    """What a body does not say and the connection knows."""

    salesforce_org: str = "default"
    meta_currency: str = "EUR"
    google_key: str = ""


@dataclass
class Normalised:
    """What one body became."""

    events: list[LeadEvent] = field(default_factory=list)
    spend: list[Spend] = field(default_factory=list)
    rejected: list[tuple[str, bytes]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)  # kinds of parts that are known and not ours: counted, no letter

    def reject(self, reason: str, part: Any) -> None:
        """Refuse a part of the body, kept as JSON."""
        self.rejected.append((reason, orjson.dumps(part)))


Adapter = Callable[[Any, int, Connection], Normalised]


def _bare(part: Any) -> Any:
    return part


def each(parts: list[Any], turn: Callable[[Any, Normalised], None], alone: Callable[[Any], Any] = _bare) -> Normalised:
    """Turn each part by itself: a bad one is refused with its reason, the good ones stand.

    `alone` makes the body that holds one part and nothing else: a dead letter keeps that, so that its replay is read.
    """
    out = Normalised()
    for part in parts:
        try:
            turn(part, out)
        except ValidationError as error:
            out.reject(reason(error), alone(part))
        except UNREADABLE as error:
            name = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            out.reject("a number can't be read" if isinstance(error, ArithmeticError) else name, alone(part))
    return out


def reason(error: ValidationError, whole: str = "") -> str:
    """Say the first thing that is wrong, and where; `whole` names the record where it is no part of it."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or whole}: {first['msg']}"


def event(received_at: int, **fields: Any) -> LeadEvent:
    """Make an event; one dated more than 5 minutes after its receipt is dated to it, the stated time kept (rule 7)."""
    at = fields["occurred_at"]
    if at > received_at + AHEAD_MS:
        fields["occurred_at"], fields["stated_at"] = received_at, at
    return LeadEvent(**{name: value for name, value in fields.items() if value is not None})


def iso_ms(text: str) -> int:
    """Read an ISO 8601 time with a zone as ms.

    Raises:
        ValueError: no zone, or no time at all.

    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; send one, like 2026-01-31T09:00:00Z")
    return int(moment.astimezone(UTC).timestamp() * 1000 + 0.5)


def email_alias(text: str | None) -> str | None:
    """Make an alias of an email: trimmed, lower case, domain in IDNA. Nothing provider-specific. None if it is none."""
    if not text or text.count("@") != 1:
        return None
    local, domain = text.strip().lower().split("@")
    if not local or "." not in domain:
        return None
    try:
        return f"email:{local}@{idna.encode(domain, uts46=True).decode()}"
    except idna.IDNAError:
        return None


def phone_alias(text: str | None) -> str | None:
    """Make an alias of a phone number in E.164; None if it is none or names no country."""
    if not text:
        return None
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return f"phone:{phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)}"


def aliases(*found: str | None) -> tuple[str, ...]:
    """Keep what was found, in order, each once."""
    return tuple(dict.fromkeys(alias for alias in found if alias))
