"""What a viewer's statement may be and touch, as ClickHouse's own parser reads it.

Grants hold tables; this holds what no grant knows: the number of statements, INTO OUTFILE (the
engine writes it as a client would), functions that leave the database (`file` reads any file of an
embedded engine) and settings. The parser gives a tree, so comments, quoting, case and aliases hide
nothing, and the statement that runs is the one that the parser wrote back, not the one that came.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from sinks.clickhouse.grants import SYSTEM

from .refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[[str, dict[str, str]], bytes]  # a statement and its parameters

LONGEST = 128_000  # characters of a viewer's statement
# Settings that change how an answer looks, not what it may cost or reach.
SETTINGS = frozenset({
    "cast_string_to_dynamic_use_inference", "date_time_input_format", "date_time_output_format",
    "describe_include_subcolumns", "extremes", "final", "join_use_nulls",
    "joined_subquery_requires_alias", "limit", "output_format_json_quote_64bit_integers",
    "output_format_json_quote_decimals", "output_format_json_quote_denormals",
    "prefer_column_name_to_alias", "session_timezone",
})  # fmt: skip
_TABLE_FUNCTIONS = frozenset(
    {
        "generate_series",
        "generateSeries",
        "null",
        "numbers",
        "numbers_mt",
        "SQLStandardValues",
        "values",
        "view",
        "zeros",
    }
)
_TOP = frozenset(
    {"SelectIntersectExceptQuery", "SelectQuery", "SelectWithUnionQuery", "ShowTablesQuery"}
)
_QUERIES = _TOP | {"SetQuery", "TablesInSelectQuery"}  # the nodes within one that are named so
# Functions are known by the engine's own categories, so that a new one of a kind that leaves the
# database is out.
_OUT = ("AI", "Dictionary", "Embedded Dictionary", "Introspection", "Machine Learning")
_OTHER = frozenset({
    "bar", "blockNumber", "blockSize", "byteSize", "colorOKLABToSRGB", "colorOKLCHToSRGB",
    "colorSRGBToOKLAB", "colorSRGBToOKLCH", "countDigits", "currentDatabase", "currentRoles",
    "currentUser", "defaultValueOfArgumentType", "defaultValueOfTypeName", "digits",
    "displayName", "errorCodeToName", "finalizeAggregation", "flipCoordinates",
    "formatReadableDecimalSize", "formatReadableQuantity", "formatReadableSize",
    "formatReadableTimeDelta", "getSetting", "getSizeOfEnumType", "getSubcolumn", "identity",
    "ignore", "indexHint", "initializeAggregation", "isConstant", "isDecimalOverflow",
    "lowCardinalityIndices", "lowCardinalityKeys", "materialize", "minSampleSizeContinuous",
    "minSampleSizeConversion", "neighbor", "parseISO8601Duration", "parseReadableSize",
    "parseReadableSizeOrNull", "parseReadableSizeOrZero", "parseTimeDelta", "queryID", "revision",
    "rowNumberInAllBlocks", "rowNumberInBlock", "runningAccumulate", "runningDifference",
    "runningDifferenceStartingWithFirstValue", "throwIf", "toColumnTypeName", "toTypeName",
    "transform", "variantElement", "variantType", "version", "visibleWidth",
})  # fmt: skip
_PARSE = "SELECT formatQuerySingleLine({q:String}) AS text FORMAT JSONEachRow"
_TREE = (
    "SELECT parseQueryToJSON({q:String}) AS tree, formatQueryFromJSON(tree) AS again, "
    "formatQuerySingleLine({q:String}) AS text FORMAT JSONEachRow"
)
_WORD = r"(?:[A-Za-z_]\w*|`\w+`)"
# The parser's own form of what its tree does not know; nothing else has it.
_DESCRIBE = re.compile(
    rf"(?:DESCRIBE TABLE|EXISTS TABLE|EXISTS VIEW) {_WORD}(?:\.{_WORD})?"
    r"(?: FORMAT (?P<format>\w+))?"
    r"(?: SETTINGS describe_include_subcolumns = [01])?"
)


class Statement(NamedTuple):
    """A statement that may run, as the parser wrote it, and the format that it names."""

    text: str
    format: str


def closed_functions(rows: Iterator[tuple[str, str, str]]) -> frozenset[str]:
    """Return the functions that viewers may not call, in lower case.

    A row is a function's name, its category, and the name that it is an alias of.
    """
    functions = list(rows)
    closed = {name for name, category, _ in functions if _closed(name, category)}
    return frozenset(
        name.casefold() for name, _, alias in functions if name in closed or alias in closed
    )


def _closed(name: str, category: str) -> bool:
    if category == "Other":
        return name not in _OTHER
    return category in _OUT or name.startswith("__")


def checked(text: str, closed: frozenset[str], run: Run) -> Statement:
    """Return what may run in place of a viewer's statement. `run` runs the parser's functions.

    Raises:
        Refusal: it is no single statement that reads figures.

    """
    if len(text) > LONGEST:
        raise Refusal(307, "TOO_MANY_BYTES", f"A viewer's statement may have {LONGEST} characters")
    canonical = str(orjson.loads(run(_PARSE, {"q": escaped(text)}))["text"])
    found = _DESCRIBE.fullmatch(canonical)
    if found:
        return Statement(canonical, found["format"] or "")
    try:
        row = orjson.loads(run(_TREE, {"q": escaped(canonical)}))
    except RuntimeError as error:
        raise Refusal(
            164,
            "READONLY",
            "A viewer may only read: SELECT, SHOW TABLES, SHOW DATABASES, DESCRIBE TABLE",
        ) from error
    if not row["again"] == row["text"] == canonical:  # else the tree does not hold all of it
        raise Refusal(
            48,
            "NOT_IMPLEMENTED",
            "This statement can't be checked for a viewer: write it in a simpler way",
        )
    tree = orjson.loads(row["tree"])
    if tree.get("type") not in _TOP:
        raise Refusal(164, "READONLY", f"A viewer may only read, and this is a {tree.get('type')}")
    for node in _nodes(tree):
        _check(node, closed)
    return Statement(canonical, str(tree.get("format_ast", {}).get("name", "")))


def escaped(text: str) -> str:
    """Write a text as the value of a query's parameter."""
    for plain, written in (
        ("\\", "\\\\"),
        ("\t", "\\t"),
        ("\n", "\\n"),
        ("\r", "\\r"),
        ("\0", "\\0"),
        ("\b", "\\b"),
        ("\f", "\\f"),
    ):
        text = text.replace(plain, written)
    return text


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _check(node: dict[str, Any], closed: frozenset[str]) -> None:
    kind = node.get("type", "")
    if kind.endswith("Query") and kind not in _QUERIES:
        raise Refusal(164, "READONLY", f"A viewer may only read, and this holds a {kind}")
    if node.get("out_file"):
        raise Refusal(164, "READONLY", "A viewer may not write a file")
    table = node.get("table_function")
    if table and table.get("name") not in _TABLE_FUNCTIONS:
        raise Refusal(
            497, "ACCESS_DENIED", f"A viewer may not read the table function {table.get('name')}"
        )
    name = node.get("func_name") or (
        node.get("name") if kind in ("Function", "Identifier") else None
    )
    if name and name.casefold() in closed:
        raise Refusal(497, "ACCESS_DENIED", f"A viewer may not call {name}")
    parts = node.get("name_parts") or []
    if len(parts) > 1 and parts[0] == "system" and parts[1] not in SYSTEM:
        raise Refusal(497, "ACCESS_DENIED", f"A viewer may not read system.{parts[1]}")
    if kind == "QueryParameter" and node.get("param_type") == "Identifier":
        raise Refusal(497, "ACCESS_DENIED", "A viewer's parameters are values, not names")
    if kind == "SetQuery":
        _check_settings(node)


def _check_settings(node: dict[str, Any]) -> None:
    others = {key for key, value in node.items() if value and key not in ("type", "changes")}
    names = {change.get("name") for change in node.get("changes", [])}
    for name in sorted(str(one) for one in names - SETTINGS):
        raise Refusal(452, "SETTING_CONSTRAINT_VIOLATION", f"A viewer may not set {name}")
    if others:
        raise Refusal(
            452, "SETTING_CONSTRAINT_VIOLATION", f"A viewer may not set {', '.join(sorted(others))}"
        )
