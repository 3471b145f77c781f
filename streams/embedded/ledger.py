"""What the simulated firm knows to have done: the demo's counters must equal it.

Nothing here asks the pipeline, its adapters or its funnel: who is one with whom, how far somebody
came and what was sold follow from what each body means (`market.posts.Meaning`). People share
nothing, so figures of people add up.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .market.posts import LADDER, Meaning
from .market.readiness import ready_at

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from .market.posts import Post


def count(made: Iterable[tuple[Post, int]]) -> Counter[str]:
    """Count what one person's bodies come to, each with how often it was taken.

    accepted: distinct things whose person is known; held: those of whom nobody knows who they
    are; released: of those accepted the ones that named nobody by themselves; duplicates:
    whatever came again; merged: names joined to another of the same lead; dead_letters; leads;
    test_leads; won and revenue: of leads that are no test; `reached <stage>`: such leads by the
    furthest stage.
    """
    figures: Counter[str] = Counter()
    meanings: dict[str, Meaning] = {}
    for post, times in made:
        figures["dead_letters"] += post.dead * times
        for one in post.meanings if times else ():
            figures["duplicates"] += times - (one.key not in meanings)
            meanings.setdefault(one.key, one)
    groups = _groups(meanings.values())
    for one in meanings.values():
        known = bool(one.names) or any(group & set(one.marks) for group in groups)
        figures["accepted" if known else "held"] += 1
        figures["released"] += known and not one.names
    for group in groups:
        mine = [one for one in meanings.values() if group & {*(one.names or one.marks)}]
        if any(not one.links for one in mine):  # of nobody else anything is known but names
            names = {name for one in mine for name in one.names}
            figures["merged"] += len(names) - 1
            _lead(mine, figures)
    return figures


def _groups(meanings: Collection[Meaning]) -> list[set[str]]:
    """Join names that were seen beside each other; a mark is theirs whom it was seen with."""
    groups: list[set[str]] = []
    for one in meanings:
        near = [group for group in groups if group & set(one.names)]
        if one.names:
            groups = [group for group in groups if group not in near]
            groups.append(set(one.names).union(*near))
    for one in meanings:
        for group in groups:
            if group & set(one.names):
                group |= set(one.marks)
    return groups


def _lead(meanings: list[Meaning], figures: Counter[str]) -> None:
    events = [one for one in meanings if not one.links]
    figures["leads"] += 1
    if any(one.test for one in meanings):
        figures["test_leads"] += 1
        return
    stages = [LADDER.index(one.stage) for one in events]
    if ready_at(events) is not None:
        stages.append(LADDER.index("mql"))
    figures[f"reached {LADDER[max(stages)]}"] += 1
    won = {one.deal for one in events if one.won}
    amounts = {one.deal: one.amount for one in sorted(events, key=lambda one: one.at) if one.amount}
    figures["won"] += len(won)
    figures["revenue"] += sum(amounts.get(deal, 0) for deal in won)


@dataclass
class Ledger:
    """What one run did: the difference that its bodies made, and what the gateway did not take."""

    figures: Counter[str] = field(default_factory=Counter)
    published: Counter[str] = field(default_factory=Counter)  # bodies by source, repeats included
    refused: int = 0  # bodies that the gateway did not take

    def add(self, before: Iterable[tuple[Post, int]], after: Iterable[tuple[Post, int]]) -> None:
        """Add what a person came to, beyond what the person had come to before this run."""
        self.figures.update(count(after))
        self.figures.subtract(count(before))

    def document(self) -> dict[str, Any]:
        """Return it as JSON; a lead may have come further, so a stage may have lost some."""
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
