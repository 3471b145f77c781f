"""Whose move it is, in the reader's language: streams/domain/duties.py says what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.domain.duties import Duty
    from streams.live.wording import Words


def must(words: Words, what: str) -> str:
    """Return what must be done, as it follows "must"."""
    return words(f"duty_{what}")


def who(words: Words, owner: str, team: str) -> str:
    """Return whose move it is: the owner's, else the team's, which must name one."""
    return owner or words("no_owner", team=team or words("nobody"))


def headline(words: Words, seconds: float, owner: str, todo: Duty) -> str:
    """Return a lead's headline: how late, who, what; before its time, how long there is."""
    named, what = who(words, owner, todo.team), must(words, todo.must)
    if seconds < 0:
        left = words("in_time", span=words.span(-seconds))
        return words("headline_due", late=left, who=named, duty=what)
    return words("headline_late", late=words.late(seconds), who=named, duty=what)
