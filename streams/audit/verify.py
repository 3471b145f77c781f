"""verify: fold the archive again with the pure functions, and compare with what ClickHouse says.

Below a cut every fact was folded up to the cut's time, so both sides must agree: first every newest revision below
the cut with the fold, then every table that people read with the revisions. It can fail, and says where.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

from schemas.events import Event
from sinks.clickhouse import generations
from sinks.clickhouse.rows import STATE, TABLES, TIME, WHEN, value_of
from streams.domain import members, row
from streams.domain.definition import Definitions, prepare
from streams.engine.commit import partition_of

SETTLED_MS = 60_000  # a copy that is still missing so long after its original is an error, not in flight


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


@dataclass
class _Archive:
    events: dict[str, set[Event]]  # by the row that read them first-hand
    copies: dict[str, set[Event]]
    edges: dict[str, set[members.Edge]]
    received: dict[Event, int]


def verify(client: Any, partitions: int, generation: int | None = None) -> Report:
    """Compare, for the generation that is shown or another.

    Reads only what lies below the newest cut that the archive has reached in each partition.
    """
    report, generation = Report(), generation or generations.active(client)
    cuts = _cuts(client, generation)
    if len(cuts) < partitions:
        told = f"{len(cuts)} of {partitions} partitions have a cut in ClickHouse: nothing can be said of the others yet"
        report.missing.append({"lead": "", "why": told})
    if not cuts:
        return report
    archive = _archive(client, cuts)
    expected = _fold(archive, cuts, definitions_of(client, generation), partitions, report)
    report.events = len({(e.id, e.origin) for events in archive.events.values() for e in events})
    found, moving, before = _revisions(client, generation, cuts)
    skip = report_in_flight(report, archive, cuts)
    for key, content in expected.items():
        if key[0] in skip:
            continue
        if key not in found:
            report.missing.append(_name(key, "no such fact in fact_revisions"))
        elif found[key] != content:
            report.different.append({**_name(key, "fact_revisions"), "expected": content, "found": found[key]})
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
    statement = (
        "SELECT toString(lead_id), fact_id, max(revision) FROM fact_revisions WHERE generation = {g:UInt16} GROUP BY lead_id, fact_id"
    )
    return {(lead, name): last for lead, name, last in client.query(statement, parameters={"g": generation}).result_rows}


def _forget_moved(report: Report, before: dict[tuple[str, str], int], after: dict[tuple[str, str], int]) -> None:
    """Take back what was said of facts that arrived while the tables were read: the next look will judge them."""
    moved = {key for key, last in after.items() if before.get(key) != last}
    for found in (report.missing, report.extra, report.different):
        found[:] = [one for one in found if (one["lead"], one.get("fact", "")) not in moved]


def definitions_of(client: Any, generation: int) -> Definitions:
    """Give the versions of the funnel that a generation folds under.

    Raises:
        ValueError: workers took different ones, or none yet.

    """
    found = generations.versions(client, generation)
    if not found:
        raise ValueError(f"generation {generation} has no definition in ClickHouse yet: wait until its workers have read something")
    return prepare(*found)


_Key = tuple[str, str, str, int, int]  # lead, fact id, kind, journey, event time


def _name(key: _Key, why: str) -> dict[str, Any]:
    return {"lead": key[0], "fact": key[1], "kind": key[2], "journey": key[3], "event_time": key[4], "why": why}


def _cuts(client: Any, generation: int) -> dict[int, tuple[int, int]]:
    """Give (next offset, now) of each partition's newest cut that lies within the archive."""
    rows = client.query(
        "SELECT source_partition, max((c.next_offset, toUnixTimestamp64Milli(c.now))) AS cut FROM cuts AS c FINAL "
        "INNER JOIN (SELECT source_partition, max(next_offset) AS reached FROM archived "
        "GROUP BY source_partition) AS a USING (source_partition) "
        "WHERE c.generation = {g:UInt16} AND c.next_offset <= a.reached GROUP BY source_partition",
        parameters={"g": generation},
    ).result_rows
    return {partition: (cut[0], cut[1]) for partition, cut in rows}


def _below(cuts: dict[int, tuple[int, int]]) -> str:
    return " OR ".join(f"(source_partition = {p} AND source_offset < {offset})" for p, (offset, _) in sorted(cuts.items()))


def _archive(client: Any, cuts: dict[int, tuple[int, int]]) -> _Archive:
    out = _Archive(defaultdict(set), defaultdict(set), defaultdict(set), {})
    statement = (
        "SELECT toString(lead_id), kind, copied, content, toUnixTimestamp64Milli(received_at) FROM touches FINAL "
        f"WHERE {_below(cuts)}"
    )
    for lead, kind, copied, content, received in client.query(statement).result_rows:
        value = orjson.loads(content)
        if kind == "edge":
            out.edges[lead].add(row.edge_of(value))
            continue
        event = Event(*value)
        (out.copies if copied else out.events)[lead].add(event)
        out.received[event] = received
    return out


def _fold(
    archive: _Archive, cuts: dict[int, tuple[int, int]], definitions: Definitions, partitions: int, report: Report
) -> dict[_Key, str]:
    """Fold group by group, each with the time of the partition its survivor lives in."""
    edges = frozenset(edge for known in archive.edges.values() for edge in known)
    by_origin: dict[str, set[Event]] = defaultdict(set)
    for events in archive.events.values():
        for event in events:
            by_origin[event.origin].add(event)
    expected: dict[_Key, str] = {}
    for component in _components(set(by_origin), edges):
        near = frozenset(edge for edge in edges if edge.a.id in component)
        groups = members.groups(near)
        known = frozenset(event for origin in component for event in by_origin[origin])
        for group in {groups.of(origin) for origin in component}:
            lead = members.survivor(group, near)
            partition = partition_of(lead.encode(), partitions)
            now = cuts[partition][1] if partition in cuts else 0
            folded = row.fold_group(lead, known, near, definitions, now)
            report.leads += bool(folded.state)
            for fact in folded.facts.values():
                expected[lead, fact.id, fact.kind, fact.journey, fact.at] = fact.content
            if folded.state:
                expected[lead, "state", "state", 0, 0] = orjson.dumps(folded.state, option=orjson.OPT_SORT_KEYS).decode()
    return expected


def _components(origins: set[str], edges: frozenset[members.Edge]) -> list[frozenset[str]]:
    near: dict[str, set[str]] = {origin: {origin} for origin in origins}
    for edge in edges:
        union = near.setdefault(edge.a.id, {edge.a.id}) | near.setdefault(edge.b.id, {edge.b.id})
        for member in union:
            near[member] = union
    return [frozenset(component) for component in {id(one): one for one in near.values()}.values()]


def report_in_flight(report: Report, archive: _Archive, cuts: dict[int, tuple[int, int]]) -> set[str]:
    """Find groups of which an edge or a copy lies beyond a cut; name their leads. One missing for long is an error."""
    edges = frozenset(edge for known in archive.edges.values() for edge in known)
    groups = members.groups(edges)
    now = max((at for _, at in cuts.values()), default=0)
    skip: set[str] = set()
    for home, events in archive.events.items():
        for event in events:
            group = groups.of(event.origin)
            lead = members.survivor(group, edges)
            if lead == home or event in archive.copies[lead] or event in archive.events[lead]:
                continue
            if now - archive.received[event] > SETTLED_MS:
                report.missing.append({"lead": lead, "event": event.id, "why": f"its copy from {home} never arrived"})
            else:
                skip |= group
    report.in_flight = len({members.survivor(groups.of(origin), edges) for origin in skip})
    return skip


def _revisions(
    client: Any, generation: int, cuts: dict[int, tuple[int, int]]
) -> tuple[dict[_Key, str], set[tuple[str, str]], dict[tuple[str, str], int]]:
    """Give the newest revision below the cut of every fact, the facts that have moved on since, and each one's last."""
    statement = (
        "SELECT toString(lead_id), fact_id, "
        "argMaxIf((kind, journey, toUnixTimestamp64Milli(event_time), is_deleted, content), revision, below), "
        "maxIf(revision, below), max(revision) "
        f"FROM (SELECT *, ({_below(cuts)}) AS below FROM fact_revisions WHERE generation = {{g:UInt16}}) GROUP BY lead_id, fact_id"
    )
    found: dict[_Key, str] = {}
    moving: set[tuple[str, str]] = set()
    lasts: dict[tuple[str, str], int] = {}
    for lead, name, newest, below, last in client.query(statement, parameters={"g": generation}).result_rows:
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
        place = "'state', 0, 0" if kind == "state" else "fact_id, journey, toUnixTimestamp64Milli(event_time)"
        wanted = {key: content for key, content in expected.items() if key[2] == kind}
        shown = ", ".join(_select(column.name, column.type) for column in columns)
        statement = f"SELECT toString(lead_id), {place}, {shown} FROM {table} FINAL WHERE generation = {{g:UInt16}} AND is_deleted = 0"
        seen = set()
        for lead, name, journey, at, *values in client.query(statement, parameters={"g": generation}).result_rows:
            if lead in skip or (lead, name) in moving:
                continue
            key = (lead, name, kind, journey, at)
            seen.add(key)
            if key not in wanted:
                report.extra.append(_name(key, f"in {table} by another hand"))
                continue
            body = orjson.loads(wanted[key])
            if "rules" in body:
                body["rules"] = orjson.dumps(body["rules"]).decode()
            for column, value in zip(columns, values, strict=True):
                should = value_of(body, column)
                if _plain(value) != _plain(should):
                    said = {"column": column.name, "expected": str(should), "found": str(value)}
                    report.different.append({**_name(key, table), **said})
        report.missing += [_name(key, f"not in {table}") for key in wanted.keys() - seen]


def _select(name: str, kind: str) -> str:
    return f"toUnixTimestamp64Milli({name})" if kind in (TIME, WHEN) else name


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return value.normalize()
    return list(value) if isinstance(value, (list, tuple)) else value
