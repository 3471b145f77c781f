"""resolve: whose event it is. State: alias -> the lead it leads to, or what it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from schemas import topics
from streams.domain import identity
from streams.engine.commit import Out
from streams.engine.logic import Effects, Logic

if TYPE_CHECKING:
    from collections.abc import Callable


def _leads_to(alias: str, origin: str, what: str, key: bytes, partition: int) -> Out:
    """Tell what an alias is to an origin: the alias by its kind and its id, never by itself."""
    said = {"k": "alias", "alias": identity.origin_id(key, alias), "kind": alias.partition(":")[0], "origin": origin, "what": what}
    return Out(topics.FACTS, None, orjson.dumps(said), partition)


class Resolve(Logic):
    """The engine's logic around the pure `identity.resolve`."""

    def __init__(self, key: bytes, count: Callable[[str, int], None]) -> None:
        """`key` is the installation's identity key; `count` is told what was held and released."""
        self.key, self.count = key, count

    def record(self, record: Any, row: bytes | None, now: int) -> Effects:
        """Resolve one record of `lead.events`."""
        before = identity.load(row) if row else identity.AliasRow(record.key.decode())
        done = identity.resolve(before, orjson.loads(record.value), record.timestamp, now or record.timestamp, self.key)
        self.count("held", done.held)
        self.count("released", done.released)
        self.count("expired", done.row.expired - before.expired)
        self.count("shared", sum(what == identity.SHARES for _, what in done.leads_to) + done.row.shared - before.shared)
        outs = [Out(topics.TOUCHES, touch.lead.encode(), orjson.dumps(touch.record)) for touch in done.touches]
        outs += [Out(topics.EVENTS, alias.encode(), orjson.dumps(link)) for alias, link in done.links]
        outs += [_leads_to(before.alias, origin, what, self.key, record.partition) for origin, what in done.leads_to]
        if done.row == before and row is not None:
            return Effects(tuple(outs))
        return Effects(tuple(outs), identity.dump(done.row), done.row.next_due)

    def due(self, _key: bytes, row: bytes, now: int, _record: Any) -> Effects:
        """Give up what was held too long."""
        before = identity.load(row)
        after = identity.expire(before, now)
        self.count("expired", after.expired - before.expired)
        return Effects((), identity.dump(after), after.next_due)

    def next_due(self, row: bytes) -> int | None:
        """Read when held events expire."""
        return orjson.loads(row)["due"] if not row.startswith(b'{"due":null') else None
