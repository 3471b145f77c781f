"""What the simulated firm knows to have done, counted from ways alone: the demo's counters must equal it.

Nothing here asks the pipeline, its adapters or its funnel: who is one with whom, how far somebody came and what was
sold follow from what each body means (`market.posts.Meaning`). People share nothing, so figures of people add up.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .market.posts import LADDER, Meaning
from .market.readiness import ready_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .market.posts import Post


def count(made: Iterable[tuple[Post, int]]) -> Counter[str]:
    """Count what one person's bodies come to, each with how often it was taken.

    accepted: things told, once each, whose person is known; held: those of whom nobody knows who they are; released:
    of those accepted the ones that named nobody by themselves; duplicates: whatever was told again; merged: names
    joined to another of the same lead; dead_letters; leads; test_leads; won and revenue: of leads that are no test;
    `reached <stage>`: such leads by the furthest stage.
    """
    figures: Counter[str] = Counter()
    meanings: dict[str, Meaning] = {}
    for post, times in made:
        figures["dead_letters"] += post.dead * times
        for one in post.meanings if times else ():
            figures["duplicates"] += times - (one.key not in meanings)
            meanings.setdefault(one.key, one)
    groups = _groups(meanings.values())
    known = {mark for one in meanings.values() if one.names for mark in one.marks}
    for group in groups:
        _lead(
            [
                one
                for one in meanings.values()
                if group & {*one.names, *(one.marks if not one.names else ())}
            ],
            figures,
        )
        figures["merged"] += _strong(group, meanings.values())
    for one in meanings.values():
        clear = bool(one.names) or bool(known & set(one.marks))
        figures["accepted" if clear else "held"] += 1
        figures["released"] += clear and not one.names
    return figures


def _groups(meanings: Iterable[Meaning]) -> list[set[str]]:
    """Join the names and marks that were seen beside each other; leave out marks that no name is known of."""
    groups: list[set[str]] = []
    for one in meanings:
        if one.names:
            mine = {*one.names, *one.marks}
            near = [group for group in groups if group & mine]
            groups = [group for group in groups if not group & mine] + [mine.union(*near)]
    return groups


def _strong(group: set[str], meanings: Iterable[Meaning]) -> int:
    """Count the names of a group beyond its first; a group of which nothing is known but its names is no lead."""
    names = {name for one in meanings for name in one.names} & group
    told = any(not one.links and group & {*one.names, *one.marks} for one in meanings)
    return len(names) - 1 if told else 0


def _lead(meanings: list[Meaning], figures: Counter[str]) -> None:
    told = [one for one in meanings if not one.links]
    if not told:
        return
    figures["leads"] += 1
    if any(one.test for one in meanings):
        figures["test_leads"] += 1
        return
    stages = [LADDER.index(one.stage) for one in told]
    if ready_at(told) is not None:
        stages.append(LADDER.index("mql"))
    figures[f"reached {LADDER[max(stages)]}"] += 1
    won = {one.deal for one in told if one.won}
    amounts = {one.deal: one.amount for one in sorted(told, key=lambda one: one.at) if one.amount}
    figures["won"] += len(won)
    figures["revenue"] += sum(amounts.get(deal, 0) for deal in won)


@dataclass
class Ledger:
    """What one run did: the difference that its bodies made to each person, and what the gateway did not take."""

    figures: Counter[str] = field(default_factory=Counter)
    published: Counter[str] = field(default_factory=Counter)  # bodies by source, repeats included
    refused: int = 0  # bodies that the gateway did not take

    def add(self, before: Iterable[tuple[Post, int]], after: Iterable[tuple[Post, int]]) -> None:
        """Add what a person came to, beyond what the person had come to before this run."""
        self.figures.update(count(after))
        self.figures.subtract(count(before))

    def document(self) -> dict[str, Any]:
        """Give it as JSON; a lead may have come further, so a stage may have lost some."""
        names = (
            "accepted",
            "duplicates",
            "held",
            "released",
            "merged",
            "dead_letters",
            "won",
            "revenue",
            "leads",
            "test_leads",
        )
        stages = {stage: self.figures[f"reached {stage}"] for stage in LADDER}
        figures = {name: self.figures[name] for name in names}
        published = dict(sorted(self.published.items()))
        return {
            "published": published,
            **figures,
            "furthest_stage": stages,
            "refused": self.refused,
        }
