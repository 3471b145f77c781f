"""What is wrong with a mapping or report file, at which key, and what was perhaps meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import NamedTuple

from .language import MappingError, Placed

Path_ = tuple[str | int, ...]


class Problem(NamedTuple):
    """What is wrong with a mapping, and at which of its keys."""

    path: Path_
    text: str


def fail(file: Placed, problems: list[Problem]) -> None:
    """Raise what was found.

    Raises:
        MappingError: with a line for each problem.

    """
    if problems:
        lines = [
            f"{file.at(*one.path)}: {'.'.join(map(str, one.path))}: {one.text}" for one in problems
        ]
        raise MappingError("\n".join(dict.fromkeys(lines)))


def near(name: str, known: Sequence[str]) -> str:
    """Return a hint: the names that look like it, and what there is."""
    folded = {one.casefold(): one for one in known}
    close = [folded[one] for one in difflib.get_close_matches(name.casefold(), folded, 2, 0.75)]
    meant = f"; did you mean {' or '.join(map(repr, close))}?" if close else ":"
    return f"{meant} there is {', '.join(known[:40])}{', ...' if len(known) > 40 else ''}"
