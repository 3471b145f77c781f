"""Connections to the engine, in lanes: who waits for whom, and what ends an abandoned query.

A lane has so many connections and lets so many requests wait. Viewers, the owner's reads and the
owner's writes have one each, so that no flood of the one keeps the others waiting. A connection
serves one thread and one statement at a time; its mark (`log_comment`, which no request may set)
finds what it runs among the engine's processes, to kill it.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from .refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from .engine import Engine

log = logging.getLogger("leadstream.clickhouse")
# Between two attempts to kill a query that goes on: it may not be among the processes yet.
KILL_SECONDS = 0.2
T = TypeVar("T")


class Connection:
    """One connection of the engine with the thread that serves it, opened when first needed."""

    def __init__(self, engine: Engine, mark: str, opening: tuple[str, ...]) -> None:
        """Take the statements that it runs before any other (`opening`)."""
        self.mark = mark
        self._engine, self._opening = engine, opening
        self._connection: Any = None
        self._database, self._settings = "", dict[str, str]()
        self.thread = ThreadPoolExecutor(1, thread_name_prefix=mark)

    def _open(self) -> Any:
        if self._connection is None:
            connection = self._engine.connect()
            for statement in (f"SET log_comment = '{self.mark}'", *self._opening):
                connection.query(statement)
            self._connection, self._database, self._settings = connection, "", {}
        return self._connection

    def _prepare(self, database: str, settings: dict[str, str]) -> Any:
        """Return the connection, on a database and with these settings and no others."""
        connection = self._open()
        try:
            if database != self._database:
                connection.query(f"USE `{database}`")
                self._database = database
            if settings != self._settings:
                wanted = dict.fromkeys(self._settings, "DEFAULT") | {
                    n: _quoted(v) for n, v in settings.items()
                }
                connection.query(
                    "SET " + ", ".join(f"{name} = {value}" for name, value in wanted.items())
                )
                self._settings = dict(settings)
        except Exception:
            self._drop()  # some may have been set
            raise
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def parse(self, statement: str, parameters: dict[str, str]) -> bytes:
        """Run a statement of ours on what a request says, under the same rights."""
        return bytes(self._open().query(statement, "JSONEachRow", params=parameters).bytes())

    def query(
        self,
        sql: str,
        parameters: dict[str, str],
        output: str,
        settings: dict[str, str],
        database: str,
    ) -> bytes:
        """Run one statement; return its output in the asked format."""
        return bytes(
            self._prepare(database, settings).query(sql, output, params=parameters).bytes()
        )

    def insert(
        self, statement: str, form: str, data: bytes, settings: dict[str, str], database: str
    ) -> None:
        """Insert rows that came in the body, in a format."""
        connection = self._prepare(database, settings)
        with connection.send_insert(statement, form) as inserter:
            inserter.append(data)
            inserter.finish()


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Lane:
    """Connections for one kind of requests."""

    def __init__(
        self,
        engine: Engine,
        name: str,
        connections: int,
        waiting: int,
        patience: float,
        opening: tuple[str, ...],
    ) -> None:
        """Up to `waiting` requests wait, for at most `patience` seconds each."""
        self._engine, self._name, self._most, self._patience = engine, name, waiting, patience
        self._waiting = 0
        self._free: asyncio.Queue[Connection] = asyncio.Queue()
        for number in range(connections):
            self._free.put_nowait(Connection(engine, f"{name}-{number}", opening))
        self._size = connections

    async def run(self, work: Callable[[Connection], T], seconds: float | None = None) -> T:
        """Run something on a free connection; kill what takes longer, or is cancelled.

        Raises:
            Refusal: too many wait already, or too long.

        """
        connection = await self._take()
        future = asyncio.get_running_loop().run_in_executor(connection.thread, work, connection)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(future)
        except TimeoutError:
            raise Refusal(
                159, "TIMEOUT_EXCEEDED", f"Timeout exceeded: the query was ended after {seconds} s"
            ) from None
        finally:
            if future.done():
                self._free.put_nowait(connection)
            else:
                self._engine.later(self._end(connection, future))

    async def _take(self) -> Connection:
        if self._free.empty() and self._waiting >= self._most:
            raise self._busy()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                return await self._free.get()
        except TimeoutError:
            raise self._busy() from None
        finally:
            self._waiting -= 1

    def _busy(self) -> Refusal:
        text = (
            f"Too many simultaneous queries: {self._size} run in the lane {self._name} "
            f"and {self._waiting} wait. Try again"
        )
        return Refusal(202, "TOO_MANY_SIMULTANEOUS_QUERIES", text)

    async def _end(self, connection: Connection, future: asyncio.Future[Any]) -> None:
        """Kill what a connection runs until it has ended; only then it serves the next."""
        while not future.done():
            await self._engine.kill(connection.mark)
            await asyncio.wait({future}, timeout=KILL_SECONDS)
        if not future.cancelled() and (error := future.exception()):
            log.debug("a query that nobody waited for ended: %s", str(error)[:200])
        self._free.put_nowait(connection)
