"""resolve: whose event it is. State: a row an alias, with its identity or the events it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from pydantic import ValidationError

from schemas import topics
from schemas.wire import events, facts, touches
from schemas.wire.versions import UnknownRecord
from streams.domain import alias_row, aliases, identity
from streams.engine.commit import Out
from streams.engine.logic import Effects, Logic, Pages, PayloadRejected, Rejected, no_pages
from streams.sources.adapter import reason

if TYPE_CHECKING:
    from collections.abc import Callable


def _leads_to(alias: str, origin: str, what: str, key: bytes, partition: int) -> Out:
    """Return the record of what an alias is to an identity; of the alias only its kind and id."""
    fields = {
        "alias": aliases.origin_id(key, alias),
        "kind": alias.partition(":")[0],
        "origin": origin,
        "what": what,
    }
    return Out(topics.FACTS, None, facts.dump("alias", fields), partition)


class Resolve(Logic):
    """The engine's logic around the pure `identity.resolve`."""

    def __init__(self, key: bytes, count: Callable[[str, int], None]) -> None:
        """Resolve with the installation's identity key; report what was held and released."""
        self.key, self.count = key, count

    def row_key(self, key: bytes) -> bytes:
        """Return the alias' keyed hash: the changelog is compacted, so its keys stay for good."""
        return aliases.origin_id(self.key, key.decode()).encode()

    def record(self, record: Any, row: bytes | None, now: int, pages: Pages = no_pages) -> Effects:
        """Resolve one record of `lead.events`."""
        body = _read(record)
        alias = record.key.decode()
        before = alias_row.load(alias, row, pages) if row else alias_row.AliasRow(alias)
        try:
            done = identity.resolve(
                before, body, record.timestamp, now or record.timestamp, self.key
            )
        except ValidationError as error:
            raise PayloadRejected(
                f"{reason(error, 'the event')}: if a later release wrote it, update this worker "
                "and replay the letter"
            ) from error
        self.count("held", done.held)
        self.count("released", done.released)
        self.count("duplicates", done.repeated)
        self.count("expired", done.row.expired - before.expired)
        self.count(
            "shared",
            sum(what == identity.Relation.SHARES for _, what in done.leads_to)
            + done.row.shared
            - before.shared,
        )
        self.count("crowded", sum(what == identity.Relation.CROWDED for _, what in done.leads_to))
        outs = [
            Out(topics.TOUCHES, touch.lead.encode(), touches.dump(touch.record))
            for touch in done.touches
        ]
        outs += [
            Out(topics.EVENTS, other.encode(), events.dump(link)) for other, link in done.links
        ]
        outs += [
            _leads_to(before.alias, origin, what, self.key, record.partition)
            for origin, what in done.leads_to
        ]
        if done.row == before and row is not None:
            return Effects(tuple(outs))
        rejected = tuple(
            Rejected("an event that was held can't be read by this release", orjson.dumps(one))
            for one in done.unreadable
        )
        return Effects(
            tuple(outs),
            alias_row.dump(done.row),
            done.row.next_due,
            rejected,
            pages=done.row.notes.changed(),
        )

    def due(
        self, _key: bytes, row: bytes, now: int, _record: Any, _pages: Pages = no_pages
    ) -> Effects:
        """Give up what was held too long."""
        before = alias_row.load("", row, no_pages)  # time touches neither its alias nor its notes
        after = alias_row.expire(before, now)
        self.count("expired", after.expired - before.expired)
        return Effects((), alias_row.dump(after), after.next_due)

    def next_due(self, row: bytes) -> int | None:
        """Read when held events expire."""
        return orjson.loads(row)["due"] if not row.startswith(b'{"due":null') else None


def _read(record: Any) -> dict[str, Any]:
    """Read a record of `lead.events`.

    Raises:
        PayloadRejected: it is none; whoever wrote it there must act.

    """
    try:
        return events.load(record.value)
    except UnknownRecord as error:
        raise PayloadRejected(str(error)) from error
