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
from sinks.clickhouse.files import statement
from streams.domain import calendar
from streams.domain.aliases import origin_id
from streams.domain.reconciliation import Entry, Journey, Lead, Ours, Question

MANY = 5_000  # ids of a query: they stand in its text, of which a server reads 256 kB
_ENTERED = statement(__file__, "reconcile_entered")
_LEADS = statement(__file__, "reconcile_leads")
_STATES = statement(__file__, "reconcile_states")
_ENTRIES = statement(__file__, "reconcile_entries")
_JOURNEYS = statement(__file__, "reconcile_journeys")
_UNMAPPED = statement(__file__, "reconcile_unmapped")
_HEARD = statement(__file__, "reconcile_heard")
_WITHOUT_LEAD = statement(__file__, "reconcile_without_lead")


def ours(client: Any, asked: Question, shape: Shape, records: Iterable[str], key: bytes) -> Ours:
    """Return the leads of `records` (aliases), and those that entered the stage in the period.

    `key` is the installation's identity key.
    """
    named = {origin_id(key, alias): alias for alias in records}
    lead_of = dict(_parted(client, _LEADS, named))
    erased_of = dict(_parted(client, _WITHOUT_LEAD, named.keys() - lead_of))  # those of no lead
    zone = ZoneInfo(asked.zone)
    start, end = _midnight(asked.first, zone), _midnight(asked.last, zone)
    entered = _rows(client, _ENTERED, stage=asked.stage, start=start, end=end)
    records_of: dict[str, set[str]] = defaultdict(set)
    for identity, lead in lead_of.items():
        records_of[lead].add(named[identity])
    leads: list[Lead] = []
    erased = {named[identity] for identity, gone in erased_of.items() if gone}
    for ids in _parts({lead for (lead,) in entered} | records_of.keys()):
        found, erased_identities = _read(client, asked, shape, ids)
        erased |= {named[identity] for identity in erased_identities & named.keys()}
        leads += [one._replace(records=frozenset(records_of.get(one.id, ()))) for one in found]
    linked = {named[identity] for identity in erased_of} - erased
    return Ours(tuple(leads), frozenset(erased), frozenset(linked))


def _parted(client: Any, statement: str, ids: Iterable[str]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a statement about any number of ids."""
    for part in _parts(ids):
        yield from _rows(client, statement, part)


def _read(
    client: Any, asked: Question, shape: Shape, ids: list[str]
) -> tuple[list[Lead], set[str]]:
    """Return leads by their ids, and the identities among theirs that are erased."""

    def by_lead(statement: str, **more: Any) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = defaultdict(list)
        for lead, *rest in _rows(client, statement, ids, **more):
            found[lead].append(rest)
        return found

    left = [stage for stage in (shape.recycled, shape.lost, shape.disqualified) if stage]
    entries, journeys = by_lead(_ENTRIES, stage=asked.stage), by_lead(_JOURNEYS, left=left)
    unmapped, heard = by_lead(_UNMAPPED, system=asked.system), by_lead(_HEARD, system=asked.system)
    leads = []
    erased: set[str] = set()
    for lead, ((stage, url),) in by_lead(_STATES).items():
        sources, deleted, identities = heard[lead][0] if lead in heard else ((), False, ())
        erased.update(identities)
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
    return leads, erased


def _journey(
    number: int, began: int, opening: bool, test: bool, excluded: str, ends: list[int]
) -> Journey:
    """Return a journey; it ended when the lead first left the ladder."""
    return Journey(number, began, opening, test, excluded, min(ends, default=None))


def _rows(client: Any, statement: str, ids: Iterable[str] = (), **parameters: Any) -> list[Any]:
    """Return the rows of a statement about ids, or about none.

    Ids stand in the statement's text, since a server reads parameters from an address, which is
    short. Nothing but a UUID gets into the text.
    """
    listed = ", ".join(f"'{UUID(one)}'" for one in ids)
    found = client.query(statement.replace("{ids}", listed), parameters=parameters)
    return list(found.result_rows)


def _parts(ids: Iterable[str]) -> Iterator[list[str]]:
    """Yield ids in parts that a query takes, always in one order."""
    ordered = sorted(ids)
    for place in range(0, len(ordered), MANY):
        yield ordered[place : place + MANY]


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(calendar.wall_ms(day, time(), zone) / 1000, UTC)
