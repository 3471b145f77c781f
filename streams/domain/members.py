"""Which origins are one lead: a pure function of the set of edges (6-history, rules 17 and 18).

An origin is a strong alias as the lifecycle knows it: an id without personal data, with a birth stamp, a house
and a unique kind that `resolve` wrote once. No row ever needs another row's state.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

LINK, MERGE, UNMERGE = "link", "merge", "unmerge"


class Origin(NamedTuple):
    """A strong alias: when first seen (ms), the row that houses it ("" is its own), its id, its unique kind or ""."""

    birth: int
    house: str
    id: str
    kind: str

    @property
    def home(self) -> str:
        """The row that the origin's events are sent to."""
        return self.house or self.id

    @property
    def seniority(self) -> tuple[int, bool, str]:
        """The order in which the survivor is chosen: one that no late event can change."""
        return self.birth, bool(self.house), self.id


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

    def plain(self) -> tuple[object, ...]:
        """Give the edge as JSON takes it."""
        return *self[:4], tuple(self.a), tuple(self.b)


class Groups(NamedTuple):
    """The groups of more than one origin, and the links that were left out as conflicts."""

    members: dict[str, frozenset[str]]
    conflicts: tuple[Edge, ...]

    def of(self, origin: str) -> frozenset[str]:
        """Give everybody in an origin's group, itself included."""
        return self.members.get(origin, frozenset({origin}))


@lru_cache(maxsize=20_000)
def groups(edges: frozenset[Edge]) -> Groups:
    """Decide who is one: words from the latest, then links from the earliest.

    A link that would join what is barred, or two values of a unique kind, is left out and is a conflict.
    """
    by_id: dict[str, Edge] = {}
    for edge in sorted(edges):
        by_id.setdefault(edge.id, edge)
    ordered = sorted(by_id.values())
    group: dict[str, set[str]] = {}
    kinds: dict[str, str] = {}
    for edge in ordered:
        for origin in (edge.a, edge.b):
            group.setdefault(origin.id, {origin.id})
            kinds[origin.id] = origin.kind
    bars: set[tuple[str, str]] = set()

    def barred(a: str, b: str) -> bool:
        left, right = group[a], group[b]
        return any((x in left and y in right) or (y in left and x in right) for x, y in bars)

    def join(a: str, b: str) -> None:
        union = group[a] | group[b]
        for member in union:
            group[member] = union

    for edge in reversed(ordered):
        a, b = edge.a.id, edge.b.id
        if edge.type == LINK or group[a] is group[b]:
            continue
        if edge.type == UNMERGE:
            bars.add((a, b))
        elif not barred(a, b):
            join(a, b)
    conflicts = []
    for edge in ordered:
        a, b = edge.a.id, edge.b.id
        if edge.type != LINK or group[a] is group[b]:
            continue
        shared = {kinds[x] for x in group[a]} & {kinds[x] for x in group[b]} - {""}
        if shared or barred(a, b):
            conflicts.append(edge)
        else:
            join(a, b)
    return Groups({origin: frozenset(members) for origin, members in group.items()}, tuple(conflicts))


@lru_cache(maxsize=20_000)
def _before(edges: frozenset[Edge], unmerge: Edge) -> Groups:
    return groups(frozenset(edge for edge in edges if edge[:3] < unmerge[:3]))


def left_on(origin: str, at: int, group: frozenset[str], edges: frozenset[Edge]) -> bool:
    """Say whether what forbade contact to `origin` at an instant stays on a group that was parted from it later.

    A merge carries it to the whole, so an unmerge leaves it on both halves (2-architecture, Identity).
    """
    if origin in group:
        return False
    for edge in edges:
        if edge.type == UNMERGE and at <= edge.at:
            whole = _before(edges, edge).of(edge.a.id)
            if edge.b.id in whole and origin in whole and whole & group:
                return True
    return False


def seniorities(edges: Iterable[Edge]) -> dict[str, tuple[int, bool, str]]:
    """Give the seniority of every origin that an edge names."""
    return {origin.id: origin.seniority for edge in edges for origin in (edge.a, edge.b)}


def survivor(group: frozenset[str], edges: Iterable[Edge]) -> str:
    """Name the member whose row holds the group's events and states its facts."""
    if len(group) == 1:
        return next(iter(group))
    order = seniorities(edges)
    return min(group, key=lambda origin: order[origin])


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
