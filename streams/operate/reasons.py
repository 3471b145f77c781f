"""Reasons of dead letters without the values that they quote: letters with one are one group."""

from __future__ import annotations

import re

# A quotation, not an apostrophe; and what numbers a part of a body or a place in Kafka.
QUOTED = re.compile(r"""(?<!\w)('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(?!\w)""")
_MISSING = re.compile(r"'[^']*' is missing")
_STEP = re.compile(r"(?<=[\w\]])\.\d+(?=[.:])")
_NUMBER = re.compile(
    r"\b\d{5,}\b|(?<=\bline )\d+|(?<=\bcolumn )\d+|(?<=\bchar )\d+|(?<=\[)\d+(?=\])"
)
_MANY = re.compile(r"^\d+(?= of its parts)")


def without_values(reason: str) -> str:
    """Return a reason with "…" for what differs between bodies: values, numbers, places in lists.

    The name of what is missing stays, and the words that a field may have.
    """
    head, may, words = reason.partition(" should ")
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found[0])
        return f"\0{len(kept) - 1}\0"

    text = QUOTED.sub("…", _MISSING.sub(keep, head))
    text = _NUMBER.sub("…", _STEP.sub(".[]", _MANY.sub("…", text)))
    return re.sub("\0(\\d+)\0", lambda found: kept[int(found[1])], text) + may + words


def matches(pattern: str, reason: str) -> bool:
    """Return whether a pattern, in any case and with `*` for anything, fits a reason's group."""
    asked = ".*".join(map(re.escape, pattern.strip().split("*")))
    return bool(re.fullmatch(asked, without_values(reason), re.IGNORECASE | re.DOTALL))
