"""Apply migrations/*.sql in order, each once; refuse a file whose statements changed after it ran.

Comments and the breaks of lines may be put right at any time (clickhouse c9).
"""

from __future__ import annotations

import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from . import errors, generations, terms
from .files import statement
from .rows import added, ddl, renamed

MIGRATIONS = Path(__file__).parent / "migrations"
SchemaDrift = errors.SchemaDrift
# Databases made before the checksum left comments out keep that of the whole file, as it was then.
WHOLE_FILES = {
    "001_core.sql": "729d54270d9eb4a521071a54720a4bd8539fffc5312b5e0f0063d8cf37eeba5d",
    "002_targets.sql": "abc07b0f1200db3d53b23b1d6f5e5a9e4e4e6186810e04b6636aeeca3c13283c",
}
_LOG = statement(__file__, "migrate_log")


def statements(text: str) -> list[str]:
    """Return the statements of a file, which semicolons part, without comments."""
    lines = [line for line in text.splitlines() if not line.strip().startswith("--")]
    return [part.strip() for part in "\n".join(lines).split(";") if part.strip()]


def apply(client: Any, database: str, funnel: str, generation: int = 1) -> list[str]:
    """Bring the database up to date; return the names of the files that ran now.

    A new database shows `generation`, of the funnel of this name.

    Raises:
        SchemaDrift: a file's statements changed after it was applied.

    """
    client.command(f"CREATE DATABASE IF NOT EXISTS {database}")
    client.command(_LOG)
    known = dict(client.query("SELECT name, checksum FROM schema_migrations FINAL").result_rows)
    ran = []
    for path in sorted(MIGRATIONS.glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        words = ";".join(" ".join(statement.split()) for statement in statements(text))
        checksum = sha256(words.encode()).hexdigest()
        if path.name in known:
            if known[path.name] not in (checksum, WHOLE_FILES.get(path.name)):
                raise SchemaDrift(
                    f"{path.name} was changed after it was applied: "
                    "put it back and write a new migration"
                )
            continue
        for one in statements(text):
            client.command(one)
        client.insert(
            "schema_migrations",
            [[path.name, checksum, int(time.time() * 1000)]],
            column_names=["name", "checksum", "applied_at"],
            column_type_names=["String", "String", "DateTime64(3, 'UTC')"],
        )
        ran.append(path.name)
    for one in renamed(_columns(client)):
        client.command(one)
    for one in (*added(_columns(client)), *ddl()):
        client.command(one)
    terms.fill(client)
    shown = client.query("SELECT count() FROM active_generation WHERE dataset = 'live'")
    if not shown.first_row[0]:
        generations.switch(client, generation, funnel, "first")
    return ran


def _columns(client: Any) -> dict[str, set[str]]:
    found = client.query(
        "SELECT table, groupArray(name) FROM system.columns "
        "WHERE database = currentDatabase() GROUP BY table"
    )
    return {table: set(names) for table, names in found.result_rows}
