"""explain: one lead, readable by a salesperson.

What happened when, when we learned it, what we stated and took back. `explain` reads ClickHouse;
`story` makes one document of it; `readable` (telling.py) writes it for people.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from schemas import addresses
from schemas.events import Event, parse
from sinks.clickhouse.files import statement
from streams.domain import aliases
from streams.domain.duties import duty
from streams.domain.outlook import outlook
from streams.domain.row import edge_of

from . import archive, finding, identities, telling

if TYPE_CHECKING:
    from schemas.funnel import Funnel
    from streams.domain.definition import Definitions

_IDENTITY = statement(__file__, "explain_identity")
_STATE = statement(__file__, "explain_state")
_EVENTS = statement(__file__, "explain_events")
_REVISIONS = statement(__file__, "explain_revisions")


class Unknown(Exception):  # noqa: N818 - the asker must act: another alias, or wait for the event
    """Nobody is known by that name."""


class Known(NamedTuple):
    """An event of the lead: its whole id, and when we learned it (ms).

    `held` is whether it was held under a weak alias meanwhile.
    """

    event: Event
    name: str
    received_at: int
    held: bool = False


class Revision(NamedTuple):
    """One revision of a fact, when ClickHouse ingested it (ms), and what made it.

    `cause` is an event's id or a description; None when time made it.
    """

    fact: str
    kind: str
    journey: int
    at: int
    revision: int
    content: str | None
    ingested_at: int
    cause: str | None = None


def lead_of(client: Any, name: str, key: bytes, generation: int) -> str:
    """Return the one lead that a text names (finding.find).

    Raises:
        Unknown: no lead has it, or several do; the text says which.

    """
    found = finding.find(client, name, key, generation)
    if len(found) > 1:
        more = " and more" if len(found) == finding.MOST else ""
        raise Unknown(f"{name} names several leads: {', '.join(found)}{more}")
    if not found:
        raise Unknown(
            f"no lead has {name}: check the spelling, or wait until its event has arrived "
            "(`leadstream status`); what was sent under an alias alone that never met an email, "
            "a CRM id, a user id or an ad lead id belongs to no lead yet"
        )
    return found[0]


def known(client: Any, name: str, key: bytes, generation: int) -> None:
    """Make sure that an alias leads somewhere: to a lead, or to an identity that has none yet.

    A CRM record of which nothing but an address was heard is such an identity: it may stand on one
    side of a conflict, and a person's word about it counts.

    Raises:
        Unknown: nobody has it.

    """
    origin = aliases.origin_id(key, name)
    found = client.query(_IDENTITY, parameters={"name": origin})
    if not found.first_row[0]:
        lead_of(client, name, key, generation)


def explain(client: Any, lead: str, generation: int, now: int) -> dict[str, Any]:
    """Return a lead of the shown generation as a document; the score is counted to `now` (ms)."""
    state = client.query(
        _STATE,
        parameters={"generation": generation, "lead": lead},
    )
    stands = (
        dict(zip(state.column_names, state.first_row, strict=True)) if state.result_rows else {}
    )
    read = client.query(
        _EVENTS,
        parameters={"origins": stands.get("origins") or [lead]},
    ).result_rows
    rows = client.query(
        _REVISIONS,
        parameters={"generation": generation, "lead": lead},
    ).result_rows
    known = [
        Known(Event(*orjson.loads(content)), name, received, bool(held))
        for content, name, received, held in read
    ]
    revisions = [
        Revision(
            fact,
            kind,
            journey,
            at,
            number,
            None if gone else content,
            ingested_at,
            cause_of(*cause),
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
        end: identities.name(found)
        for end, found in identities.leads_and_records(client, sorted(apart)).items()
    }
    return story(
        lead, stands, known, revisions, archive.definitions_of(client, generation), now, names
    )


def _ends(content: str) -> tuple[str, str]:
    conflict = orjson.loads(content)
    return conflict["a"], conflict["b"]


def cause_of(kind: str, event: str, copied: int, content: str) -> str | None:
    """Name what made a revision: an event, a merge, an unmerge or a link; None is time."""
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
    """Make one document of a lead's events and of every revision of its facts. Pure.

    `conflict_names` names the ends of its conflicts.
    """
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
    document = {
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
        "outlook": _with_duties(
            outlook(lead, mine, definitions, now, opted_out=bool(stands.get("opted_out"))), shown
        ),
    }
    return {"headline": telling.headline(document, now, shown.titles()), **document}


def _with_duties(view: dict[str, Any], funnel: Funnel) -> dict[str, Any]:
    """Return what is ahead with the duty of each clock that runs (domain/duties.py)."""
    running = [
        {**one, **duty(funnel, *one["clock"].rsplit(".", 1))._asdict()}
        for one in view.get("running", ())
    ]
    return {**view, "running": running} if running else view


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
        body["identities"] = [names.get(one, f"identity {one}") for one in (body["a"], body["b"])]
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
    """Return, of each revision that is no longer so, the next one of its fact."""
    chains = defaultdict(list)
    for one in sorted(revisions, key=lambda one: one.revision):
        chains[one.fact].append(one)
    return {one: after for chain in chains.values() for one, after in pairwise(chain)}


def _restated(one: Revision, after: Revision, names: dict[str, str]) -> dict[str, Any]:
    """Return what a revision stated, and what the next one states instead; None: taken back."""
    by = {
        "overruled_at": _moment(after.ingested_at),
        "overruled_by": names.get(after.cause or "", after.cause),
    }
    return {**_fact(one, names), **by, "instead": _fact(after, names) if after.content else None}
