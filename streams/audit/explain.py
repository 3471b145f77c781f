"""explain: one lead, readable by a salesperson: what happened when, when we learned it, what we said and took back.

`gather` reads ClickHouse; `story` makes one document of it; `readable` (telling.py) writes it for people.
"""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from schemas import addresses
from schemas.events import Event, parse
from streams.domain import aliases
from streams.domain.outlook import outlook
from streams.domain.row import edge_of
from streams.sources.values import email_alias

from . import archive, identities

if TYPE_CHECKING:
    from streams.domain.definition import Definitions

_UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


class Unknown(Exception):  # noqa: N818 - the asker must act: another alias, or wait for the event
    """Nobody is known by that name."""


class Known(NamedTuple):
    """An event of the lead: whole id, when we learned it (ms), and whether it was held under a weak alias meanwhile."""

    event: Event
    name: str
    received_at: int
    held: bool = False


class Revision(NamedTuple):
    """One revision of a fact, when ClickHouse ingested it (ms), and what made it: an event's id, or words; None when time did."""

    fact: str
    kind: str
    journey: int
    at: int
    revision: int
    content: str | None
    ingested_at: int
    cause: str | None = None


def lead_of(client: Any, name: str, key: bytes, generation: int) -> str:
    """Find the lead of an id or an alias (`email:jane@example.com`, or just the address; `segment:anon:1`).

    Raises:
        Unknown: no lead has it.

    """
    address = (
        email_alias(name.removeprefix("email:"))
        if name.startswith("email:") or ":" not in name
        else None
    )
    found = name if _UUID.match(name) else aliases.origin_id(key, address or name)
    rows = client.query(
        "SELECT toString(lead_id) FROM lead_state FINAL WHERE generation = {g:UInt16} AND (lead_id = {n:UUID} OR has(origins, {n:String}) "
        "OR hasAny(origins, (SELECT groupArray(origin) FROM aliases WHERE alias = {n:String} AND what = 'leads')))",
        parameters={"g": generation, "n": found},
    ).result_rows
    if not rows:
        raise Unknown(
            f"no lead has {name}: check the spelling, or wait until its event has arrived (`leadstream status`); "
            "what was sent under an alias alone that never met an email, a CRM id, a user id or an ad lead id belongs to no lead yet"
        )
    return str(rows[0][0])


_IDENTITY = """
SELECT
  (SELECT count() FROM v_conflicts WHERE {n:String} IN (a, b))
  + (SELECT count() FROM touches WHERE lead_id = {n:UUID} OR origin = {n:String})
"""


def known(client: Any, name: str, key: bytes, generation: int) -> None:
    """Make sure that an alias leads somewhere: to a lead, or to an identity that has none yet.

    A CRM record of which nothing but an address was heard is such an identity: it may stand on one
    side of a conflict, and a person's word about it counts.

    Raises:
        Unknown: nobody has it.

    """
    origin = aliases.origin_id(key, name)
    found = client.query(_IDENTITY, parameters={"n": origin})
    if not found.first_row[0]:
        lead_of(client, name, key, generation)


def explain(client: Any, lead: str, generation: int, now: int) -> dict[str, Any]:
    """Tell a lead of the shown generation as a document; `now` (ms) is the instant that the score is counted to."""
    state = client.query(
        "SELECT * FROM lead_state FINAL WHERE generation = {g:UInt16} AND lead_id = {l:UUID}",
        parameters={"g": generation, "l": lead},
    )
    stands = (
        dict(zip(state.column_names, state.first_row, strict=True)) if state.result_rows else {}
    )
    read = client.query(
        "SELECT content, event_id, toUnixTimestamp64Milli(received_at), held FROM touches FINAL "
        "WHERE has({o:Array(String)}, origin) AND kind = 'event' AND copied = 0 ORDER BY event_time, event_id",
        parameters={"o": stands.get("origins") or [lead]},
    ).result_rows
    rows = client.query(
        "SELECT r.fact_id, r.kind, r.journey, toUnixTimestamp64Milli(r.event_time), r.revision, r.is_deleted, r.content, "
        "toUnixTimestamp64Milli(r.ingested_at), t.kind, t.event_id, t.copied, t.edge FROM "
        "(SELECT * FROM fact_revisions FINAL WHERE generation = {g:UInt16} AND lead_id = {l:UUID} AND kind != 'state') AS r "
        "LEFT JOIN (SELECT source_partition, source_offset, kind, event_id, copied, if(kind = 'edge', content, '') AS edge "
        "FROM touches WHERE lead_id = {l:UUID}) AS t "
        "ON t.source_partition = r.source_partition AND t.source_offset = r.source_offset ORDER BY r.revision",
        parameters={"g": generation, "l": lead},
    ).result_rows
    known = [
        Known(Event(*orjson.loads(content)), name, received, bool(held))
        for content, name, received, held in read
    ]
    revisions = [
        Revision(
            fact, kind, journey, at, number, None if gone else content, ingested_at, _cause(*cause)
        )
        for fact, kind, journey, at, number, gone, content, ingested_at, *cause in rows
    ]
    apart = {
        end
        for one in revisions
        if one.kind == "conflict" and one.content
        for end in _ends(one.content)
    }
    names = {
        half: identities.name(found)
        for half, found in identities.leads_and_records(client, sorted(apart)).items()
    }
    return story(
        lead, stands, known, revisions, archive.definitions_of(client, generation), now, names
    )


def _ends(content: str) -> tuple[str, str]:
    conflict = orjson.loads(content)
    return conflict["a"], conflict["b"]


def _cause(kind: str, event: str, copied: int, content: str) -> str | None:
    """Name the record of lead.touches that made a revision: an event, a word or link about who is who, or nothing but time."""
    if kind == "edge":
        edge = edge_of(orjson.loads(content))
        word = {"merge": "a merge", "unmerge": "an unmerge"}.get(edge.type, "a link")
        return f"{word} with another identity ({edge.event or 'one event'})"
    return f"what another identity brought ({event})" if copied else event or None


def story(
    lead: str,
    stands: dict[str, Any],
    known: list[Known],
    revisions: list[Revision],
    definitions: Definitions,
    now: int,
    conflict_names: dict[str, str],
) -> dict[str, Any]:
    """Make one document of a lead's events and of every revision of its facts. Pure. `conflict_names` names the ends of its conflicts."""
    latest = {one.fact: one for one in revisions}
    names = {**conflict_names, **{one.event.id: one.name for one in known}}
    erased = {one.event.origin for one in known if one.event.type == "erase"}
    mine = [
        one.event for one in known if one.event.type == "erase" or one.event.origin not in erased
    ]
    instead = _instead(revisions)
    facts = [
        _fact(one, names)
        for one in sorted(latest.values(), key=lambda one: (one.at, one.revision))
        if one.content
    ]
    judged = {fact.get("version") for fact in facts}
    shown = definitions.at(now).funnel
    return {
        "lead": lead,
        "now": {**stands, "record_url": addresses.web(stands.get("record_url"))}
        if stands
        else stands,
        "definitions": [
            {
                "version": one.funnel.version,
                "effective_from": one.funnel.effective_from,
                "strategy": one.funnel.strategy,
            }
            for one in definitions.versions
            if one.funnel.version in judged
        ],
        "events": [_event(one) for one in known],
        "facts": facts,
        "restated": [
            _restated(one, instead[one], names)
            for one in revisions
            if one.content and one in instead
        ],
        "ladder": list(definitions.first.funnel.ladder),
        "titles": shown.titles(),
        "outlook": outlook(lead, mine, definitions, now, opted_out=bool(stands.get("opted_out"))),
    }


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


def _event(one: Known) -> dict[str, Any]:
    head = {
        "at": _moment(one.event.at),
        "learned": _moment(one.received_at),
        "type": one.event.type,
        "id": one.name,
        "held": one.held,
    }
    body = parse(one.event.body)
    record = {"record_url": addresses.web(body["record_url"])} if "record_url" in body else {}
    return {**body, **record, **head}


def _fact(one: Revision, names: dict[str, str]) -> dict[str, Any]:
    body = orjson.loads(one.content) if one.content else {}
    if one.kind == "conflict":
        body["halves"] = [names.get(half, f"identity {half}") for half in (body["a"], body["b"])]
    head = {
        "event_time": _moment(one.at),
        "kind": one.kind,
        "journey": one.journey,
        "revision": one.revision,
    }
    return {
        **body,
        **head,
        "said": _moment(one.ingested_at),
        "cause": names.get(one.cause or "", one.cause),
    }


def _instead(revisions: list[Revision]) -> dict[Revision, Revision]:
    """Give to each revision that is no longer so the next one of its fact."""
    chains = defaultdict(list)
    for one in sorted(revisions, key=lambda one: one.revision):
        chains[one.fact].append(one)
    return {one: after for chain in chains.values() for one, after in pairwise(chain)}


def _restated(one: Revision, after: Revision, names: dict[str, str]) -> dict[str, Any]:
    """Tell what a revision had said, and what the next one says in its place; None when the fact was taken back."""
    by = {
        "overruled_at": _moment(after.ingested_at),
        "overruled_by": names.get(after.cause or "", after.cause),
    }
    return {**_fact(one, names), **by, "instead": _fact(after, names) if after.content else None}
