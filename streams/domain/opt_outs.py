"""What an opt-out binds, and what a consent speaks for, across merges and unmerges (history h27).

An opt-out of one identity binds its whole group, also one that it is merged into later. An unmerge
leaves both parts bound. A consent speaks for those who are one with its identity by then.
"""

from __future__ import annotations

from functools import lru_cache

from .members import LINK, UNMERGE, Edge, Groups, groups


def binds_since(
    identity: str, at: int, group: frozenset[str], edges: frozenset[Edge]
) -> int | None:
    """Return the time (ms) since when an opt-out of `identity` binds `group` after an unmerge.

    None where it does not. `at` is the time (ms) of the opt-out: an unmerge from before it parts
    the two in time. People only: a group that shared no more than a deal with `identity` is free.
    """
    if identity in group:
        return None
    people = group - {end.id for edge in edges for end in (edge.a, edge.b) if end.deal}
    unmerges = [
        edge.at
        for edge in edges
        if edge.type == UNMERGE and at <= edge.at and _divided(edge, identity, people, edges)
    ]
    return min(unmerges, default=None)


def _divided(unmerge: Edge, identity: str, people: frozenset[str], edges: frozenset[Edge]) -> bool:
    """Return whether an unmerge divided a group that held `identity` and some of `people`."""
    whole = _before(edges, unmerge).of(unmerge.a.id)
    return unmerge.b.id in whole and identity in whole and bool(whole & people)


@lru_cache(maxsize=20_000)
def _before(edges: frozenset[Edge], unmerge: Edge) -> Groups:
    return groups(frozenset(edge for edge in edges if edge.key < unmerge.key))


def were_one(one: str, other: str, at: int, edges: frozenset[Edge]) -> bool:
    """Return whether two identities were one at a time (ms), so that a consent speaks for both.

    A merge or an unmerge counts from its own time, a link always: it is evidence that they never
    were two.
    """
    known = frozenset(edge for edge in edges if edge.type == LINK or edge.at <= at)
    return one == other or other in groups(known).of(one)
