"""What an error of ClickHouse means to the sink: wait, stop, or look for the row it refuses.

A transient error says nothing about the rows: they are sent again until the server takes them. A
schema that differs from ours is no row's fault either, and no waiting mends it: somebody must
migrate. What is left is judged by what the code says: where it is about values, rows are tried in
ever smaller batches, so that one that nobody can store does not stop the others. Any other code
(rights, syntax) stops the sink, since every batch would meet it.
"""

from __future__ import annotations

import re
import struct
from enum import Enum
from typing import Any, NamedTuple

from clickhouse_connect.driver.exceptions import (
    DatabaseError,
    DataError,
    OperationalError,
    ProgrammingError,
)

from schemas.errors import LeadstreamError

# By number and name of ClickHouse's ErrorCodes; a test holds them against the engine.
TRANSIENT = {
    74: "CANNOT_READ_FROM_FILE_DESCRIPTOR", 75: "CANNOT_WRITE_TO_FILE_DESCRIPTOR",
    76: "CANNOT_OPEN_FILE", 159: "TIMEOUT_EXCEEDED", 160: "TOO_SLOW",
    173: "CANNOT_ALLOCATE_MEMORY", 201: "QUOTA_EXCEEDED", 202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    203: "NO_FREE_CONNECTION", 209: "SOCKET_TIMEOUT", 210: "NETWORK_ERROR", 225: "NO_ZOOKEEPER",
    236: "ABORTED", 241: "MEMORY_LIMIT_EXCEEDED", 242: "TABLE_IS_READ_ONLY",
    243: "NOT_ENOUGH_SPACE", 244: "UNEXPECTED_ZOOKEEPER_ERROR", 252: "TOO_MANY_PARTS",
    254: "NO_ACTIVE_REPLICAS", 279: "ALL_CONNECTION_TRIES_FAILED", 285: "TOO_FEW_LIVE_REPLICAS",
    286: "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE", 289: "REPLICA_IS_NOT_IN_QUORUM",
    290: "LIMIT_EXCEEDED", 319: "UNKNOWN_STATUS_OF_INSERT", 373: "SESSION_IS_LOCKED",
    394: "QUERY_WAS_CANCELLED", 425: "SYSTEM_ERROR", 439: "CANNOT_SCHEDULE_TASK",
    473: "DEADLOCK_AVOIDED", 499: "S3_ERROR", 745: "SERVER_OVERLOADED", 999: "KEEPER_EXCEPTION",
    1000: "POCO_EXCEPTION",
}  # fmt: skip
SCHEMA = {
    8: "THERE_IS_NO_COLUMN", 10: "NOT_FOUND_COLUMN_IN_BLOCK", 16: "NO_SUCH_COLUMN_IN_TABLE",
    20: "NUMBER_OF_COLUMNS_DOESNT_MATCH", 47: "UNKNOWN_IDENTIFIER", 60: "UNKNOWN_TABLE",
    81: "UNKNOWN_DATABASE", 218: "TABLE_IS_DROPPED",
}  # fmt: skip
VALUES = {
    6: "CANNOT_PARSE_TEXT", 26: "CANNOT_PARSE_QUOTED_STRING",
    27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED", 32: "ATTEMPT_TO_READ_AFTER_EOF",
    33: "CANNOT_READ_ALL_DATA", 38: "CANNOT_PARSE_DATE", 41: "CANNOT_PARSE_DATETIME",
    53: "TYPE_MISMATCH", 69: "ARGUMENT_OUT_OF_BOUND", 70: "CANNOT_CONVERT_TYPE",
    72: "CANNOT_PARSE_NUMBER", 117: "INCORRECT_DATA", 128: "TOO_LARGE_ARRAY_SIZE",
    131: "TOO_LARGE_STRING_SIZE", 307: "TOO_MANY_BYTES",
    321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE", 349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    376: "CANNOT_PARSE_UUID", 407: "DECIMAL_OVERFLOW", 469: "VIOLATED_CONSTRAINT",
}  # fmt: skip
# The same code says that a table has too many parts (wait) and that a batch spans too many
# partitions (split it).
_TOO_WIDE = "Too many partitions for single INSERT block"
# What clickhouse-connect raises where a value does not fit its column, before anything is sent.
_UNFIT = (
    DataError,
    ProgrammingError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    struct.error,
)
_CODE = re.compile(r"[Cc]ode: (\d+)")
_PASSING_STATUS = re.compile(r"HTTP status (429|5\d\d)")  # of a proxy: ClickHouse adds its code


class Kind(Enum):
    """Whose fault an error is."""

    TRANSIENT = "transient"
    SCHEMA = "schema"
    ROWS = "rows"
    OTHER = "other"


class SchemaDrift(LeadstreamError):  # noqa: N818 - somebody must act: the database and the files disagree
    """The database's tables are not those of this release."""


class Refused(NamedTuple):
    """A row that ClickHouse does not take, and why; the reason quotes no value."""

    table: str
    row: list[Any]
    reason: str


def code_of(error: BaseException) -> int | None:
    """Return ClickHouse's code of an error, None where it has none."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return code
    found = _CODE.search(str(error)) if isinstance(error, DatabaseError) else None
    return int(found[1]) if found else None


def name_of(error: BaseException) -> str:
    """Return the name of an error's code, else of its class: its text may quote values."""
    code = code_of(error)
    known = {**TRANSIENT, **SCHEMA, **VALUES}
    return type(error).__name__ if code is None else known.get(code, f"code {code}")


def kind_of(error: BaseException) -> Kind:
    """Return whose fault an error is."""
    code = code_of(error)
    if code is not None:
        if code in VALUES or _TOO_WIDE in str(error):
            return Kind.ROWS
        if code in TRANSIENT:
            return Kind.TRANSIENT
        return Kind.SCHEMA if code in SCHEMA else Kind.OTHER
    if isinstance(error, (OSError, OperationalError)) or _PASSING_STATUS.search(str(error)):
        return Kind.TRANSIENT
    return Kind.ROWS if isinstance(error, _UNFIT) else Kind.OTHER


def drift(error: BaseException) -> SchemaDrift:
    """Return the error that names what somebody must do about a schema that is not ours."""
    return SchemaDrift(
        f"ClickHouse's tables are not those of this release ({name_of(error)}): "
        "run `leadstream migrate`, then start deliver again"
    )
