"""The place in a body that a dead letter's reason names, and what stands around it.

A reason is made far from the body, so the place is searched: by the field that the reason begins
with, else by the value that it quotes. What is shown has the names of fields and the shapes of
their values; a value itself only where the reason quotes it already, and it is not personal.
"""

from __future__ import annotations

import ast
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from streams.engine.letters import discreet

from .reasons import QUOTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Step = str | int
    Path = tuple[Step, ...]

MOST_NODES = 20_000  # of a body that are looked at
MOST_PLACES = 3
_AROUND = 12  # fields shown beside the place
_FIELD = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*): ")
_MISSING = re.compile(r"'([^']{1,100})' is missing")
_OFFSET = re.compile(r"\(char (\d+)\)")
_PRIVATE = re.compile(
    r"mail|phone|mobile|token|secret|password|credential|auth|api_?key|_key$|address|street"
    r"|^name$|(first|last|full|given|family|sur|user|contact)_?name|comment|message|note",
    re.IGNORECASE,
)


def find(reason: str, body: Any) -> list[str]:
    """Return JSON pointers (RFC 6901) to what a reason names: the likeliest first, at most 3.

    Of a name that is missing it is what resembles it most. Empty where the reason names no field of
    the body and quotes no value of it.
    """
    nodes = list(_nodes(body))
    field = _FIELD.match(reason)
    if field:
        steps = field[1].split(".")
        found = [path for path, _ in nodes if [str(one) for one in path[-len(steps) :]] == steps]
        if found:
            return [pointer(one) for one in sorted(found, key=len)[:MOST_PLACES]]
    missing = _MISSING.search(reason)
    if missing:  # a name that resembles it may be what it is called now
        names = {str(path[-1]) for path, _ in nodes if path and not isinstance(path[-1], int)}
        near = get_close_matches(missing[1], sorted(names), 1, 0.75)
        return [pointer(path) for path, _ in nodes if path and [path[-1]] == near][:MOST_PLACES]
    quoted = _quoted(reason)
    found = [path for path, value in nodes if path and _written(value) in quoted]
    return [pointer(one) for one in found[:MOST_PLACES]]


def pointer(path: Sequence[Step]) -> str:
    """Return a path as a JSON pointer."""
    return "".join(f"/{str(one).replace('~', '~0').replace('/', '~1')}" for one in path)


def around(body: Any, place: str, reason: str) -> list[str]:
    """Return lines that show a place (a pointer) among its neighbours, marked by ">"."""
    quoted = _quoted(reason)
    *parents, last = [one.replace("~1", "/").replace("~0", "~") for one in place.split("/")[1:]]
    holder = body
    for step in parents:
        holder = holder[int(step)] if isinstance(holder, list) else holder[step]
    pairs = list(enumerate(holder) if isinstance(holder, list) else holder.items())
    at = next(number for number, (name, _) in enumerate(pairs) if str(name) == last)
    begin = max(0, at - _AROUND // 2)
    shown = pairs[begin : begin + _AROUND]
    lines = [
        f"{'>' if str(name) == last else ' '} {discreet(str(name))[:60]}: "
        f"{_value(str(name), value, quoted) if str(name) == last else _shape(value)}"
        for name, value in shown
    ]
    left = len(pairs) - len(shown)
    return [*lines, f"  and {left} more"] if left else lines


def around_bytes(reason: str, body: bytes) -> str:
    """Return where JSON breaks off, letters as x and digits as 9; "" if the reason has no place."""
    found = _OFFSET.search(reason)
    if not found:
        return ""
    at = int(found[1])
    text = body.decode(errors="replace")
    near = text[max(0, at - 20) : at], text[at : at + 20]
    before, after = (re.sub(r"\d", "9", re.sub(r"[^\W\d_]", "x", one)) for one in near)
    return f"character {at}: {before} >{after}"


def _nodes(body: Any) -> Iterator[tuple[Path, Any]]:
    """Yield each value of a body with its path, those near the root first."""
    level: list[tuple[Path, Any]] = [((), body)]
    count = 0
    while level:
        deeper: list[tuple[Path, Any]] = []
        for path, value in level:
            count += 1
            if count > MOST_NODES:
                return
            yield path, value
            if isinstance(value, dict):
                deeper += [((*path, name), one) for name, one in value.items()]
            elif isinstance(value, list):
                deeper += [((*path, number), one) for number, one in enumerate(value)]
        level = deeper


def _quoted(reason: str) -> set[str]:
    return {text for text in map(_unquoted, QUOTED.findall(reason)) if text}


def _unquoted(token: str) -> str:
    try:
        return str(ast.literal_eval(token))
    except (ValueError, SyntaxError):
        return token[1:-1]


def _written(value: Any) -> str:
    """Return a value as reasons quote it; "" for one that they never quote."""
    return "" if isinstance(value, dict | list | bool | None) else str(value)[:100]


def _value(name: str, value: Any, quoted: set[str]) -> str:
    text = _written(value)
    shown = text in quoted and not _PRIVATE.search(name) and discreet(text) == text
    return f"{text[:60]!r}" if shown else _shape(value)


def _shape(value: Any) -> str:
    if isinstance(value, dict):
        return f"object of {len(value)}"
    if isinstance(value, list):
        return f"list of {len(value)}"
    if isinstance(value, str):
        return f"text of {len(value)}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"number of {sum(one.isdigit() for one in str(value))} digits"
