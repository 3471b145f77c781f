"""chDB on one folder: its configuration, its lanes, and what each user's statement goes through."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from sinks.clickhouse.grants import MOST_SECONDS, SECONDS, checked

from . import access, gate, native
from .lanes import Connection, Lane
from .refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

VIEWER = "viewer"
_READ = re.compile(r"\s*(SELECT|WITH|SHOW|DESCRIBE|DESC|EXISTS|EXPLAIN|CHECK)\b", re.IGNORECASE)
_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_FILES = re.compile(r"\b(INFILE|OUTFILE)\b", re.IGNORECASE)
# What would change a connection for those who come after; without a session it has no effect on a
# server either.
_SESSION = re.compile(r"(SET|USE|EXECUTE AS|BEGIN|COMMIT|ROLLBACK)\b")
# An insert whose rows follow: everything up to FORMAT and its line's end is the statement, the
# rest is data.
_INSERT = re.compile(
    rb"\s*(INSERT\s+INTO\s[^\x00]*?)\bFORMAT\s+(\w+)\s*?(?:\r?\n|;)", re.IGNORECASE
)
_FUNCTIONS = "SELECT name, categories, alias_to FROM system.functions FORMAT JSONCompactEachRow"


class Asked(NamedTuple):
    """A request, as the wire read it.

    `seconds` is its max_execution_time, None for none; `version` the protocol's version that its
    client reads Native of, 0 for the format's first form.
    """

    sql: str
    body: bytes
    parameters: dict[str, str]
    settings: dict[str, str]
    database: str
    output: str
    seconds: float | None
    version: int


class Answer(NamedTuple):
    """What a statement gave, and in which format."""

    content: bytes
    format: str


class Engine:
    """chDB on one folder. A connection serves one thread, so each has its own."""

    def __init__(self, folder: Path, database: str, owners: int = 6, viewers: int = 4) -> None:
        """Open or make the folder; so many connections serve reads of `default` and of viewers."""
        import chdb  # noqa: PLC0415 - it opens an engine when it is imported; `serve` chooses where

        self._chdb = chdb
        self._address = f"{folder}?config-file={access.write(folder / 'access', database)}"
        self._database = checked(database)
        first = self.connect()
        first.query(f"CREATE DATABASE IF NOT EXISTS {database}")
        rows = [
            orjson.loads(line)
            for line in bytes(first.query(_FUNCTIONS, "JSONCompactEachRow").bytes()).splitlines()
        ]
        self.closed = gate.closed_functions(iter(rows))
        self._first = first  # the engine ends with its last connection
        owner, viewer = access.opening_of_owner(), access.opening_of_viewer()
        self._system = Lane(self, "system", 1, 1_000, 60, (f"SET ROLE {access.ENGINE}",))
        self._reads = Lane(self, "reads", owners, 64, 30, owner)
        self._writes = Lane(self, "writes", 4, 256, 60, owner)
        self._viewers = Lane(self, "viewers", viewers, 16, 10, viewer)
        self._ending: set[asyncio.Task[None]] = set()

    def connect(self) -> Any:
        """Open a connection, which has every right until it takes a role."""
        return self._chdb.connect(self._address)

    def close(self) -> None:
        """End what runs: the process ends only when its threads do."""
        self._first.query("KILL QUERY WHERE query_id != queryID() ASYNC")

    def later(self, ending: Coroutine[Any, Any, None]) -> None:
        """Let something end beside the requests."""
        task = asyncio.get_running_loop().create_task(ending)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def kill(self, mark: str) -> None:
        """Kill what a connection runs."""
        await self._system.run(
            lambda connection: connection.parse(
                f"KILL QUERY WHERE Settings['log_comment'] = '{mark}' ASYNC", {}
            )
        )

    # ---------------------------------------------------------------- viewers
    async def view(self, asked: Asked) -> Answer:
        """Run a viewer's statement.

        Raises:
            Refusal: it is not one that reads figures.

        """
        if asked.database not in ("", self._database):
            raise Refusal(
                497, "ACCESS_DENIED", f"A viewer may not use the database {asked.database}"
            )
        for name in sorted(set(asked.settings) - gate.SETTINGS):
            raise Refusal(452, "SETTING_CONSTRAINT_VIOLATION", f"A viewer may not set {name}")
        if asked.seconds is not None and asked.seconds > MOST_SECONDS:
            text = f"Setting max_execution_time shouldn't be greater than {MOST_SECONDS}"
            raise Refusal(452, "SETTING_CONSTRAINT_VIOLATION", text)
        seconds = asked.seconds or SECONDS
        text = asked.sql + (" " if asked.sql and asked.body else "") + _text(asked.body)
        settings = {**asked.settings, "max_execution_time": f"{seconds:g}"}

        def work(connection: Connection) -> Answer:
            statement = gate.checked(text, self.closed, connection.parse)
            output = statement.format or asked.output
            content = connection.query(
                statement.text, asked.parameters, output, settings, self._database
            )
            return _answer(content, output, asked.version)

        # The engine's own limit comes first, where it can.
        return await self._viewers.run(work, seconds + 1)

    # ---------------------------------------------------------------- the owner
    async def own(self, asked: Asked) -> Answer:
        """Run a statement of `default`."""
        database = checked(asked.database or self._database)
        settings = dict(asked.settings)
        if asked.seconds:
            settings["max_execution_time"] = f"{asked.seconds:g}"
        limit = asked.seconds + 1 if asked.seconds else None
        whole = asked.sql.encode() + b"\n" + asked.body if asked.sql else asked.body
        insert = _INSERT.match(whole)
        if insert and len(whole) > insert.end():
            head, form, data = _text(insert[1]), _text(insert[2]), whole[insert.end() :]
            if _FILES.search(head):
                raise Refusal(48, "NOT_IMPLEMENTED", "A file can't be read over HTTP")
            await self._writes.run(
                lambda connection: connection.insert(head, form, data, settings, database), limit
            )
            return Answer(b"", form)
        text = asked.sql + (" " if asked.sql and asked.body else "") + _text(asked.body)
        found = _FORMAT.search(text)
        output = found[1] if found else asked.output
        read = bool(_READ.match(text))

        def work(connection: Connection) -> Answer:
            if (not read or ";" in text or _FILES.search(text)) and not _alone(text, connection):
                return Answer(b"", output)
            content = connection.query(text, asked.parameters, output, settings, database)
            return _answer(content, output, asked.version)

        return await (self._reads if read else self._writes).run(work, limit)


def _answer(content: bytes, output: str, version: int) -> Answer:
    """Return an answer of the engine as a client of this protocol version reads it."""
    if version >= native.SINCE and output.casefold() == "native":
        content = native.restated(content)
    return Answer(content, output)


def _alone(text: str, connection: Connection) -> bool:
    """Return whether a statement of the owner is one, and not one that is without effect here.

    Raises:
        Refusal: it would read or write a file.
        RuntimeError: these are several, or none.

    """
    row = orjson.loads(
        connection.parse(
            "SELECT formatQuerySingleLine({q:String}) AS text FORMAT JSONEachRow",
            {"q": gate.escaped(text)},
        )
    )
    canonical = str(row["text"])
    if _FILES.search(canonical) and _FILES.search(re.sub(r"'(?:[^'\\]|\\.)*'", "''", canonical)):
        raise Refusal(48, "NOT_IMPLEMENTED", "INTO OUTFILE and FROM INFILE can't be used over HTTP")
    return not _SESSION.match(canonical)


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Refusal(62, "SYNTAX_ERROR", "The statement is no UTF-8 text") from None
