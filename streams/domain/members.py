"""Which origins are one lead: a pure function of the set of edges (history h17 and h18).

An origin is a strong alias as the lifecycle knows it: an id without personal data, with the time of its creation, a house
and a unique kind that `resolve` wrote once. No row ever needs another row's state.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

LINK, MERGE, UNMERGE = "link", "merge", "unmerge"
PRIMARY = ":primary"  # how the id of an event ends that names a deal's primary contact
DEALS = (":deal", ":opportunity")  # how the kind of a CRM's deals ends


class Origin(NamedTuple):
    """A strong alias: when first seen (ms), the row that houses it ("" is its own), its id, the kind of CRM record or ""."""

    created: int
    house: str
    id: str
    kind: str

    @property
    def home(self) -> str:
        """The row that the origin's events are sent to."""
        return self.house or self.id

    @property
    def deal(self) -> bool:
        """Whether it is a deal: one person has many, and one deal has many people."""
        return self.kind.endswith(DEALS)

    @property
    def seniority(self) -> tuple[int, bool, str]:
        """The order in which the survivor is chosen: one that no late event can change."""
        return self.created, bool(self.house), self.id


class Edge(NamedTuple):
    """A join between two origins. `link` is automatic; `merge` and `unmerge` are somebody's word."""

    at: int
    sequence: int
    id: str
    type: str
    a: Origin
    b: Origin

    @property
    def housing(self) -> bool:
        """Whether it only says that one end lives in the other's row."""
        return self.type == LINK and (self.a.house == self.b.id or self.b.house == self.a.id)

    @property
    def key(self) -> tuple[int, int, str]:
        """Its place among the edges."""
        return self[:3]

    @property
    def ends(self) -> frozenset[str]:
        """Whom it joins or parts."""
        return frozenset({self.a.id, self.b.id})

    @property
    def of_deal(self) -> bool:
        """Whether it says whose a deal is."""
        return self.a.deal != self.b.deal

    @property
    def event(self) -> str:
        """The id of the event that said it; empty for a link that two aliases of one event made."""
        return self.id.rpartition("|")[0]

    @property
    def claim(self) -> tuple[bool, int]:
        """Its place among the links that say whose a deal is: a CRM's word that a contact is the primary one, the latest first."""
        primary = self.of_deal and self.event.endswith(PRIMARY)
        return not primary, -self.at if primary else 0

    def plain(self) -> tuple[object, ...]:
        """Give the edge as JSON takes it."""
        return *self[:4], tuple(self.a), tuple(self.b)


class Groups(NamedTuple):
    """The groups of more than one origin; the links that were left out as conflicts; those that make a deal an influenced one."""

    members: dict[str, frozenset[str]]
    conflicts: tuple[Edge, ...]
    influenced: tuple[Edge, ...]

    def of(self, origin: str) -> frozenset[str]:
        """Give everybody in an origin's group, itself included."""
        return self.members.get(origin, frozenset({origin}))


def smallest(edges: Iterable[Edge]) -> frozenset[Edge]:
    """Keep one edge an id, the smallest: a link was seen earlier than was known, a word was sent again and says something else."""
    by_id: dict[str, Edge] = {}
    for edge in sorted(edges):
        by_id.setdefault(edge.id, edge)
    return frozenset(by_id.values())


@lru_cache(maxsize=20_000)
def groups(edges: frozenset[Edge]) -> Groups:
    """Decide who is one: words from the latest, then links from the earliest.

    A link that would join what is barred, or two records of one CRM and kind, is left out. It is a conflict until somebody
    says a word later than it. People first: a deal is no bridge between them. It is its primary contact's, else the first
    one's, and whoever stands on it beside that one influenced it (identity i13). Taking somebody off a deal takes back the links
    between the two, and bars nothing.
    """
    ordered = sorted(smallest(edges))
    group: dict[str, set[str]] = {}
    kinds: dict[str, str] = {}
    deals: set[str] = set()
    taken_off: dict[frozenset[str], Edge] = {}
    for edge in ordered:
        for origin in (edge.a, edge.b):
            group.setdefault(origin.id, {origin.id})
            kinds[origin.id] = "" if origin.deal else origin.kind
            if origin.deal:
                deals.add(origin.id)
    bars: list[Edge] = []

    def between(a: str, b: str) -> list[Edge]:
        left, right = group[a], group[b]
        return [
            bar
            for bar in bars
            if (bar.a.id in left and bar.b.id in right) or (bar.b.id in left and bar.a.id in right)
        ]

    def join(a: str, b: str) -> None:
        union = group[a] | group[b]
        for member in union:
            group[member] = union

    for edge in reversed(ordered):
        a, b = edge.a.id, edge.b.id
        if edge.type == UNMERGE and edge.of_deal:
            taken_off.setdefault(edge.ends, edge)
        elif edge.type == LINK or group[a] is group[b] or edge.ends in taken_off:
            continue
        elif edge.type == UNMERGE:
            bars.append(edge)
        elif not between(a, b):
            join(a, b)
    conflicts: list[Edge] = []
    influenced: dict[frozenset[str], Edge] = {}
    for edge in sorted(ordered, key=lambda edge: (edge.of_deal, *edge.claim)):
        a, b = edge.a.id, edge.b.id
        gone = edge.ends in taken_off and edge.key < taken_off[edge.ends].key
        if edge.type != LINK or group[a] is group[b] or gone:
            continue
        same, walls = (
            {kinds[x] for x in group[a]} & {kinds[x] for x in group[b]} - {""},
            between(a, b),
        )
        if edge.of_deal and (group[a] if a in deals else group[b]) - deals:
            pair = (
                influenced.get(edge.ends, edge),
                edge,
            )  # of a pair the first that an event said: the event knows which deal it is
            influenced[edge.ends] = min(pair, key=lambda one: (not one.event, one.key))
        elif not same and not walls:
            join(a, b)
        elif all(bar.key < edge.key for bar in walls):
            conflicts.append(edge)
    return Groups(
        {origin: frozenset(members) for origin, members in group.items()},
        tuple(conflicts),
        tuple(influenced.values()),
    )


@lru_cache(maxsize=20_000)
def _before(edges: frozenset[Edge], unmerge: Edge) -> Groups:
    return groups(frozenset(edge for edge in edges if edge.key < unmerge.key))


def left_on(origin: str, at: int, group: frozenset[str], edges: frozenset[Edge]) -> int | None:
    """Say since when what forbade contact to `origin` at an instant stays on a group that was parted from it (ms); None: it does not.

    A merge carries it to the whole, so an unmerge leaves it on both halves (history h27); but a deal carries nothing.
    """
    if origin in group:
        return None
    people, found = group - {end.id for edge in edges for end in (edge.a, edge.b) if end.deal}, []
    for edge in edges:
        if edge.type == UNMERGE and at <= edge.at:
            whole = _before(edges, edge).of(edge.a.id)
            if edge.b.id in whole and origin in whole and whole & people:
                found.append(edge.at)
    return min(found, default=None)


def were_one(one: str, other: str, at: int, edges: frozenset[Edge]) -> bool:
    """Say whether two origins were one at an instant (ms). A word counts from when it was said, a link always.

    A link is evidence that they never were two.
    """
    return one == other or other in groups(
        frozenset(edge for edge in edges if edge.type == LINK or edge.at <= at)
    ).of(one)


def seniorities(edges: Iterable[Edge]) -> dict[str, tuple[int, bool, str]]:
    """Give the seniority of every origin that an edge names."""
    return {origin.id: origin.seniority for edge in edges for origin in (edge.a, edge.b)}


def survivor(group: frozenset[str], edges: Iterable[Edge]) -> str:
    """Name the member whose row holds the group's events and states its facts."""
    if len(group) == 1:
        return next(iter(group))
    order = seniorities(edges)
    return min(group, key=lambda origin: order[origin])


def neighbours(me: str, edges: Iterable[Edge]) -> frozenset[str]:
    """Name all that one edge connects with an origin, whatever its type."""
    return frozenset().union(*(edge.ends for edge in edges if me in edge.ends)) - {me}


def reach(me: str, edges: Iterable[Edge]) -> frozenset[str]:
    """Name all that any edge connects, also one left out: they decide together, so each must know all."""
    near: dict[str, set[str]] = {}
    for edge in edges:
        near.setdefault(edge.a.id, set()).add(edge.b.id)
        near.setdefault(edge.b.id, set()).add(edge.a.id)
    found, todo = {me}, [me]
    while todo:
        for other in near.get(todo.pop(), ()):
            if other not in found:
                found.add(other)
                todo.append(other)
    return frozenset(found)
