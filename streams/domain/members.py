"""Which identities are one lead: a pure function of the set of edges (history h17 and h18).

An `Origin` is an identity as the lifecycle knows it: an id without personal data, with the time of
its creation, a house and a unique kind that `resolve` wrote once. No row ever needs another row's
state.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

LINK, MERGE, UNMERGE = "link", "merge", "unmerge"
PRIMARY = ":primary"  # how the id of an event ends that names a deal's primary contact
DEALS = (":deal", ":opportunity")  # how the kind of a CRM's deals ends


class Origin(NamedTuple):
    """An identity: one strong alias, without it."""

    created: int  # when it was first seen (ms)
    house: str  # the row that it lives in; "" is its own
    id: str
    kind: str  # of a CRM's record, like hubspot:1:contact; "" for all others

    @property
    def home(self) -> str:
        """The row that the identity's events are sent to."""
        return self.house or self.id

    @property
    def deal(self) -> bool:
        """Return whether it is a deal: one person has many, and one deal has many people."""
        return self.kind.endswith(DEALS)

    @property
    def seniority(self) -> tuple[int, bool, str]:
        """The order in which the survivor is chosen: one that no late event can change."""
        return self.created, bool(self.house), self.id


class Edge(NamedTuple):
    """A join of two identities. `link` is automatic; `merge` and `unmerge` are somebody's word."""

    at: int
    sequence: int
    id: str
    type: str
    a: Origin
    b: Origin

    @property
    def housing(self) -> bool:
        """Return whether it states no more than that one end lives in the other's row."""
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
        """Return whether it is of a contact and a deal."""
        return self.a.deal != self.b.deal

    @property
    def event(self) -> str:
        """The id of the event that states it; empty where one link stands for all events."""
        return self.id.rpartition("|")[0]

    @property
    def claim(self) -> tuple[bool, int]:
        """Its place among the links of a deal: primary contacts first, the latest of them first."""
        primary = self.of_deal and self.event.endswith(PRIMARY)
        return not primary, -self.at if primary else 0

    def plain(self) -> tuple[object, ...]:
        """Return the edge as JSON takes it."""
        return *self[:4], tuple(self.a), tuple(self.b)


class Groups(NamedTuple):
    """Which identities are one, and which links made none."""

    members: dict[str, frozenset[str]]  # the group of each identity that an edge names
    conflicts: tuple[Edge, ...]  # links that were left out until somebody decides
    influenced: tuple[Edge, ...]  # links of a contact to a deal that is another's

    def of(self, origin: str) -> frozenset[str]:
        """Return everybody in an identity's group, itself included."""
        return self.members.get(origin, frozenset({origin}))


def smallest(edges: Iterable[Edge]) -> frozenset[Edge]:
    """Keep one edge an id, the smallest.

    An event may turn up that is earlier than the one that a link was first raised for, and a merge
    may be sent again with another time.
    """
    by_id: dict[str, Edge] = {}
    for edge in sorted(edges):
        by_id.setdefault(edge.id, edge)
    return frozenset(by_id.values())


class Verdict(Enum):
    """What becomes of a link when links are taken from the earliest."""

    MOOT = "both ends are one already, or the contact was taken off the deal later"
    JOINS = "both ends become one"
    INFLUENCES = "the deal is another's: this contact influenced it"
    CONFLICTS = "an unmerge or a second record of one kind is against it: somebody has to decide"
    SETTLED = "somebody decided later: they are two"


@lru_cache(maxsize=20_000)
def groups(edges: frozenset[Edge]) -> Groups:
    """Decide who is one: merges and unmerges from the latest, then links from the earliest.

    People first: a deal is no bridge between them. It is its primary contact's, else the first
    one's, and whoever stands on it beside that one influenced it (identity i13).
    """
    ordered = sorted(smallest(edges))
    grown = _Growing(ordered)
    for edge in reversed(ordered):
        grown.take_word(edge)
    conflicts: list[Edge] = []
    influenced: dict[frozenset[str], Edge] = {}
    for link in sorted(ordered, key=lambda edge: (edge.of_deal, *edge.claim)):
        match grown.verdict(link):
            case Verdict.JOINS:
                grown.join(link)
            case Verdict.CONFLICTS:
                conflicts.append(link)
            case Verdict.INFLUENCES:
                pair = (influenced.get(link.ends, link), link)
                influenced[link.ends] = min(pair, key=_first_stated)
    members = {origin: frozenset(group) for origin, group in grown.group.items()}
    return Groups(members, tuple(conflicts), tuple(influenced.values()))


def _first_stated(link: Edge) -> tuple[bool, tuple[int, int, str]]:
    """Put a link that an event states itself first: the event knows which deal it is."""
    return not link.event, link.key


class _Growing:
    """The groups while edges are taken one by one. It changes; nothing of it outlives `groups`."""

    def __init__(self, edges: list[Edge]) -> None:
        ends = [end for edge in edges for end in (edge.a, edge.b)]
        self.group = {end.id: {end.id} for end in ends}
        self.kinds = {end.id: "" if end.deal else end.kind for end in ends}
        self.deals = {end.id for end in ends if end.deal}
        self.bars: list[Edge] = []  # unmerges that hold
        self.taken_off: dict[frozenset[str], Edge] = {}  # of a contact and a deal, the latest

    def take_word(self, edge: Edge) -> None:
        """Take a merge or an unmerge, the latest first: a later one decides.

        Taking a contact off a deal takes back the earlier links of the two, and bars nothing.
        """
        if edge.type == UNMERGE and edge.of_deal:
            self.taken_off.setdefault(edge.ends, edge)
        elif edge.type == LINK or self.are_one(edge) or edge.ends in self.taken_off:
            return
        elif edge.type == UNMERGE:
            self.bars.append(edge)
        elif not self.bars_of(edge):
            self.join(edge)

    def verdict(self, link: Edge) -> Verdict:
        """Decide on an edge; all but links were taken before, and are moot."""
        off = self.taken_off.get(link.ends)
        if link.type != LINK or self.are_one(link) or (off and link.key < off.key):
            return Verdict.MOOT
        if link.of_deal and self.has_contact(link):
            return Verdict.INFLUENCES
        bars = self.bars_of(link)
        if not bars and not self.share_a_kind(link):
            return Verdict.JOINS
        return Verdict.CONFLICTS if all(bar.key < link.key for bar in bars) else Verdict.SETTLED

    def are_one(self, edge: Edge) -> bool:
        return self.group[edge.a.id] is self.group[edge.b.id]

    def join(self, edge: Edge) -> None:
        union = self.group[edge.a.id] | self.group[edge.b.id]
        for member in union:
            self.group[member] = union

    def bars_of(self, edge: Edge) -> list[Edge]:
        """Return the unmerges that keep the groups of both ends apart."""
        if not self.bars:
            return []
        left, right = self.group[edge.a.id], self.group[edge.b.id]
        return [
            bar
            for bar in self.bars
            if (bar.a.id in left and bar.b.id in right) or (bar.b.id in left and bar.a.id in right)
        ]

    def share_a_kind(self, edge: Edge) -> bool:
        """Return whether the groups of both ends hold a record of one CRM and kind."""
        left, right = ({self.kinds[x] for x in self.group[end]} for end in (edge.a.id, edge.b.id))
        return bool(left & right - {""})

    def has_contact(self, edge: Edge) -> bool:
        """Return whether the deal of an edge is somebody's already."""
        deal = edge.a if edge.a.id in self.deals else edge.b
        return bool(self.group[deal.id] - self.deals)


def seniorities(edges: Iterable[Edge]) -> dict[str, tuple[int, bool, str]]:
    """Return the seniority of every identity that an edge names."""
    return {origin.id: origin.seniority for edge in edges for origin in (edge.a, edge.b)}


def survivor(group: frozenset[str], edges: Iterable[Edge]) -> str:
    """Name the member whose row holds the group's events and states its facts."""
    if len(group) == 1:
        return next(iter(group))
    order = seniorities(edges)
    return min(group, key=lambda origin: order[origin])


def neighbours(me: str, edges: Iterable[Edge]) -> frozenset[str]:
    """Name all that one edge connects with an identity, whatever its type."""
    return frozenset().union(*(edge.ends for edge in edges if me in edge.ends)) - {me}


def reach(me: str, edges: Iterable[Edge]) -> frozenset[str]:
    """Name all that any edges connect, also those left out: all decide together."""
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
