"""Schema drift: what a vendor's bodies hold that they never held, and what they hold no more.

A vendor that renames a field refuses nothing: leads go on without a segment or a stage, and
nobody hears of it. So the shape of each kind of body is learnt from its first parts, and then three
changes are noticed, each once:

- `new`: a field that no part of its kind had before;
- `vanished`: a field that nearly all parts had, and that none of a whole window of parts has;
- `value`: a value that is new to a field of few values, which has had no new one for long; also a
  new kind of body, as kinds are told apart by the values of such fields.

A field is a path: `entry[].changes[].field`. Elements of a list are one, and so are the keys of a
map: names that hold an address or an id, and those of an object that has very many. Paths are names
of fields, never values; of values only hashes are kept.

Pure: what was seen is a value, `notice` gives the next one. Bounded: so many kinds of a source,
paths of a kind, parts of a body, fields of a part. It is kept in memory alone: after a restart each
kind is learnt again from its next `LEARN` parts, and a change in between goes unnoticed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, Literal, NamedTuple

LEARN = 200  # parts of a kind before any change of it is noticed
WINDOW = 200  # parts without a field before it has vanished
NEARLY = 0.95  # of a window's parts have a field that is always there
FEW, STEADY = 12, 1_000  # values of a field at most, and parts without a new one
MOST_KINDS, MOST_PATHS, MOST_CHILDREN = 40, 400, 100
MOST_PARTS, MOST_FIELDS, MOST_ELEMENTS = 20, 500, 20  # looked at of a body, a part, a list
MOST_DEEP = 12  # levels of a part

# What vendors tell kinds of bodies apart by.
_DISCRIMINATORS = (
    "type", "event", "subscriptionType", "entityName", "changeType", "event_name", "object",
    "entity", "action", "MessageName", "PrimaryEntityName",
)  # fmt: skip
_LONGEST_WORD, _LONGEST_FIELD = 40, 60
_WORD = re.compile(r"(?!.*\d{5})[A-Za-z_][\w .:/-]*")
_FIELD = re.compile(r"(?!.*\d{4})[A-Za-z_$][\w $:/-]*")


class Change(NamedTuple):
    """One change of the shape of one kind of body."""

    change: Literal["new", "vanished", "value"]
    kind: str
    path: str


CHANGES = ("new", "vanished", "value")


class Values(NamedTuple):
    """The values of a field of few: their hashes, and after how many parts the last one came."""

    known: frozenset[int] = frozenset()
    at: int = 0


_NO_VALUES = Values()


class Kind(NamedTuple):
    """What was seen of one kind of body.

    `paths` has each known path with the windows for which it still counts as always there: 2 after
    a window in which nearly all parts had it, 1 after one in which some had it, 0 otherwise. `here`
    counts the parts of this window that have it. A path of `values` with None has too many values.
    """

    parts: int = 0
    paths: Mapping[str, int] = {}
    here: Mapping[str, int] = {}
    values: Mapping[str, Values | None] = {}
    maps: frozenset[str] = frozenset()


class Seen(NamedTuple):
    """What was seen of one source: its kinds, its parts, and their number at the last new kind."""

    kinds: Mapping[str, Kind] = {}
    parts: int = 0
    at: int = 0


def notice(seen: Seen, body: Any) -> tuple[Seen, tuple[Change, ...]]:
    """Look at a decoded body, whatever it is; return what is seen now, and what changed with it."""
    parts = body[:MOST_PARTS] if isinstance(body, list) else [body]
    changes: list[Change] = []
    kinds, number, at = dict(seen.kinds), seen.parts, seen.at
    for part in parts:
        if not isinstance(part, dict):
            continue
        name = kind_of(part)
        if name not in kinds:
            if kinds and number - at >= STEADY:  # a new value of those that tell kinds apart
                changes.append(Change("value", name, "/".join(path for path, _ in _words(part))))
            at = number
            name = name if len(kinds) < MOST_KINDS else "other"
        kinds[name], found = _part(name, kinds.get(name, Kind()), part)
        changes += found
        number += 1
    return Seen(kinds, number, at), tuple(changes)


def kind_of(part: Mapping[str, Any]) -> str:
    """Return the words by which a part says what it is, from itself and the objects in it."""
    return "/".join(word for _, word in _words(part))


def _words(part: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the paths of those words, and the words: at most 3."""
    levels: list[tuple[str, Mapping[str, Any]]] = [("", part)]
    for name, one in islice(part.items(), MOST_ELEMENTS):
        if isinstance(one, dict) and _is_field(name):
            levels.append((f"{name}.", one))
    found: dict[str, str] = {}
    for begin, level in levels:
        for name in _DISCRIMINATORS:
            word = level.get(name)
            if isinstance(word, str) and _is_word(word):
                found.setdefault(word, f"{begin}{name}")
    return [(path, word) for word, path in islice(found.items(), 3)]


def _part(name: str, kind: Kind, part: Mapping[str, Any]) -> tuple[Kind, list[Change]]:
    """Add one part to its kind."""
    found = _fields(part, kind.maps)
    learnt = kind.parts >= LEARN
    changes: list[Change] = []
    paths, maps = kind.paths, kind.maps
    fresh = [path for path in found if path not in paths]
    if fresh:
        paths, maps, known = _grown(paths, maps, fresh)
        changes += [Change("new", name, path) for path in known if learnt]
    here, values = dict(kind.here), kind.values
    for path, value in found.items():
        if value is None or path not in paths:
            continue
        here[path] = here.get(path, 0) + 1
        known_values = values.get(path, _NO_VALUES)
        if known_values is None or value is True or value is False:
            continue
        key = hash(value) if isinstance(value, str) else None
        if key is not None and key in known_values.known:
            continue
        if not isinstance(value, str) or not _is_word(value):
            key = None
        few = key is not None and len(known_values.known) < FEW
        after = Values(known_values.known | {key}, kind.parts) if few and key is not None else None
        values = {**values, path: after}
        steady = kind.parts - known_values.at >= STEADY and bool(known_values.known)
        if key is not None and steady:
            changes.append(Change("value", name, path))
    parts = kind.parts + 1
    if parts % WINDOW == 0:
        paths, gone = _turned(paths, here)
        changes += [Change("vanished", name, path) for path in gone]
        here = {}
    return Kind(parts, paths, here, values, maps), changes


def _grown(
    paths: Mapping[str, int], maps: frozenset[str], fresh: list[str]
) -> tuple[dict[str, int], frozenset[str], list[str]]:
    """Add paths, as far as there is room; an object that has very many is a map from then on."""
    grown, known = dict(paths), []
    for path in fresh:
        parent = path.rpartition(".")[0]
        inside = [one for one in grown if one.rpartition(".")[0] == parent]
        if len(inside) >= MOST_CHILDREN:
            maps = maps | {parent}
            begin = f"{parent}." if parent else ""
            grown = {one: level for one, level in grown.items() if not one.startswith(begin)}
        elif len(grown) < MOST_PATHS:
            grown[path] = 0
            known.append(path)
    return grown, maps, known


def _turned(paths: Mapping[str, int], here: Mapping[str, int]) -> tuple[dict[str, int], list[str]]:
    """End a window; return the paths with their new levels, and those that have vanished.

    Of an object that vanished with all that is in it only the object is named. A path that vanished
    is no longer known, so that its return is noticed as well.
    """
    gone = {path for path, level in paths.items() if level and not here.get(path)}
    after = {
        path: 2 if here.get(path, 0) >= NEARLY * WINDOW else max(level - 1, 0)
        for path, level in paths.items()
        if path not in gone
    }
    return after, sorted(path for path in gone if not _inside(path, gone))


def _inside(path: str, others: set[str]) -> bool:
    steps = re.split(r"(?=\.)|(?=\[\])", path)
    return any("".join(steps[:length]) in others for length in range(1, len(steps)))


def _fields(part: Mapping[str, Any], maps: frozenset[str]) -> dict[str, Any]:
    """Return the paths of a part; with each a value of it, None where it has none."""
    found: dict[str, Any] = {}
    stack: list[tuple[str, Any, int]] = [("", part, 1)]
    while stack and len(found) < MOST_FIELDS:
        prefix, value, depth = stack.pop()
        if depth > MOST_DEEP:
            continue
        if isinstance(value, dict):
            is_map, begin = prefix in maps, f"{prefix}." if prefix else ""
            for name, one in value.items():
                path = f"{begin}{'*' if is_map or not _is_field(name) else name}"
                if isinstance(one, (dict, list)):
                    found[path] = one
                    stack.append((path, one, depth + 1))
                elif one is not None or path not in found:
                    found[path] = one
        else:
            path = f"{prefix}[]"
            for one in value[:MOST_ELEMENTS]:
                if isinstance(one, (dict, list)):
                    stack.append((path, one, depth + 1))
                elif one is not None:
                    found[path] = one
    return found


def _is_field(name: str) -> bool:
    return len(name) <= _LONGEST_FIELD and _looks_like_field(name)


@lru_cache(maxsize=10_000)  # the same names come again and again; long ones are never kept
def _looks_like_field(name: str) -> bool:
    return _FIELD.fullmatch(name) is not None


def _is_word(text: str) -> bool:
    return len(text) <= _LONGEST_WORD and _WORD.fullmatch(text) is not None
