"""Snoozing: a person's word that nobody is to be notified of a lead, or of a clock, for a while."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID

from kafka.errors import KafkaError

from schemas import topics
from schemas.errors import LeadstreamError
from schemas.wire import notices
from schemas.wire.models.notices import Snooze
from streams import connections

if TYPE_CHECKING:
    from streams.settings import Settings

_CLOCK = re.compile(r"[0-9a-f]{16}")
_SECONDS = 30


class NotSnoozed(LeadstreamError):  # noqa: N818 - whoever asked for it asks again
    """Kafka did not take it."""


def is_id(text: str) -> bool:
    """Return whether a text is a lead's id or a clock's."""
    try:
        return bool(_CLOCK.fullmatch(text)) or str(UUID(text)) == text
    except ValueError:
        return False


def snooze(settings: Settings, subject: str, until: int, by: str, why: str, now: int) -> Snooze:
    """Write a snooze of a lead or a clock; instants are ms. It stays on record.

    Raises:
        NotSnoozed: Kafka did not acknowledge it.

    """
    one = Snooze(subject=subject, until=until, by=by, why=why, at=now)
    producer = connections.producer(settings, linger_ms=0)
    try:
        sent = producer.send(topics.NOTICES, notices.dump(one), key=notices.key(one))
        sent.get(timeout=_SECONDS)
    except KafkaError as error:
        raise NotSnoozed(f"Kafka did not take it ({error}): try again") from error
    finally:
        producer.close(timeout=5)
    return one
