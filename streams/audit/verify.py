"""verify: fold the archive again with the pure functions, and compare with what ClickHouse has.

Below a cut every fact was folded up to the cut's time, so both sides must agree. Facts are compared
by their keys, twice: the fold with the newest revisions below the cuts, then the fold with every
table that people read, column by column. The next run judges what is not settled in this one:

- a lead is in flight while a copy of one of its events lies beyond a cut;
- a fact has moved when it has a revision beyond the cuts, or got one while the tables were read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from sinks.clickhouse import generations
from sinks.clickhouse.files import statement
from sinks.clickhouse.rows import ENTERED, STATE, TABLES, TIME, WHEN, Column, body_of, values_of
from streams.domain import members

from . import archive

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from streams.domain.definition import Definitions

    from .archive import Archive, Component, Cut

SETTLED_MS = 60_000  # a copy that is missing for longer, after what asked for it, is lost
_REVISIONS = statement(__file__, "verify_revisions")
_NEWEST = statement(__file__, "verify_newest")
_LEAD_STATE = "state"  # fact id and kind of a lead's state

Name = tuple[str, str]  # lead and fact id: what all revisions of a fact share


class Key(NamedTuple):
    """What names a fact on both sides; times in ms. A lead's state has journey and time 0."""

    lead: str
    fact: str
    kind: str
    journey: int
    event_time: int

    @property
    def name(self) -> Name:
        """Lead and fact id."""
        return self.lead, self.fact

    def difference(self, why: str, **more: Any) -> dict[str, Any]:
        """Return a difference of this fact as a report has it."""
        return {**self._asdict(), "why": why, **more}


@dataclass
class Report:
    """What verify found; a difference has the fact's key and `why`.

    `missing`: the fold states it and ClickHouse does not; `extra`: the reverse; `different`: both
    do, and not the same (`expected`, `found`). `in_flight` counts leads.
    """

    leads: int = 0
    events: int = 0
    facts: int = 0
    missing: list[dict[str, Any]] = field(default_factory=list)
    extra: list[dict[str, Any]] = field(default_factory=list)
    different: list[dict[str, Any]] = field(default_factory=list)
    in_flight: int = 0

    @property
    def clean(self) -> bool:
        """Return whether both sides agree."""
        return not (self.missing or self.extra or self.different)

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**self.__dict__, "verified": self.clean}

    def forget(self, moved: Collection[Name]) -> None:
        """Drop the differences of facts that moved while they were compared."""
        for found in (self.missing, self.extra, self.different):
            found[:] = [one for one in found if (one["lead"], one.get("fact", "")) not in moved]


class Revisions(NamedTuple):
    """A generation's facts by `fact_revisions`."""

    contents: dict[Key, str]  # by the newest revision below the cuts, but for withdrawn facts
    moved: set[Name]  # facts with a revision beyond the cuts
    newest: dict[Name, int]  # the number of each fact's newest revision


class Flight(NamedTuple):
    """Copies of events that have not arrived."""

    identities: set[str]  # all of the leads in flight
    leads: set[str]
    lost: list[dict[str, Any]]  # differences: a copy that is missing for too long


def verify(client: Any, partitions: int, generation: int | None = None) -> Report:
    """Return how ClickHouse differs from its archive, for the shown generation or another.

    Only what lies below the newest cut in the archive is compared, partition by partition.

    Raises:
        NotFolded: the generation's workers have read nothing yet.
        Outdated: another release made the generation's facts.

    """
    report, generation = Report(), generation or generations.active(client)
    generations.require_current(client, generation)
    cuts = archive.cuts(client, generation)
    if len(cuts) < partitions:
        count = f"{len(cuts)} of {partitions} partitions have a cut in ClickHouse"
        report.missing.append({"lead": "", "why": f"{count}: the others cannot be verified yet"})
    if not cuts:
        return report
    read = archive.read(client, cuts)
    components = list(archive.components(read))
    folded = _fold(components, cuts, archive.definitions_of(client, generation), partitions)
    known = _revisions(client, generation, cuts)
    flight = in_flight(components, read, cuts)

    report.events = len({(one.id, one.origin) for events in read.events.values() for one in events})
    report.leads = sum(key.kind == _LEAD_STATE for key in folded)
    report.facts = len(folded) - report.leads
    report.in_flight = len(flight.leads)
    report.missing += flight.lost

    def settled(key: Key) -> bool:
        return key.lead not in flight.identities

    def stands(key: Key) -> bool:
        return settled(key) and key.name not in known.moved

    compare_revisions(_only(settled, folded), _only(settled, known.contents), report)
    expected = _only(stands, folded)
    for kind in (*TABLES, _LEAD_STATE):
        _compare_table(client, generation, kind, expected, stands, report)
    report.forget(_moved_since(client, generation, known.newest))
    return report


def _only(chosen: Callable[[Key], bool], facts: dict[Key, str]) -> dict[Key, str]:
    return {key: content for key, content in facts.items() if chosen(key)}


def _fold(
    components: list[Component],
    cuts: dict[int, Cut],
    definitions: Definitions,
    partitions: int,
) -> dict[Key, str]:
    """Return the contents of all facts; a lead's time is that of the partition it lives in."""
    contents: dict[Key, str] = {}
    for component in components:
        for lead in component.leads():
            folded = component.fold(lead, definitions, archive.time_of(lead, cuts, partitions))
            for fact in folded.facts.values():
                contents[Key(lead, fact.id, fact.kind, fact.journey, fact.at)] = fact.content
            if folded.state:
                key = Key(lead, _LEAD_STATE, _LEAD_STATE, 0, 0)
                contents[key] = orjson.dumps(folded.state, option=orjson.OPT_SORT_KEYS).decode()
    return contents


def _revisions(client: Any, generation: int, cuts: dict[int, Cut]) -> Revisions:
    known = Revisions({}, set(), {})
    asked = _REVISIONS.replace("{below}", archive.below(cuts))
    rows = client.query(asked, parameters={"g": generation}).result_rows
    for lead, fact, (kind, journey, at, deleted, content), below, newest in rows:
        known.newest[lead, fact] = newest
        if below != newest:
            known.moved.add((lead, fact))
        if below and not deleted:
            known.contents[Key(lead, fact, kind, journey, at)] = content
    return known


def _moved_since(client: Any, generation: int, before: dict[Name, int]) -> set[Name]:
    """Return the facts whose newest revision is another than before."""
    rows = client.query(_NEWEST, parameters={"g": generation}).result_rows
    return {(lead, fact) for lead, fact, newest in rows if before.get((lead, fact)) != newest}


def in_flight(components: list[Component], read: Archive, cuts: dict[int, Cut]) -> Flight:
    """Return the leads that a copy of an event has not reached yet."""
    flight = Flight(set(), set(), [])
    now = max((cut.now for cut in cuts.values()), default=0)
    homes = {event: home for home, events in read.events.items() for event in events}
    for component in components:
        groups = members.groups(component.edges)
        leads = {group: members.survivor(group, component.edges) for group in component.groups}
        for event in component.events:
            group, home = groups.of(event.origin), homes[event]
            lead = leads[group]
            if lead == home or event in read.copies[lead] or event in read.events[lead]:
                continue
            # An old event is copied when somebody merges its lead; a chain of merges takes longer.
            asked_at = max(read.received[event], read.joined.get(home, 0))
            if now - asked_at > SETTLED_MS:
                why = f"its copy from {home} never arrived"
                flight.lost.append({"lead": lead, "event": event.id, "why": why})
            else:
                flight.identities.update(group)
                flight.leads.add(lead)
    return flight


def compare_revisions(expected: dict[Key, str], found: dict[Key, str], report: Report) -> None:
    """Report how the newest revisions differ from the fold."""
    for key, content in expected.items():
        if key not in found:
            report.missing.append(key.difference("no such fact in fact_revisions"))
        elif found[key] != content:
            differing = key.difference("fact_revisions", expected=content, found=found[key])
            report.different.append(differing)
    for key in found.keys() - expected.keys():
        report.extra.append(key.difference("in fact_revisions, and not in the fold"))


def _compare_table(
    client: Any,
    generation: int,
    kind: str,
    facts: dict[Key, str],
    stands: Callable[[Key], bool],
    report: Report,
) -> None:
    """Report how the table of a kind of facts differs from the fold, column by column.

    `stands` says of a row whether it can be judged now.
    """
    table, columns = TABLES.get(kind, ("lead_state", STATE))
    missing = {key: content for key, content in facts.items() if key.kind == kind}
    for key, values in _rows(client, generation, kind, table, columns):
        if not stands(key):
            continue
        content = missing.pop(key, None)
        if content is None:
            report.extra.append(key.difference(f"in {table}, and not in the fold"))
            continue
        wanted = values_of(body_of(kind, orjson.loads(content)), columns)
        for column, value, expected in zip(columns, values, wanted, strict=True):
            if _plain(value) != _plain(expected):
                sides = {"expected": str(expected), "found": str(value)}
                report.different.append(key.difference(table, column=column.name, **sides))
    report.missing += [key.difference(f"not in {table}") for key in missing]


def _rows(
    client: Any, generation: int, kind: str, table: str, columns: tuple[Column, ...]
) -> Iterator[tuple[Key, list[Any]]]:
    """Yield the rows of a table that people read: a fact's key, and the values of its columns."""
    place = "fact_id, journey, toUnixTimestamp64Milli(event_time)"
    if kind == _LEAD_STATE:
        place = f"'{_LEAD_STATE}', 0, 0"
    asked = (
        f"SELECT toString(lead_id), {place}, {', '.join(map(_selected, columns))} "
        f"FROM {table} FINAL WHERE generation = {{g:UInt16}} AND is_deleted = 0"
    )
    rows = client.query(asked, parameters={"g": generation}).result_rows
    for lead, fact, journey, at, *values in rows:
        yield Key(lead, fact, kind, journey, at), values


def _selected(column: Column) -> str:
    """Return the SQL of a column, its times in ms."""
    if column.type == ENTERED:
        return f"mapApply((stage, at) -> (stage, toUnixTimestamp64Milli(at)), {column.name})"
    in_ms = f"toUnixTimestamp64Milli({column.name})"
    return in_ms if column.type in (TIME, WHEN) else column.name


def _plain(value: Any) -> Any:
    """Return a value as both sides write it."""
    if isinstance(value, Decimal):
        return value.normalize()
    return list(value) if isinstance(value, (list, tuple)) else value
