"""Writes batches to ClickHouse: each table's rows in one Native insert, tried again until the server has them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import stamina
from clickhouse_connect.driver.exceptions import OperationalError

from streams.connections import clickhouse_client as connect

from . import generations, rollup
from .batch import Batch
from .rows import ORDER, columns_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.settings import Settings

_SETTINGS = {"async_insert": 0, "max_partitions_per_insert_block": 10_000}
ROLLUP_SECONDS = 5.0
ROLLUP_SHARE = 10  # of the time at most a tenth: an import touches every day, so each recompute reads all of them
MARK_SECONDS = 1.0


def insert(client: Any, table: str, rows: Sequence[list[Any]]) -> None:
    """Write rows of one of the sink's tables, columns as `rows.columns_of` has them; the server has them when this returns."""
    names, types = columns_of(table)
    client.insert(table, rows, column_names=names, column_type_names=types, settings=_SETTINGS)


def away(error: Exception) -> bool:
    """Say whether the server is away (wait) or has refused (somebody must act)."""
    return isinstance(error, (OSError, OperationalError)) and "Code: " not in str(error)


class Writer:
    """The sink's hand: facts, then state, then the archive; and now and then the daily rollup."""

    def __init__(self, settings: Settings) -> None:
        """Connect lazily: a server that is not up yet is waited for by `write`."""
        self._settings = settings
        self._client: Any = None
        self._roll_at = self._marked = 0.0
        self._marks: dict[str, dict[tuple[Any, ...], list[Any]]] = {"cuts": {}, "archived": {}}
        self._generations: set[int] | None = None  # of which facts came since the last rollup; None: not asked for yet

    @classmethod
    def connect(cls, settings: Settings) -> Writer:
        """Make a writer for these settings."""
        return cls(settings)

    def write(self, batch: Batch) -> dict[str, int]:
        """Write all rows; give how many went to each table. Blocks while the server is away."""
        written = {}
        self._hold_marks(batch)
        if self._generations is None:  # what came before a restart may not have been rolled up
            self._generations = self._retried(lambda client: {generations.active(client), *rollup.known(client)})
        self._generations.update(row[0] for row in batch.rows.get("stage_transitions", ()))
        for table in ORDER:
            rows = batch.rows.get(table)
            if rows:
                self._insert(table, rows)
                written[table] = len(rows)
        if time.monotonic() > self._roll_at:
            began = time.monotonic()
            for generation in sorted(self._generations):
                self._retried(lambda client, one=generation: rollup.recompute(client, one, self._settings.funnel))  # type: ignore[misc]
            self._generations.clear()
            ended = time.monotonic()
            self._roll_at = ended + max(ROLLUP_SECONDS, ROLLUP_SHARE * (ended - began))
        return written

    def _hold_marks(self, batch: Batch) -> None:
        """Write cuts and archive marks once a second, the newest of each partition: a mark that comes late promises less."""
        for table in self._marks:
            for row in batch.rows.pop(table, ()):
                place = tuple(row[:2]) if table == "cuts" else (row[0],)
                self._marks[table][place] = row
        if time.monotonic() - self._marked >= MARK_SECONDS:
            self._marked = time.monotonic()
            for table, marks in self._marks.items():
                batch.rows[table] = list(marks.values())
                marks.clear()

    def _open(self) -> Any:
        if self._client is None:
            for attempt in stamina.retry_context(on=away, timeout=None, attempts=None, wait_max=5.0):
                with attempt:
                    self._client = connect(self._settings)
        return self._client

    def _insert(self, table: str, rows: list[list[Any]]) -> None:
        self._retried(lambda client: insert(client, table, rows))

    def _retried(self, turn: Callable[[Any], Any]) -> Any:
        """Do something with the client; again while the server is away."""
        for attempt in stamina.retry_context(on=away, timeout=None, attempts=None, wait_max=5.0):
            with attempt:
                client = self._open()
                try:
                    return turn(client)
                except Exception:
                    self._client = None
                    raise
        raise AssertionError("stamina raises what the last attempt raised")
