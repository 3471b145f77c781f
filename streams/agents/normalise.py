"""normalise: a raw body in, canonical events out. Stateless; one body may hold good parts and bad."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import orjson

from schemas import topics
from schemas.events import LeadEvent
from streams.domain.identity import ordered
from streams.engine.commit import Out
from streams.engine.logic import Effects, PayloadRejected, Rejected
from streams.sources.adapter import AHEAD_MS
from streams.sources.registry import SOURCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.sources.adapter import Connection

SOURCE_HEADER = "leadstream-source"


def known_by(event: LeadEvent, ignored: Sequence[str]) -> LeadEvent:
    """Take the aliases off an event that name nobody (info@, a kiosk's phone): `ignored` are patterns with `*`.

    Raises:
        ValueError: nothing is left to know it by.

    """
    left = tuple(alias for alias in event.aliases if not any(fnmatchcase(alias, pattern) for pattern in ignored))
    if not left:
        raise ValueError("all its aliases are ignored: send another one, or take one out of LEADSTREAM_IGNORED_ALIASES")
    return event if left == event.aliases else event.model_copy(update={"aliases": left})


def event_out(event: LeadEvent, received_at: int) -> Out:
    """Address an event by its strongest alias."""
    body = event.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    record = {"t": "event", "event": body, "received_at": received_at}
    return Out(topics.EVENTS, ordered(event.aliases)[0].encode(), orjson.dumps(record))


def normalise(record: Any, connection: Connection, ignored: Sequence[str] = ()) -> Effects:
    """Turn one record of `lead.raw.*`. Its broker's stamp is the receipt time.

    Raises:
        PayloadRejected: nothing of it can be read; the sender must act.

    """
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    source = headers.get(SOURCE_HEADER, "cloudevents")
    if source not in SOURCES:
        raise PayloadRejected(f"source {source!r} is none of {', '.join(SOURCES)}")
    try:
        body = orjson.loads(record.value)
    except orjson.JSONDecodeError as error:
        raise PayloadRejected(f"the body is no JSON: {error}") from error
    if "ce_type" in headers:  # CloudEvents in binary mode: the attributes are headers, the body is the data
        body = {**{name[3:]: value for name, value in headers.items() if name.startswith("ce_")}, "data": body}
    try:
        found = SOURCES[source].normalise(body, record.timestamp, connection)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PayloadRejected(f"{source}: {error}") from error
    outs: list[Out] = []
    for event in found.events:
        try:
            outs.append(event_out(known_by(event, ignored), record.timestamp))
        except ValueError as error:
            found.reject(str(error), body)
    outs += [
        Out(topics.SPEND, spend.key.encode(), spend.model_copy(update={"stated_at": record.timestamp}).model_dump_json().encode())
        for spend in found.spend
    ]
    return Effects(tuple(outs), rejected=tuple(Rejected(f"{source}: {why}", part) for why, part in found.rejected))


def normalise_import(record: Any, ignored: Sequence[str] = ()) -> Effects:
    """Turn one record of `lead.raw.import`: an event already, made by a mapping file."""
    event = LeadEvent.model_validate_json(record.value)
    if event.occurred_at > record.timestamp + AHEAD_MS:  # a typing error of 2035 must not fire every timer (rule 7)
        event = event.model_copy(update={"occurred_at": record.timestamp, "stated_at": event.occurred_at})
    return Effects((event_out(known_by(event, ignored), record.timestamp),))
