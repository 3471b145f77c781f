"""What an import must remember and what must not grow with the file: on disk, by SQLite.

Events sorted by lead and time, the ids that were given, and rows of joined files by their key. The
database is a temporary file of one import; nothing of it outlives that.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Self

from .language import MappingError

_CACHE_KIB = 32_768
_BATCH = 2_000
_NO_ROOM = (
    "the import's temporary files can't be written: "
    "free some space, or name another folder by TMPDIR"
)
SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = FILE;
CREATE TABLE events (lead TEXT, at INTEGER, body BLOB);
CREATE TABLE leads (id INTEGER PRIMARY KEY);
CREATE TABLE given (id INTEGER PRIMARY KEY, content INTEGER, place TEXT);
CREATE TABLE joined (
  place TEXT, key TEXT, line INTEGER, cells TEXT, PRIMARY KEY (place, key)
) WITHOUT ROWID;
"""


def _digest(text: bytes) -> int:
    return int.from_bytes(blake2b(text, digest_size=8).digest(), signed=True)


class Spool:
    """One import's memory on disk. Use it in a `with`."""

    def __enter__(self) -> Self:
        """Begin.

        Raises:
            MappingError: there is no room for temporary files.

        """
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="leadstream-import-")
            self._db = sqlite3.connect(Path(self._folder.name) / "spool", isolation_level=None)
            self._db.executescript(f"PRAGMA cache_size = -{_CACHE_KIB};{SCHEMA}BEGIN")
        except (sqlite3.Error, OSError) as error:
            raise MappingError(_NO_ROOM) from error
        self._waiting: list[tuple[str, int, bytes]] = []
        self._leads: set[int] = set()
        self._joined = lru_cache(maxsize=10_000)(self._join)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove everything; a full disk gets its own error."""
        self._db.close()
        self._folder.cleanup()
        if isinstance(error, sqlite3.Error):
            raise MappingError(_NO_ROOM) from error

    def given(self, name: str, content: bytes, place: str) -> str | None:
        """Note an id. Return None if it is new, "" if its content is known, else where it was."""
        key, what = _digest(name.encode()), _digest(content)
        added = self._db.execute("INSERT OR IGNORE INTO given VALUES (?, ?, ?)", (key, what, place))
        if added.rowcount:
            return None
        found = self._db.execute("SELECT content, place FROM given WHERE id = ?", (key,)).fetchone()
        return "" if found[0] == what else str(found[1])

    def name_lead(self, alias: str) -> None:
        """Note whom an event happened to."""
        self._leads.add(_digest(alias.encode()))
        if len(self._leads) >= _BATCH:
            self._note_leads()

    def _note_leads(self) -> None:
        rows = [(one,) for one in sorted(self._leads)]
        self._db.executemany("INSERT OR IGNORE INTO leads VALUES (?)", rows)
        self._leads.clear()

    def leads(self) -> int:
        """Return how many different leads were named."""
        self._note_leads()
        return int(self._db.execute("SELECT count(*) FROM leads").fetchone()[0])

    def forget(self, names: list[str]) -> None:
        """Take back ids: the row that gave them is refused."""
        self._db.executemany(
            "DELETE FROM given WHERE id = ?", [(_digest(name.encode()),) for name in names]
        )

    def add(self, lead: str, at: int, body: bytes) -> None:
        """Keep an event until `in_order`."""
        self._waiting.append((lead, at, body))
        if len(self._waiting) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        self._db.executemany("INSERT INTO events VALUES (?, ?, ?)", self._waiting)
        self._waiting.clear()

    def in_order(self) -> Iterator[tuple[str, bytes]]:
        """Yield whom an event happened to, and the event, by both; equals stay as they came."""
        self._flush()
        yield from self._db.execute("SELECT lead, body FROM events ORDER BY lead, at, rowid")

    def join(self, place: str, key: str, line: int, cells: dict[str, str]) -> int:
        """Keep a joined file's row. Return 0, or the line of the row that has the key already."""
        row = (place, key, line, json.dumps(cells))
        if self._db.execute("INSERT OR IGNORE INTO joined VALUES (?, ?, ?, ?)", row).rowcount:
            return 0
        found = self._db.execute(
            "SELECT line FROM joined WHERE place = ? AND key = ?", (place, key)
        )
        return int(found.fetchone()[0])

    def joined(self, place: str, key: str) -> dict[str, str] | None:
        """Return the row of a joined file, or None."""
        return self._joined(place, key)

    def _join(self, place: str, key: str) -> dict[str, str] | None:
        found = self._db.execute(
            "SELECT cells FROM joined WHERE place = ? AND key = ?", (place, key)
        ).fetchone()
        cells: dict[str, str] | None = json.loads(found[0]) if found else None
        return cells
