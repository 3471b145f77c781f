"""verify: fold the archive again with the pure functions, and compare with what ClickHouse says.

Below a cut every fact was folded up to the cut's time, so both sides must agree: first every newest revision below
the cut with the fold, then every table that people read with the revisions. It can fail, and says where.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from sinks.clickhouse import generations
from sinks.clickhouse.rows import ENTERED, STATE, TABLES, TIME, WHEN, body_of, value_of
from streams.domain import members

from . import archive

if TYPE_CHECKING:
    from streams.domain.definition import Definitions

    from .archive import Archive, Component, Cut

SETTLED_MS = 60_000  # a copy that is still missing so long after its original, and what joined it, is an error, not in flight


@dataclass
class Report:
    """What verify found. `missing`: the fold states it and ClickHouse does not; `extra`: the reverse."""

    leads: int = 0
    events: int = 0
    facts: int = 0
    missing: list[dict[str, Any]] = field(default_factory=list)
    extra: list[dict[str, Any]] = field(default_factory=list)
    different: list[dict[str, Any]] = field(default_factory=list)
    adjustments: int = 0
    in_flight: int = 0

    @property
    def clean(self) -> bool:
        """Whether both sides agree."""
        return not (self.missing or self.extra or self.different)

    def document(self) -> dict[str, Any]:
        """Give it as the CLI prints it."""
        return {**self.__dict__, "verified": self.clean}


def verify(client: Any, partitions: int, generation: int | None = None) -> Report:
    """Compare, for the generation that is shown or another.

    Reads only what lies below the newest cut that the archive has reached in each partition.
    """
    report, generation = Report(), generation or generations.active(client)
    cuts = archive.cuts(client, generation)
    if len(cuts) < partitions:
        why = f"{len(cuts)} of {partitions} partitions have a cut in ClickHouse: the others cannot be verified yet"
        report.missing.append({"lead": "", "why": why})
    if not cuts:
        return report
    read = archive.read(client, cuts)
    known = list(archive.components(read))
    expected = _expect(known, cuts, archive.definitions_of(client, generation), partitions, report)
    report.events = len({(e.id, e.origin) for events in read.events.values() for e in events})
    found, moving, before = _revisions(client, generation, cuts)
    skip = _in_flight(known, read, cuts, report)
    for key, content in expected.items():
        if key[0] in skip:
            continue
        if key not in found:
            report.missing.append(_name(key, "no such fact in fact_revisions"))
        elif found[key] != content:
            report.different.append(
                {**_name(key, "fact_revisions"), "expected": content, "found": found[key]}
            )
    for key in found.keys() - expected.keys():
        if key[0] not in skip:
            report.extra.append(_name(key, "the archive does not say so"))
    report.facts = sum(1 for key in expected if key[1] != "state")
    _tables(
        client,
        generation,
        {k: v for k, v in expected.items() if k[0] not in skip and (k[0], k[1]) not in moving},
        moving,
        skip,
        report,
    )
    _forget_moved(report, before, _newest(client, generation))
    return report


def _newest(client: Any, generation: int) -> dict[tuple[str, str], int]:
    statement = "SELECT toString(lead_id), fact_id, max(revision) FROM fact_revisions WHERE generation = {g:UInt16} GROUP BY lead_id, fact_id"
    return {
        (lead, name): last
        for lead, name, last in client.query(statement, parameters={"g": generation}).result_rows
    }


def _forget_moved(
    report: Report, before: dict[tuple[str, str], int], after: dict[tuple[str, str], int]
) -> None:
    """Take back what was said of facts that arrived while the tables were read: the next look will judge them."""
    moved = {key for key, last in after.items() if before.get(key) != last}
    for found in (report.missing, report.extra, report.different):
        found[:] = [one for one in found if (one["lead"], one.get("fact", "")) not in moved]


_Key = tuple[str, str, str, int, int]  # lead, fact id, kind, journey, event time


def _name(key: _Key, why: str) -> dict[str, Any]:
    return {
        "lead": key[0],
        "fact": key[1],
        "kind": key[2],
        "journey": key[3],
        "event_time": key[4],
        "why": why,
    }


def _expect(
    known: list[Component],
    cuts: dict[int, Cut],
    definitions: Definitions,
    partitions: int,
    report: Report,
) -> dict[_Key, str]:
    """Fold group by group, each with the time of the partition its survivor lives in."""
    expected: dict[_Key, str] = {}
    for component in known:
        for lead in component.leads():
            folded = component.fold(lead, definitions, archive.time_of(lead, cuts, partitions))
            report.leads += bool(folded.state)
            for fact in folded.facts.values():
                expected[lead, fact.id, fact.kind, fact.journey, fact.at] = fact.content
            if folded.state:
                expected[lead, "state", "state", 0, 0] = orjson.dumps(
                    folded.state, option=orjson.OPT_SORT_KEYS
                ).decode()
    return expected


def _in_flight(
    known: list[Component], read: Archive, cuts: dict[int, Cut], report: Report
) -> set[str]:
    """Find groups of which a copy lies beyond a cut; name their leads. One missing for long is an error."""
    now = max((cut.now for cut in cuts.values()), default=0)
    homes = {event: home for home, events in read.events.items() for event in events}
    skip: set[str] = set()
    moving: set[str] = set()
    for component in known:
        groups = members.groups(component.edges)
        leads = {group: members.survivor(group, component.edges) for group in component.groups}
        for event in component.events:
            group = groups.of(event.origin)
            lead, home = leads[group], homes[event]
            if lead == home or event in read.copies[lead] or event in read.events[lead]:
                continue
            # an old event is copied when somebody merges its lead, and a chain of merges goes from row to row
            if now - max(read.received[event], read.joined.get(home, 0)) > SETTLED_MS:
                report.missing.append(
                    {"lead": lead, "event": event.id, "why": f"its copy from {home} never arrived"}
                )
            else:
                skip |= group
                moving.add(lead)
    report.in_flight = len(moving)
    return skip


def _revisions(
    client: Any, generation: int, cuts: dict[int, Cut]
) -> tuple[dict[_Key, str], set[tuple[str, str]], dict[tuple[str, str], int]]:
    """Give the newest revision below the cut of every fact, the facts that have moved on since, and each one's last."""
    statement = (
        "SELECT toString(lead_id), fact_id, "
        "argMaxIf((kind, journey, toUnixTimestamp64Milli(event_time), is_deleted, content), revision, below), "
        "maxIf(revision, below), max(revision) "
        f"FROM (SELECT *, ({archive.below(cuts)}) AS below FROM fact_revisions WHERE generation = {{g:UInt16}}) GROUP BY lead_id, fact_id"
    )
    found: dict[_Key, str] = {}
    moving: set[tuple[str, str]] = set()
    lasts: dict[tuple[str, str], int] = {}
    for lead, name, newest, below, last in client.query(
        statement, parameters={"g": generation}
    ).result_rows:
        kind, journey, at, deleted, content = newest
        lasts[lead, name] = last
        if below != last:
            moving.add((lead, name))
        if below and not deleted:
            found[lead, name, kind, journey, at] = content
    return found, moving, lasts


def _tables(
    client: Any,
    generation: int,
    expected: dict[_Key, str],
    moving: set[tuple[str, str]],
    skip: set[str],
    report: Report,
) -> None:
    """Compare the tables that people read with what they must say, column by column."""
    for kind, (table, columns) in {**TABLES, "state": ("lead_state", STATE)}.items():
        place = (
            "'state', 0, 0"
            if kind == "state"
            else "fact_id, journey, toUnixTimestamp64Milli(event_time)"
        )
        wanted = {key: content for key, content in expected.items() if key[2] == kind}
        shown = ", ".join(_select(column.name, column.type) for column in columns)
        statement = f"SELECT toString(lead_id), {place}, {shown} FROM {table} FINAL WHERE generation = {{g:UInt16}} AND is_deleted = 0"
        seen = set()
        for lead, name, journey, at, *values in client.query(
            statement, parameters={"g": generation}
        ).result_rows:
            if lead in skip or (lead, name) in moving:
                continue
            key = (lead, name, kind, journey, at)
            seen.add(key)
            if key not in wanted:
                report.extra.append(_name(key, f"in {table} by another hand"))
                continue
            body = body_of(kind, wanted[key])
            for column, value in zip(columns, values, strict=True):
                should = value_of(body, column)
                if _plain(value) != _plain(should):
                    difference = {
                        "column": column.name,
                        "expected": str(should),
                        "found": str(value),
                    }
                    report.different.append({**_name(key, table), **difference})
        report.missing += [_name(key, f"not in {table}") for key in wanted.keys() - seen]


def _select(name: str, kind: str) -> str:
    if kind == ENTERED:
        return f"mapApply((stage, at) -> (stage, toUnixTimestamp64Milli(at)), {name})"
    return f"toUnixTimestamp64Milli({name})" if kind in (TIME, WHEN) else name


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return value.normalize()
    return list(value) if isinstance(value, (list, tuple)) else value
