"""Writes batches to ClickHouse: one insert a table, repeated until the server has the rows.

While the server is away, full or overloaded, nothing is lost and nothing goes on: `write` blocks.
Rows that the server never takes are found by halving their batch, and returned to be kept
elsewhere. A schema that is not ours stops the sink, since no row is to blame (errors.py).
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import stamina

from streams import metrics
from streams.connections import clickhouse_client

from . import errors, generations, rollup
from .batch import Batch
from .errors import Kind, Refused
from .rows import ORDER, columns_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.settings import Settings

log = logging.getLogger("leadstream.sink")
_SETTINGS = {"async_insert": 0, "max_partitions_per_insert_block": 10_000}
ROLLUP_SECONDS = 5.0
ROLLUP_SHARE = 10  # at most a tenth of the time: an import touches all days, and each is read again
MARK_SECONDS = 1.0
_COLUMNS = (
    "SELECT name, type FROM system.columns "
    "WHERE database = currentDatabase() AND table = {table:String}"
)


class Written(dict[str, int]):
    """How many rows each table took; and `refused`, the rows that it does not take."""

    def __init__(self) -> None:
        """Start with nothing."""
        super().__init__()
        self.refused: list[Refused] = []


class _Unfit(Exception):  # noqa: N818 - caught where it is raised
    """An insert failed for what stands in its rows."""


def insert(client: Any, table: str, rows: Sequence[list[Any]]) -> None:
    """Write rows of one of the sink's tables; the server has them when this returns.

    Their columns are those of `rows.columns_of`.
    """
    names, types = columns_of(table)
    client.insert(
        table,
        list(zip(*rows, strict=True)),
        column_names=names,
        column_type_names=types,
        column_oriented=True,
        settings=_SETTINGS,
    )


class Writer:
    """Writes the sink's batches: facts, then states, then the archive; and the daily rollup."""

    def __init__(self, settings: Settings) -> None:
        """Connect lazily: a server that is not up yet is waited for by `write`."""
        self._settings = settings
        self._client: Any = None
        self._roll_at = self._marked = 0.0
        self._marks: dict[str, dict[tuple[Any, ...], list[Any]]] = {"cuts": {}, "archived": {}}
        # of which facts came since the last rollup; None: not asked for yet
        self._generations: set[int] | None = None

    def write(self, batch: Batch) -> Written:
        """Write all rows; return how many each table took, and those that ClickHouse never takes.

        Blocks while the server is away, full or overloaded. The caller must keep what is refused:
        the offset behind it may be acknowledged.

        Raises:
            SchemaDrift: the tables are not this release's; somebody must migrate.
            DatabaseError: ClickHouse refuses for what every batch would meet (rights, say).

        """
        written = Written()
        batch.newest()
        self._hold_marks(batch)
        if self._generations is None:  # what came before a restart may not have been rolled up
            self._generations = self._retried(
                lambda client: {generations.active(client), *rollup.known(client)}
            )
        self._generations.update(row[0] for row in batch.rows.get("stage_transitions", ()))
        for table in ORDER:
            rows = batch.rows.get(table)
            if rows:
                refused = self.write_table(table, rows)
                written[table] = len(rows) - len(refused)
                written.refused += refused
        if time.monotonic() > self._roll_at:
            self._roll_up(self._generations)
        return written

    def _roll_up(self, touched: set[int]) -> None:
        """Recompute the rollup of generations, and note when to do so next."""
        began = time.monotonic()
        for generation in sorted(touched):
            definition = self._settings.funnel
            self._retried(partial(rollup.recompute, generation=generation, definition=definition))
        touched.clear()
        ended = time.monotonic()
        self._roll_at = ended + max(ROLLUP_SECONDS, ROLLUP_SHARE * (ended - began))

    def _hold_marks(self, batch: Batch) -> None:
        """Keep cuts and archive marks, and add the newest of each partition once a second.

        A mark that comes late promises less than it could, and nothing wrong.
        """
        for table in self._marks:
            for row in batch.rows.pop(table, ()):
                place = tuple(row[:2]) if table == "cuts" else (row[0],)
                self._marks[table][place] = row
        if time.monotonic() - self._marked >= MARK_SECONDS:
            self._marked = time.monotonic()
            for table, marks in self._marks.items():
                batch.rows[table] = list(marks.values())
                marks.clear()

    def write_table(self, table: str, rows: list[list[Any]]) -> list[Refused]:
        """Write a table's rows; return those that it does not take, found by halving.

        A row that is sent twice is one row.
        """
        try:
            self._retried(lambda client: self._attempt(client, table, rows))
        except _Unfit as unfit:
            error = unfit.__cause__ or unfit
            self._retried(lambda client: _hold_schema(client, table, error))
            return self._halved(table, rows, error)
        return []

    def _halved(self, table: str, rows: list[list[Any]], error: BaseException) -> list[Refused]:
        """Write what can be written of rows that failed together; return the rest."""
        if len(rows) == 1:
            reason = f"ClickHouse does not take a row of {table}: {errors.name_of(error)}"
            metrics.REFUSED.labels(table).inc()
            log.error("%s; the row is set aside", reason)
            return [Refused(table, rows[0], reason)]
        refused = []
        for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
            try:
                self._retried(lambda client, half=half: self._attempt(client, table, half))  # type: ignore[misc]
            except _Unfit as unfit:
                refused += self._halved(table, half, unfit.__cause__ or unfit)
        return refused

    @staticmethod
    def _attempt(client: Any, table: str, rows: list[list[Any]]) -> None:
        try:
            insert(client, table, rows)
        except Exception as error:
            if errors.kind_of(error) is Kind.ROWS:
                raise _Unfit from error
            raise

    def _open(self) -> Any:
        if self._client is None:
            self._client = clickhouse_client(self._settings)
        return self._client

    def _retried(self, use: Callable[[Any], Any]) -> Any:
        """Return what `use` makes of the client; repeat it while the server's fault may pass."""
        retrying = stamina.RetryingCaller(attempts=None, timeout=None, wait_max=5.0)
        return retrying(_passes, self._used, use)

    def _used(self, use: Callable[[Any], Any]) -> Any:
        """Return what `use` makes of the client, which is opened anew after an error of it.

        Raises:
            SchemaDrift: the tables are not this release's.

        """
        try:
            return use(self._open())
        except _Unfit:
            raise
        except Exception as error:
            self._client = None
            if errors.kind_of(error) is Kind.SCHEMA:
                raise errors.drift(error) from error
            raise


def _passes(error: Exception) -> bool:
    """Return whether an error is transient; log and count it, so that whoever waits sees why."""
    if errors.kind_of(error) is not Kind.TRANSIENT:
        return False
    name = errors.name_of(error)
    metrics.SINK_RETRIES.labels(name).inc()
    text = str(error)[:300]
    log.warning("ClickHouse does not take rows now (%s); they are sent again: %s", name, text)
    return True


def _hold_schema(client: Any, table: str, error: BaseException) -> None:
    """Check that a table's columns are ours.

    Raises:
        SchemaDrift: they are not, so no row is to blame.

    """
    found = dict(client.query(_COLUMNS, parameters={"table": table}).result_rows)
    if any(found.get(name) != kind for name, kind in zip(*columns_of(table), strict=True)):
        raise errors.drift(error) from error
