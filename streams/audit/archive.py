"""What `advance` read, as ClickHouse keeps it, cut where every fact was folded: what verify and preview fold again."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from schemas.events import Event
from sinks.clickhouse import generations
from streams.domain import members, row
from streams.domain.definition import Definitions, prepare
from streams.engine.commit import partition_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.domain.journey import Folded


class Cut(NamedTuple):
    """Below `next_offset` of its partition every fact was folded up to `now` (ms), and is in ClickHouse."""

    next_offset: int
    now: int


@dataclass
class Archive:
    """Events and edges by the row that read them."""

    events: dict[str, set[Event]] = field(default_factory=lambda: defaultdict(set))  # first-hand
    copies: dict[str, set[Event]] = field(default_factory=lambda: defaultdict(set))
    edges: set[members.Edge] = field(default_factory=set)
    received: dict[Event, int] = field(default_factory=dict)
    joined: dict[str, int] = field(
        default_factory=dict
    )  # by row, when it read its newest edge (ms): copies leave it from then on


class Component(NamedTuple):
    """All that any edge connects: what must be known to fold one of its groups."""

    events: frozenset[Event]
    edges: frozenset[members.Edge]
    groups: tuple[frozenset[str], ...]

    def leads(self) -> Iterator[str]:
        """Name the leads: of each group the origin that speaks for it."""
        for group in self.groups:
            yield members.survivor(group, self.edges)

    def fold(self, lead: str, definitions: Definitions, now: int) -> Folded:
        """Fold one of its leads as everybody does."""
        return row.fold_group(lead, self.events, self.edges, definitions, now)


def cuts(client: Any, generation: int) -> dict[int, Cut]:
    """Give each partition's newest cut that lies within the archive."""
    rows = client.query(
        "SELECT source_partition, max((c.next_offset, toUnixTimestamp64Milli(c.now))) AS cut FROM cuts AS c FINAL "
        "INNER JOIN (SELECT source_partition, max(next_offset) AS reached FROM archived "
        "GROUP BY source_partition) AS a USING (source_partition) "
        "WHERE c.generation = {g:UInt16} AND c.next_offset <= a.reached GROUP BY source_partition",
        parameters={"g": generation},
    ).result_rows
    return {partition: Cut(*cut) for partition, cut in rows}


def below(known: dict[int, Cut]) -> str:
    """Give the SQL condition of what lies below the cuts."""
    return " OR ".join(
        f"(source_partition = {p} AND source_offset < {cut.next_offset})"
        for p, cut in sorted(known.items())
    )


def read(client: Any, known: dict[int, Cut]) -> Archive:
    """Read what lies below the cuts."""
    out = Archive()
    statement = (
        "SELECT toString(lead_id), kind, copied, content, toUnixTimestamp64Milli(received_at) FROM touches FINAL "
        f"WHERE {below(known)}"
    )
    for lead, kind, copied, content, received in client.query(statement).result_rows:
        value = orjson.loads(content)
        if kind == "edge":
            out.edges.add(row.edge_of(value))
            out.joined[lead] = max(received, out.joined.get(lead, 0))
            continue
        event = Event(*value)
        (out.copies if copied else out.events)[lead].add(event)
        out.received[event] = received
    return out


def components(archive: Archive) -> Iterator[Component]:
    """Give what belongs together. One pass over events and edges, whatever their number."""
    events: dict[str, set[Event]] = defaultdict(set)
    for known in archive.events.values():
        for event in known:
            events[event.origin].add(event)
    near: dict[str, set[str]] = {origin: {origin} for origin in events}
    joins = members.smallest(archive.edges)  # as a row keeps them
    for edge in joins:
        left, right = (
            near.setdefault(edge.a.id, {edge.a.id}),
            near.setdefault(edge.b.id, {edge.b.id}),
        )
        if left is not right:
            small, large = sorted((left, right), key=len)
            large |= small
            for member in small:
                near[member] = large
    edges: dict[int, list[members.Edge]] = defaultdict(list)
    for edge in joins:
        edges[id(near[edge.a.id])].append(edge)
    for component in {id(one): one for one in near.values()}.values():
        mine = frozenset(edges[id(component)])
        connected_events = frozenset(
            event for origin in component for event in events.get(origin, ())
        )
        groups = members.groups(mine)
        yield Component(
            connected_events, mine, tuple({groups.of(origin): None for origin in sorted(component)})
        )


def time_of(lead: str, known: dict[int, Cut], partitions: int) -> int:
    """Give how far time had come in the partition that a lead lives in (ms)."""
    cut = known.get(partition_of(lead.encode(), partitions))
    return cut.now if cut else 0


def definitions_of(client: Any, generation: int) -> Definitions:
    """Give the versions of the funnel that a generation folds under.

    Raises:
        ValueError: workers took different ones, or none yet.

    """
    found = generations.versions(client, generation)
    if not found:
        raise ValueError(
            f"generation {generation} has no definition in ClickHouse yet: wait until its workers have read something"
        )
    return prepare(*found)
