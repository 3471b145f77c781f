"""The archive: what `advance` read, as ClickHouse keeps it, up to where every fact was folded.

`verify` and `preview` fold it again. A cut says how far: below its offset every fact of a partition
was folded up to its time. Events and edges are joined to components (all that any edge connects),
since nothing less is enough to fold one lead.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from schemas.errors import LeadstreamError
from schemas.events import Event
from sinks.clickhouse import generations
from sinks.clickhouse.files import statement
from streams.domain import members, row
from streams.domain.definition import Definitions, prepare
from streams.domain.group import fold_group
from streams.engine.commit import partition_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.domain.journey import Folded


_CUTS = statement(__file__, "archive_cuts")
_TOUCHES = statement(__file__, "archive_touches")


class NotFolded(LeadstreamError):  # noqa: N818 - whoever asked waits for the workers
    """Nothing was folded yet, so there is nothing to compare."""


class Cut(NamedTuple):
    """Below `next_offset` every fact of a partition was folded up to `now` (ms) and is stored."""

    next_offset: int
    now: int


@dataclass
class Archive:
    """Events and edges by the row that read them."""

    events: dict[str, set[Event]] = field(default_factory=lambda: defaultdict(set))  # first-hand
    copies: dict[str, set[Event]] = field(default_factory=lambda: defaultdict(set))
    edges: set[members.Edge] = field(default_factory=set)
    received: dict[Event, int] = field(default_factory=dict)  # ms
    # by row, when it read its newest edge (ms): copies leave it from then on
    joined: dict[str, int] = field(default_factory=dict)


class Component(NamedTuple):
    """All that any edge connects: what must be known to fold one of its groups."""

    events: frozenset[Event]
    edges: frozenset[members.Edge]
    groups: tuple[frozenset[str], ...]

    def leads(self) -> Iterator[str]:
        """Yield the leads: the surviving identity of each group."""
        for group in self.groups:
            yield members.survivor(group, self.edges)

    def fold(self, lead: str, definitions: Definitions, now: int) -> Folded:
        """Return what one of its leads folds to, up to `now` (ms)."""
        return fold_group(lead, self.events, self.edges, definitions, now)


def cuts(client: Any, generation: int) -> dict[int, Cut]:
    """Return each partition's newest cut that lies within the archive."""
    rows = client.query(_CUTS, parameters={"g": generation}).result_rows
    return {partition: Cut(*cut) for partition, cut in rows}


def folded(client: Any, generation: int) -> dict[int, Cut]:
    """Return each partition's newest cut that lies within the archive; there is one at least.

    Raises:
        NotFolded: there is none.

    """
    known = cuts(client, generation)
    if not known:
        raise NotFolded("nothing was folded yet: wait until the workers have read something")
    return known


def below(known: dict[int, Cut]) -> str:
    """Return the SQL condition of what lies below the cuts."""
    return " OR ".join(
        f"(source_partition = {partition} AND source_offset < {cut.next_offset})"
        for partition, cut in sorted(known.items())
    )


def read(client: Any, known: dict[int, Cut]) -> Archive:
    """Return what lies below the cuts."""
    out = Archive()
    rows = client.query(_TOUCHES.format(below=below(known))).result_rows
    for lead, kind, copied, content, received in rows:
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
    """Yield the components; events and edges are read once, however many there are."""
    events: dict[str, set[Event]] = defaultdict(set)
    for known in archive.events.values():
        for event in known:
            events[event.origin].add(event)
    near: dict[str, set[str]] = {origin: {origin} for origin in events}
    joins = members.smallest(archive.edges)  # as a row keeps them
    for edge in joins:
        left = near.setdefault(edge.a.id, {edge.a.id})
        right = near.setdefault(edge.b.id, {edge.b.id})
        if left is not right:
            small, large = sorted((left, right), key=len)
            large |= small
            for member in small:
                near[member] = large
    edges: dict[int, list[members.Edge]] = defaultdict(list)
    for edge in joins:
        edges[id(near[edge.a.id])].append(edge)
    for component in {id(one): one for one in near.values()}.values():
        joining = frozenset(edges[id(component)])
        known_events = frozenset(event for origin in component for event in events.get(origin, ()))
        groups = members.groups(joining)
        of_all = dict.fromkeys(groups.of(origin) for origin in sorted(component))
        yield Component(known_events, joining, tuple(of_all))


def time_of(lead: str, known: dict[int, Cut], partitions: int) -> int:
    """Return the watermark of the partition that a lead lives in (ms); 0 without a cut."""
    cut = known.get(partition_of(lead.encode(), partitions))
    return cut.now if cut else 0


def definitions_of(client: Any, generation: int) -> Definitions:
    """Return the versions of the funnel that a generation folds under.

    Raises:
        NotFolded: its workers have read nothing yet.
        Differing: its workers have different files.

    """
    found = generations.versions(client, generation)
    if not found:
        raise NotFolded(
            f"generation {generation} has no definition in ClickHouse yet: "
            "wait until its workers have read something"
        )
    return prepare(*found)
