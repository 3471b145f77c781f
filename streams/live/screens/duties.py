"""Who must do what about a clock: the sentence of a headline, and the cells of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.live.wording import Words

# By what a clock waits for; the first that fits.
_DUTIES = (
    ({"human"}, "call"),
    ({"accepted", "rejected"}, "decide"),
    ({"accepted"}, "accept"),
    ({"onboarded"}, "onboard"),
    ({"automated"}, "write"),
    ({"leave"}, "go_on"),
    ({"moved"}, "go_on"),
)


def duty(words: Words, needs: Iterable[str]) -> str:
    """Return what must be done, as it follows "must"."""
    waits = set(needs)
    name = next((name for parts, name in _DUTIES if parts <= waits), "look")
    return words(f"duty_{name}")


def who(words: Words, owner: str, team: str) -> str:
    """Return whose move it is: the owner's, else the team's, which must name one."""
    return owner or words("no_owner", team=team or words("nobody"))


def headline(words: Words, seconds: float, owner: str, team: str, needs: Iterable[str]) -> str:
    """Return a lead's headline: how late, who, what; before its time, how long there is."""
    key, span = ("headline_late", seconds) if seconds >= 0 else ("headline_due", -seconds)
    what = duty(words, needs)
    named = who(words, owner, team)
    late = words.late(span) if seconds >= 0 else words("in_time", span=words.span(span))
    return words(key, late=late, who=named, duty=what)
