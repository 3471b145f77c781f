"""Find leads by what people have at hand: an id or its beginning, an email, a CRM record.

An address and an alias are looked up by the installation's keyed hash, as identity names them;
nothing that was typed is stored or logged.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sinks.clickhouse.files import statement
from streams.domain import aliases
from streams.sources.values import email_alias

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 20  # leads that one search names; more are no answer
SHORTEST = 4  # hex digits of an id's beginning
LONGEST = 2_000  # characters: no address of a record is longer
_ID = statement(__file__, "finding_id")
_ALIAS = statement(__file__, "finding_alias")
_PREFIX = statement(__file__, "finding_prefix")
_RECORD = statement(__file__, "finding_record")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HEX = re.compile(r"[0-9a-f]{4,32}")
_SHAPE = (8, 4, 4, 4, 12)


def find(client: Any, text: str, key: bytes, generation: int) -> list[str]:
    """Return the ids of the leads that a text names, at most `MOST`; none for what names nobody.

    It may be an id, at least `SHORTEST` hex digits of its beginning, an email, an alias like
    `hubspot:1:contact:77`, the address of a CRM's record, or that record's own id. `key` is the
    identity key; without one no email and no alias finds anybody.
    """
    wanted = text.strip()
    if not wanted or len(wanted) > LONGEST:
        return []
    asker = _Asker(client, generation)
    return next((found for found in _ways(asker, wanted, key) if found), [])


def alias(text: str) -> str:
    """Return a text as events carry an alias: an address with `email:`; empty where it is none."""
    name = text.strip()
    kind, mark, rest = name.partition(":")
    if mark and kind.lower() != "email":
        return name
    return email_alias(rest if mark else name) or (name if mark else "")


def _ways(asker: _Asker, wanted: str, key: bytes) -> Iterator[list[str]]:
    """Yield what each way of reading a text finds; the surest way comes first."""
    if "://" in wanted:
        yield asker.ask(_RECORD, record=wanted)
        return
    lower = wanted.lower()
    if _UUID.fullmatch(lower):
        yield asker.ask(_ID, name=lower)
        if key:
            yield asker.ask(_ALIAS, name=lower)
        return
    if key and (name := alias(wanted)):
        origin = aliases.origin_id(key, name)
        yield asker.ask(_ID, name=origin)
        yield asker.ask(_ALIAS, name=origin)
    if ":" in wanted or "@" in wanted:
        return
    digits = lower.replace("-", "")
    if _HEX.fullmatch(digits) and len(digits) >= SHORTEST:
        yield asker.ask(_PREFIX, prefix=_dashed(digits))
    yield asker.ask(_RECORD, record=wanted)


def _dashed(digits: str) -> str:
    """Return the beginning of a UUID as it is written."""
    parts = []
    for size in _SHAPE:
        parts.append(digits[:size])
        digits = digits[size:]
    return "-".join(filter(None, parts))


class _Asker:
    """Asks for leads of one generation."""

    def __init__(self, client: Any, generation: int) -> None:
        self._client, self._generation = client, generation

    def ask(self, question: str, **named: str) -> list[str]:
        parameters = {"generation": self._generation, "limit": MOST, **named}
        return [row[0] for row in self._client.query(question, parameters=parameters).result_rows]
