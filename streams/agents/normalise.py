"""normalise: a raw body in, canonical events out.

It keeps no state. One body may hold good parts and bad ones.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from schemas import sources, topics
from schemas.deadletters import RECEIVED_HEADER
from schemas.events import LeadEvent
from schemas.wire import events, stated
from streams.domain.aliases import ordered
from streams.engine.commit import Out
from streams.engine.logic import Effects, PayloadRejected, Rejected, headers_of
from streams.sources.adapter import AHEAD_MS, UNREADABLE, reason, why
from streams.sources.registry import SOURCES, canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.sources.adapter import Connection


class Ignored:
    """Aliases that name nobody (info@, a kiosk's phone), as patterns with `*`.

    `count` hears of events that no other alias names.
    """

    def __init__(
        self,
        patterns: Sequence[str] = (),
        count: Callable[[str, int], None] = lambda _what, _number: None,
    ) -> None:
        self.patterns, self.count = patterns, count

    def events_out(self, found: Sequence[LeadEvent], received_at: int) -> list[Out]:
        """Return a record for each event, addressed by its strongest alias.

        An event that only ignored aliases name is counted, and belongs to nobody.
        """
        outs = []
        for event in found:
            # also one that another system writes in its own way
            named = dict.fromkeys(map(canonical, event.aliases))
            left = tuple(
                alias
                for alias in named
                if not any(fnmatchcase(alias, pattern) for pattern in self.patterns)
            )
            self.count("ignored", not left)
            if left:
                body = event.model_dump(mode="json", exclude_none=True, exclude_defaults=True) | {
                    "aliases": left
                }
                record = {"record": "event", "event": body, "received_at": received_at}
                outs.append(Out(topics.EVENTS, ordered(left)[0].encode(), events.dump(record)))
        return outs


_NONE = Ignored()


def _received(record: Any) -> int:
    """Return when a record was received (ms): the broker's stamp.

    A record that is sent again keeps its first stamp in a header.
    """
    text = headers_of(record).get(RECEIVED_HEADER, "")
    stamp: int = record.timestamp
    return min(stamp, int(text)) if text.isascii() and text.isdigit() and len(text) < 16 else stamp


def _look(_source: str, _body: Any) -> None:
    """Look at no body."""


def normalise(
    record: Any,
    connection: Connection,
    ignored: Ignored = _NONE,
    look: Callable[[str, Any], None] = _look,
) -> Effects:
    """Transform one record of `lead.raw.*`. Its broker's stamp is the receipt time.

    `look` is shown each body that can be decoded, before it is known whether it can be read.

    Raises:
        PayloadRejected: nothing of it can be read; the sender must act.

    """
    headers, source, received_at = (
        headers_of(record),
        sources.source_of(record.headers),
        _received(record),
    )
    if source not in SOURCES:
        raise PayloadRejected(f"source {source[:40]!r} is none of {', '.join(SOURCES)}")
    try:
        body = SOURCES[source].decode(record.value or b"")
    except ValueError as error:
        raise PayloadRejected(str(error)) from error
    # CloudEvents in binary mode: the attributes are headers, the body is the data
    if "ce_type" in headers:
        body = {
            **{name[3:]: value for name, value in headers.items() if name.startswith("ce_")},
            "data": body,
        }
    look(source, body)
    try:
        found = SOURCES[source].normalise(body, received_at, connection)
    except UNREADABLE as error:
        raise PayloadRejected(f"{source}: {why(error)}") from error
    outs = ignored.events_out(found.events, received_at)
    outs += [
        Out(
            topics.SPEND,
            spend.key.encode(),
            stated.dump(spend.model_copy(update={"stated_at": received_at})),
        )
        for spend in found.spend
    ]
    # all that it is: its own bytes and headers say it best
    only = len(found.rejected) == 1 and not (outs or found.ignored)
    rejected = tuple(
        Rejected(f"{source}: {why}", None if only else part) for why, part in found.rejected
    )
    return Effects(
        tuple(outs), rejected=rejected, ignored=tuple(found.ignored), dropped=tuple(found.dropped)
    )


def normalise_import(record: Any, ignored: Ignored = _NONE) -> Effects:
    """Transform one record of `lead.raw.import`, which is an event that a mapping file made."""
    received_at = _received(record)
    try:
        event = LeadEvent.model_validate_json(record.value or b"", extra="ignore")
    except ValidationError as error:
        raise PayloadRejected(reason(error, "the row")) from error
    # a typing error of 2035 must not fire every timer (history h7)
    if event.occurred_at > received_at + AHEAD_MS:
        event = event.model_copy(
            update={"occurred_at": received_at, "stated_at": event.occurred_at}
        )
    return Effects(tuple(ignored.events_out([event], received_at)))
