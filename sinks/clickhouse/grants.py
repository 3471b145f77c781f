"""Who may do what in ClickHouse: the one list that the embedded engine and a server's users take.

Three roles. A reader sees the figures: the facts, which hold no personal data, their views, and
what people state beside events. It sees neither the archive of contents (`touches`), nor aliases,
nor revisions, nor why a dead letter could not be read, since that may quote what came in. A teller,
the live page of a server, sees beside them what a lead's story is made of: its events, revisions
and aliases. A writer owns the tables of one database and the scratch databases of `preview`, and
nothing beside them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .rows import TABLES

READER, TELLER, WRITER = "leadstream_reading", "leadstream_telling", "leadstream_writing"
STORIES = ("touches", "fact_revisions", "aliases")  # what `explain` and a search ask

# What figures are made of, beside the facts and their views.
STATED = ("spend", "targets", "rates", "surveys")
SHOWN = (
    "active_generation",
    "generation_log",
    "funnel_daily",
    "lead_state",
    "breaches",
    "arrivals",
    "cuts",
    "holes",
    "definitions",  # what the firm agreed on: it names nobody
)
# Of the rest it is a figure how much there is, where and when; what stands in it is not.
COLUMNS = {
    "dead_letters": ("id", "topic", "worker", "received_at"),
    "touches": ("kind", "copied", "source_partition", "source_offset"),
}
# What clients ask when they connect (clickhouse-connect, Grafana's plugin), and what SELECT 1
# reads.
SYSTEM = ("one", "settings", "databases", "tables", "columns", "functions")
# What migrations, verify, preview and dropping a generation ask beside these.
SYSTEM_OF_WRITER = (*SYSTEM, "parts", "mutations", "processes")

SECONDS = 60  # of a reader's query that asks for no other limit
# A reader may ask for so many. Grafana's plugin waits 60 s when nobody says, and its client,
# clickhouse-go, asks for 5 s more than it waits.
MOST_SECONDS = 65

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Grant(NamedTuple):
    """Privileges on an object, as ClickHouse writes them between GRANT and TO."""

    privileges: str
    on: str

    def __str__(self) -> str:
        """Return it in SQL."""
        return f"{self.privileges} ON {self.on}"


def checked(name: str) -> str:
    """Return a database's name, which may stand in SQL as it is.

    Raises:
        ValueError: it is no plain word.

    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} can't name a database: use letters, digits and underscores")
    return name


def readable() -> list[str]:
    """Return the tables and views that a reader sees in full."""
    facts = [table for table, _ in TABLES.values()]
    others = ("lead_state", "funnel_daily", "stages", "past_due", "funnel_terms")
    views = [f"v_{table}" for table in (*facts, *others)]
    return [*facts, *views, *SHOWN, *STATED]


def of_reader(database: str) -> list[Grant]:
    """Return what may be read, and nothing else."""
    checked(database)
    return [
        *(Grant("SELECT", f"{database}.{table}") for table in readable()),
        *(
            Grant(f"SELECT({', '.join(names)})", f"{database}.{table}")
            for table, names in COLUMNS.items()
        ),
        *(Grant("SELECT", f"system.{table}") for table in SYSTEM),
    ]


def of_teller(database: str) -> list[Grant]:
    """Return what the live page reads: figures, and the stories of leads."""
    return [
        *of_reader(database),
        *(Grant("SELECT", f"{database}.{table}") for table in STORIES),
    ]


def of_writer(database: str) -> list[Grant]:
    """Return what sink, migrations, page and commands need."""
    checked(database)
    owns = (
        "SELECT, INSERT, ALTER, OPTIMIZE, TRUNCATE, SHOW, "
        "CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW"
    )
    return [
        Grant(owns, f"{database}.*"),
        Grant(f"{owns}, DROP DATABASE", f"{database}_preview_*.*"),
        *(Grant("TABLE ENGINE", engine) for engine in ("MergeTree", "ReplacingMergeTree")),
        *(Grant("SELECT", f"system.{table}") for table in SYSTEM_OF_WRITER),
    ]
