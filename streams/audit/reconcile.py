"""Our side of a reconciliation, out of ClickHouse: the leads of a report's records, and our own.

A record is found by its alias' keyed id, so queries hold ids that we made and nothing else of a
report. All but the search of the leads that records belong to is read by primary key: what it costs
grows with the report and the period, not with the number of leads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from schemas import addresses
from schemas.shape import Shape
from streams.domain import calendar
from streams.domain.aliases import origin_id
from streams.domain.reconciliation import Entry, Journey, Lead, Ours, Question

MANY = 5_000  # ids of a query: they stand in its text, of which a server reads 256 kB

_ENTERED = """
SELECT DISTINCT toString(lead_id)
FROM v_stage_transitions
WHERE to_stage = {stage:String}
  AND event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
  AND opening = 0
  AND test = 0
"""
_LEADS = """
SELECT origin, toString(lead)
FROM (SELECT lead_id AS lead, arrayJoin(origins) AS origin FROM v_lead_state)
WHERE origin IN ({ids})
"""
_STATES = """
SELECT toString(lead_id), stage, record_url
FROM v_lead_state
WHERE lead_id IN ({ids})
"""
_ENTRIES = """
SELECT
  toString(lead_id),
  journey,
  toUnixTimestamp64Milli(event_time),
  system,
  toBool(implied),
  toBool(opening)
FROM v_stage_transitions
WHERE to_stage = {stage:String} AND lead_id IN ({ids})
"""
_JOURNEYS = """
SELECT
  toString(lead_id),
  journey,
  toUnixTimestamp64Milli(event_time),
  toBool(opening),
  toBool(test),
  excluded,
  arrayMap(stage -> toUnixTimestamp64Milli(entered[stage]), arrayFilter(stage -> mapContains(entered, stage), {left:Array(String)}))
FROM v_journeys
WHERE lead_id IN ({ids})
"""
_UNMAPPED = """
SELECT DISTINCT toString(lead_id), stage
FROM v_notes
WHERE what = 'unmapped' AND stage != '' AND reason = ''
  AND system = {system:String} AND lead_id IN ({ids})
"""
# An event's content is a list: its 6th part is the type, its 7th what it says, as JSON.
_HEARD = """
SELECT
  toString(lead_id),
  groupUniqArray(source),
  toBool(max(type = 'lead.deleted' AND source = {system:String})),
  groupUniqArrayIf(origin, type = 'erase')
FROM (
  SELECT
    lead_id,
    origin,
    JSONExtractString(content, 6) AS type,
    JSONExtractString(JSONExtractString(content, 7), 'source') AS source
  FROM touches
  WHERE kind = 'event' AND lead_id IN ({ids})
)
GROUP BY lead_id
"""
# A CRM's record is never housed with another, so what came of it stands under its own id.
_WITHOUT_LEAD = """
SELECT
  toString(lead_id),
  toBool(max(kind = 'event' AND origin = toString(lead_id) AND JSONExtractString(content, 6) = 'erase'))
FROM touches
WHERE lead_id IN ({ids})
GROUP BY lead_id
"""


def ours(client: Any, asked: Question, shape: Shape, records: Iterable[str], key: bytes) -> Ours:
    """Read the leads of `records` (aliases), and those that entered the stage in the period.

    `key` is the installation's identity key.
    """
    named = {origin_id(key, alias): alias for alias in records}
    held = {origin: lead for ids in _parts(named) for origin, lead in _rows(client, _LEADS, ids)}
    lost = {
        origin: erased
        for ids in _parts(named.keys() - held)
        for origin, erased in _rows(client, _WITHOUT_LEAD, ids)
    }
    zone = ZoneInfo(asked.zone)
    period: dict[str, Any] = {
        "start": _midnight(asked.first, zone),
        "end": _midnight(asked.last, zone),
    }
    entered = {lead for (lead,) in _rows(client, _ENTERED, stage=asked.stage, **period)}
    mine: dict[str, set[str]] = defaultdict(set)
    for origin, lead in held.items():
        mine[lead].add(origin)
    leads: list[Lead] = []
    erased = {named[origin] for origin, gone in lost.items() if gone}
    for ids in _parts(entered | mine.keys()):
        found, gone = _read(client, asked, shape, ids)
        erased |= {named[origin] for origin in gone & named.keys()}
        leads += [
            one._replace(records=frozenset(named[origin] for origin in mine.get(one.id, ())))
            for one in found
        ]
    linked = {named[origin] for origin in lost} - erased
    return Ours(tuple(leads), frozenset(erased), frozenset(linked))


def _read(
    client: Any, asked: Question, shape: Shape, ids: list[str]
) -> tuple[list[Lead], set[str]]:
    """Read leads by their ids; return them, and the origins among theirs that are erased."""

    def by_lead(statement: str, **more: Any) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = defaultdict(list)
        for lead, *rest in _rows(client, statement, ids, **more):
            found[lead].append(rest)
        return found

    left = [stage for stage in (shape.recycled, shape.lost, shape.disqualified) if stage]
    entries, journeys = by_lead(_ENTRIES, stage=asked.stage), by_lead(_JOURNEYS, left=left)
    unmapped, heard = by_lead(_UNMAPPED, system=asked.system), by_lead(_HEARD, system=asked.system)
    leads = []
    gone: set[str] = set()
    for lead, ((stage, url),) in by_lead(_STATES).items():
        sources, deleted, erased = heard[lead][0] if lead in heard else ((), False, ())
        gone |= {*erased}
        leads.append(
            Lead(
                lead,
                stage,
                tuple(sorted(_journey(*one) for one in journeys[lead])),
                tuple(sorted(Entry(*one) for one in entries[lead])),
                unmapped=tuple(sorted(word for (word,) in unmapped[lead])),
                systems=frozenset(filter(None, sources)),
                deleted=deleted,
                address=addresses.web(url),
            )
        )
    return leads, gone


def _journey(
    number: int, began: int, opening: bool, test: bool, excluded: str, ends: list[int]
) -> Journey:
    """Make a journey, which ended at the first of the times at which the lead left the ladder."""
    return Journey(number, began, opening, test, excluded, min(ends, default=None))


def _rows(client: Any, statement: str, ids: Iterable[str] = (), **parameters: Any) -> list[Any]:
    """Ask, about ids if there are some. A server reads parameters from an address, which is short.

    Nothing but a UUID gets into the text.
    """
    listed = ", ".join(f"'{UUID(one)}'" for one in ids)
    found = client.query(statement.replace("{ids}", listed), parameters=parameters)
    return list(found.result_rows)


def _parts(ids: Iterable[str]) -> Iterator[list[str]]:
    """Cut ids into as many as a query takes, always in one order."""
    ordered = sorted(ids)
    for place in range(0, len(ordered), MANY):
        yield ordered[place : place + MANY]


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(calendar.wall_ms(day, time(), zone) / 1000, UTC)
