"""ClickHouse's Native format as a client of a later protocol version reads it.

A client names the version it reads (`client_protocol_version`); chDB knows none, and writes the
format's first form. What newer ones have beside it, clickhouse-go and so Grafana's plugin insist
on:
- in front of each block, its info;
- behind each column's type, from version 54454 on, a byte that says how its values are written. 0
  is the plain way, the only one that the first form has.

So an answer is the same bytes with these between them. Native has no lengths, therefore finding
where a column ends takes a walk over its values, by type. A type whose values can't be walked is
refused, since its reader would take one column's bytes for the next one's.

The first form also writes DateTime('Europe/Paris') as DateTime where it is a column's whole type.
The instants are the same.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from .refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    # From bytes, a place in them and a number of values: the place behind these values.
    Walk = Callable[[bytes, int, int], int]

# Below it the first form is sent. clickhouse-connect, which asks for 54405, looks which it gets.
SINCE = 54_454
# 1: no overflow row; 2: no bucket; 0: that is all.
_INFO = bytes.fromhex("01 00 02 ff ff ff ff 00")
_PLAIN = b"\0"

_WIDTHS = {
    **dict.fromkeys(("Bool", "Enum8", "Int8", "Nothing", "UInt8"), 1),
    **dict.fromkeys(("BFloat16", "Date", "Enum16", "Int16", "UInt16"), 2),
    **dict.fromkeys(("Date32", "DateTime", "Float32", "IPv4", "Int32", "Time", "UInt32"), 4),
    **dict.fromkeys(("DateTime64", "Float64", "Int64", "Time64", "UInt64"), 8),
    **dict.fromkeys(("IPv6", "Int128", "UInt128", "UUID"), 16),
    **dict.fromkeys(("Int256", "UInt256"), 32),
}
_ALIASES = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "Polygon": "Array(Ring)",
    "MultiLineString": "Array(LineString)",
    "MultiPolygon": "Array(Polygon)",
}
_PART = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|[(),]|[^'`(),]+", re.DOTALL)
_NAMED = re.compile(r"(?:\w+|`(?:[^`\\]|\\.)*`) (?=\S)", re.DOTALL)  # an element of a tuple


def restated(content: bytes) -> bytes:
    """Return an answer in Native's first form as versions from 54454 on have it.

    Raises:
        Refusal: a column is of a type whose values can't be walked.

    """
    view, parts, at = memoryview(content), list[bytes | memoryview](), 0
    while at < len(content):
        parts.append(_INFO)
        begun = at
        columns, at = _number(content, at)
        rows, at = _number(content, at)
        for _ in range(columns):
            _, at = _text(content, at)
            kind, at = _text(content, at)
            parts += (view[begun:at], _PLAIN)
            begun = at
            if rows:
                at = _end(kind, content, at, rows)
        parts.append(view[begun:at])
    return b"".join(parts)


def _end(kind: str, content: bytes, at: int, rows: int) -> int:
    dictionaries = sum(part.endswith("LowCardinality") for part in _PART.findall(kind))
    try:
        # Each has a version of 8 bytes, in front of all values.
        return _walk(kind)(content, at + 8 * dictionaries, rows)
    except RecursionError:
        raise _unknown(kind) from None


def _unknown(kind: str) -> Refusal:
    text = (
        f"A column of the type {kind[:200]} can't be sent in the Native format of this client's "
        "protocol version: ask for another type, or for another format"
    )
    return Refusal(48, "NOT_IMPLEMENTED", text)


@lru_cache(1_000)
def _walk(kind: str) -> Walk:
    """Return the walk over values of a type, as ClickHouse writes the type.

    Raises:
        Refusal: no walk over its values is known.

    """
    name, _, rest = kind.partition("(")
    if name in _WIDTHS or name.startswith("Interval"):
        return _fixed(_WIDTHS.get(name, 8))
    if name in _ALIASES:
        return _walk(_ALIASES[name])
    inner = _inner(rest.removesuffix(")"))
    match name:
        case "String":
            return _strings
        case "FixedString":
            return _fixed(int(inner[0]))
        case "Decimal":
            return _fixed(_of_decimal(int(inner[0])))
        case "Nullable":
            return _one_by_one(_fixed(1), _walk(inner[0]))
        case "LowCardinality":
            nullable = re.fullmatch(r"Nullable\((.*)\)", inner[0])  # its NULL is a place, no key
            return _dictionary(_walk(nullable[1] if nullable else inner[0]))
        case "Tuple":
            return _one_by_one(*map(_walk, inner)) if inner else _fixed(1)
        case "Array":
            return _lists(_walk(inner[0]))
        case "Map" | "Nested":
            return _lists(_one_by_one(*map(_walk, inner)))
        case "SimpleAggregateFunction":
            return _walk(inner[-1])
    raise _unknown(kind)


def _inner(text: str) -> list[str]:
    """Return what stands between a type's brackets, without names of a tuple's elements."""
    if not text:
        return []
    parts, depth = [""], 0
    for part in _PART.findall(text):
        depth += (part == "(") - (part == ")")
        if part == "," and not depth:
            parts.append("")
        else:
            parts[-1] += part
    return [_NAMED.sub("", part.strip(), count=1) for part in parts]


def _of_decimal(digits: int) -> int:
    return next(width for most, width in ((9, 4), (18, 8), (38, 16), (76, 32)) if digits <= most)


def _number(content: bytes, at: int) -> tuple[int, int]:
    """Read a number of 7 bits a byte, the lowest first; return it and the place behind it."""
    number, shift = 0, 0
    while True:
        byte = content[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at


def _text(content: bytes, at: int) -> tuple[str, int]:
    size, at = _number(content, at)
    return content[at : at + size].decode("utf-8", "replace"), at + size


def _long(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 8], "little")


def _fixed(width: int) -> Walk:
    return lambda _content, at, rows: at + width * rows


def _strings(content: bytes, at: int, rows: int) -> int:
    for _ in range(rows):
        size = content[at]
        if size < 128:  # nearly all: this loop is what an answer costs
            at += 1 + size
        else:
            size, at = _number(content, at)
            at += size
    return at


def _one_by_one(*walks: Walk) -> Walk:
    """Walk over columns that stand behind each other."""

    def walk(content: bytes, at: int, rows: int) -> int:
        for one in walks:
            at = one(content, at, rows)
        return at

    return walk


def _lists(walk_values: Walk) -> Walk:
    """Walk over where each list ends, then over the values of all of them."""

    def walk(content: bytes, at: int, rows: int) -> int:
        if not rows:
            return at
        at += 8 * rows
        return walk_values(content, at, _long(content, at - 8))

    return walk


def _dictionary(walk_keys: Walk) -> Walk:
    """Walk over keys and each row's place among them."""

    def walk(content: bytes, at: int, rows: int) -> int:
        if not rows:
            return at
        width = 1 << (content[at] & 3)
        keys, at = _long(content, at + 8), at + 16
        at = walk_keys(content, at, keys)
        return at + 8 + width * rows

    return walk
