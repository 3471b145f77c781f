"""normalise: a raw body in, canonical events out. Stateless; one body may hold good parts and bad."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import ValidationError

from schemas import sources, topics
from schemas.deadletters import RECEIVED_HEADER
from schemas.events import LeadEvent
from streams.domain.aliases import ordered
from streams.engine.commit import Out
from streams.engine.logic import Effects, PayloadRejected, Rejected, headers_of
from streams.sources.adapter import AHEAD_MS, UNREADABLE, reason, why
from streams.sources.registry import SOURCES, canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.sources.adapter import Connection


class Ignored:
    """Aliases that name nobody (info@, a kiosk's phone), as patterns with `*`; `count` is told of events that nothing else names."""

    def __init__(
        self,
        patterns: Sequence[str] = (),
        count: Callable[[str, int], None] = lambda _what, _number: None,
    ) -> None:
        self.patterns, self.count = patterns, count

    def events_out(self, events: Sequence[LeadEvent], received_at: int) -> list[Out]:
        """Address each event by its strongest alias. One that is known by ignored ones only is counted, and nobody's."""
        outs = []
        for event in events:
            named = dict.fromkeys(
                map(canonical, event.aliases)
            )  # also one that another system writes in its own way
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
                record = {"t": "event", "event": body, "received_at": received_at}
                outs.append(Out(topics.EVENTS, ordered(left)[0].encode(), orjson.dumps(record)))
        return outs


_NONE = Ignored()


def _received(record: Any) -> int:
    """Return when a record was received (ms): the broker's stamp, or the first one's of a record that is sent again."""
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
    """Turn one record of `lead.raw.*`. Its broker's stamp is the receipt time.

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
    if (
        "ce_type" in headers
    ):  # CloudEvents in binary mode: the attributes are headers, the body is the data
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
            spend.model_copy(update={"stated_at": received_at}).model_dump_json().encode(),
        )
        for spend in found.spend
    ]
    only = len(found.rejected) == 1 and not (
        outs or found.ignored
    )  # all that it is: its own bytes and headers say it best
    rejected = tuple(
        Rejected(f"{source}: {why}", None if only else part) for why, part in found.rejected
    )
    return Effects(
        tuple(outs), rejected=rejected, ignored=tuple(found.ignored), dropped=tuple(found.dropped)
    )


def normalise_import(record: Any, ignored: Ignored = _NONE) -> Effects:
    """Turn one record of `lead.raw.import`: an event already, made by a mapping file."""
    received_at = _received(record)
    try:
        event = LeadEvent.model_validate_json(record.value or b"")
    except ValidationError as error:
        raise PayloadRejected(reason(error, "the row")) from error
    if (
        event.occurred_at > received_at + AHEAD_MS
    ):  # a typing error of 2035 must not fire every timer (rule 7)
        event = event.model_copy(
            update={"occurred_at": received_at, "stated_at": event.occurred_at}
        )
    return Effects(tuple(ignored.events_out([event], received_at)))
