"""Facts as rows: which table, which columns, which types.

The DDL of the fact tables is made from the same list. Times travel as ms since the epoch:
clickhouse-connect writes an integer into DateTime64(3) as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from schemas.facts import FactKind
from schemas.first_form import HANDOFF

from . import terms

TIME = "DateTime64(3, 'UTC')"
WHEN = f"Nullable({TIME})"
WORD = "LowCardinality(String)"


class Column(NamedTuple):
    """A column, its type, and the key of the fact's content that fills it (empty: its own name)."""

    name: str
    type: str
    key: str = ""


HEAD = (
    Column("generation", "UInt16"),
    Column("lead_id", "UUID"),
    Column("journey", "UInt16"),
    Column("fact_id", "String"),
    Column("event_time", TIME),
    Column("revision", "UInt64"),
    Column("is_deleted", "UInt8"),
)
DIMENSIONS = (Column("source", WORD), Column("channel", WORD), Column("campaign", "String"))
KNOWN = Column("dimensions", "Map(LowCardinality(String), String)")  # by name: those of the funnel
ENTERED = f"Map(String, {TIME})"  # by stage: when a journey entered it first

TABLES: dict[str, tuple[str, tuple[Column, ...]]] = {
    "journey": (
        "journeys",
        (
            Column("lead_origin", WORD),
            *DIMENSIONS,
            KNOWN,
            Column("segment", WORD),
            Column("entered", ENTERED),
            Column("implied", "Array(String)"),
            Column("opening", "UInt8"),
            Column("test", "UInt8"),
            Column("excluded", WORD),
            Column("negative", "UInt8"),
            Column("funnel", WORD),
            Column("version", WORD),
        ),
    ),
    "transition": (
        "stage_transitions",
        (
            Column("from_stage", WORD, "from"),
            Column("to_stage", WORD, "to"),
            Column("why", WORD),
            Column("reason", WORD),
            Column("system", WORD),
            Column("implied", "UInt8"),
            Column("opening", "UInt8"),
            Column("owner_team", WORD),
            KNOWN,
            Column("occurrence", "UInt16"),
            Column("dwell_ms", "Nullable(Int64)"),
            Column("business_ms", "Nullable(Int64)"),
            Column("source", WORD),
            Column("test", "UInt8"),
            Column("excluded", WORD),
            Column("funnel", WORD),
            Column("version", WORD),
        ),
    ),
    "clock": (
        "clocks",
        (
            Column("stage", WORD),
            Column("clock", WORD),
            KNOWN,
            Column("warn_at", TIME),
            Column("due_at", TIME),
            Column("escalate_at", TIME),
            Column("stopped_at", WHEN),
            Column("cancelled_at", WHEN),
            Column("status", WORD),
            Column("hot", "UInt8"),
            Column("restarting", "UInt8"),
            Column("test", "UInt8"),
            Column("funnel", WORD),
            Column("version", WORD),
        ),
    ),
    "handoff": (
        "handoffs",
        (
            Column("stage", WORD),
            *DIMENSIONS,
            KNOWN,
            Column("outcome", WORD),
            Column("decided_at", WHEN),
            Column("reason", WORD),
            Column("hot", "UInt8"),
            Column("assigned_at", WHEN),
            Column("touched_at", WHEN),
            Column("to_assigned_ms", "Nullable(Int64)"),
            Column("to_touch_ms", "Nullable(Int64)"),
            Column("negative", "UInt8"),
            Column("test", "UInt8"),
            Column("funnel", WORD),
            Column("version", WORD),
        ),
    ),
    "decision": (
        "decisions",
        (
            Column("stage", WORD),
            Column("decided_by", WORD, "by"),
            Column("score", "Float64"),
            Column("rules", "String"),
            Column("funnel", WORD),
            Column("version", WORD),
        ),
    ),
    "disagreement": (
        "disagreements",
        (
            Column("stage", WORD),
            Column("gate", "UInt8"),
            Column("reported", "UInt8", "source"),
            Column("system", WORD),
            Column("score", "Float64"),
            Column("rules", "String"),
            Column("moved", "UInt8"),
            Column("funnel", WORD),
            Column("version", WORD),
        ),
    ),
    "note": (
        "notes",
        (
            Column("what", WORD),
            Column("event", WORD),
            Column("stage", WORD),
            Column("current", WORD),
            Column("system", WORD),
            Column("reason", WORD),
        ),
    ),
    "deal": (
        "deals",
        (
            Column("deal", "String"),
            Column("role", WORD),
            Column("status", WORD),
            Column("amount_opened", "Nullable(Decimal(18, 6))"),
            Column("amount", "Nullable(Decimal(18, 6))"),
            Column("currency", WORD),
            Column("margin", "Nullable(Decimal(18, 6))"),
            Column("stage", WORD),
            Column("reason", WORD),
            Column("close_date", "String"),
            Column("closed_at", WHEN),
            KNOWN,
        ),
    ),
    "conflict": ("conflicts", (Column("a", "String"), Column("b", "String"))),
}

STATE = (
    *(
        Column(name, WORD)
        for name in (
            "stage",
            "lead_origin",
            "source",
            "channel",
            "segment",
            "excluded",
            "suppressed",
        )
    ),
    *(Column(name, WORD) for name in ("next_due_clock",)),
    *(
        Column(name, "String")
        for name in ("campaign", "owner", "queue", "manager", "record_url", "account")
    ),
    *(
        Column(name, WHEN)
        for name in (
            "since",
            "opened_at",
            "assigned_at",
            "last_activity_at",
            "last_touch_at",
            "last_human_at",
            "last_outbound_at",
            "next_due_at",
            "timer_at",
        )
    ),
    *(Column(name, "UInt8") for name in ("hot", "test", "opted_out")),
    Column("journey", "UInt16"),
    Column("conflicts", "UInt16"),
    Column("events", "UInt32"),
    Column("score", "Float64"),
    Column("origins", "Array(String)"),
    KNOWN,
)

_EMPTY: dict[str, Any] = {
    "String": "",
    WORD: "",
    "UInt8": 0,
    "UInt16": 0,
    "UInt32": 0,
    "Float64": 0.0,
    "Array(String)": [],
    ENTERED: {},
    KNOWN.type: {},
    TIME: 0,
}

# What a newer column holds in a table's older rows. A journey's stages had a column each.
_FIRST_STAGES = (
    "inquiry",
    "mql",
    "sal",
    "sql",
    "opportunity",
    "customer",
    "lost",
    "recycled",
    "disqualified",
)
OLDER = {
    ("handoffs", "stage"): f"'{HANDOFF}'",  # the one that there was
    ("decisions", "stage"): f"'{HANDOFF}'",
    ("journeys", "entered"): (
        "mapFilter((_, at) -> toUnixTimestamp64Milli(at) != 0, map("
        + ", ".join(
            f"'{stage}', ifNull({stage}_at, toDateTime64(0, 3, 'UTC'))" for stage in _FIRST_STAGES
        )
        + "))"
    ),
}


# A clock's statuses that say it was not stopped in time.
LATE = ("breached", "escalated")

# The generation that people are shown, as SQL: a switch shows in the next query.
ACTIVE = "(SELECT max(generation) FROM active_generation FINAL WHERE dataset = 'live')"


# Columns that had another name, by table.
RENAMED = {"journeys": ("origin", "lead_origin"), "lead_state": ("origin", "lead_origin")}


# What people read for each stage: by the definition in force, of the generation that is shown.
_STAGES = f"""
CREATE OR REPLACE VIEW v_stages AS
SELECT
  named.1 AS stage,
  if(
    JSONExtractString(named.2, 'title') = '', named.1, JSONExtractString(named.2, 'title')
  ) AS title,
  JSONExtractString(named.2, 'role') AS role,
  JSONExtractString(named.2, 'owner') AS team,
  rowNumberInAllBlocks() AS place
FROM (
  SELECT content
  FROM definitions FINAL
  WHERE generation = {ACTIVE} AND effective_from <= now64(3)
  ORDER BY effective_from DESC
  LIMIT 1
)
ARRAY JOIN arrayConcat(
  JSONExtractKeysAndValuesRaw(content, 'ladder'),
  JSONExtractKeysAndValuesRaw(content, 'aside')
) AS named
"""


# Clocks that run past their due time, of the stage and journey that their lead stands in: what
# "past due" means everywhere. A lead is stalled when such a clock restarts with activity. Only what
# was ever late and not stopped is looked at: FINAL over all clocks of a million leads takes twice
# as long.
_PAST_DUE = f"""
CREATE OR REPLACE VIEW v_past_due AS
WITH suspects AS (
  SELECT lead_id, fact_id
  FROM clocks
  WHERE generation = {ACTIVE}
    AND test = 0
    AND stopped_at IS NULL
    AND status IN ('breached', 'escalated')
)
SELECT
  lead_id,
  newest.1 AS journey,
  newest.2 AS stage,
  newest.3 AS clock,
  since,
  newest.4 AS due_at,
  newest.5 AS status,
  newest.6 AS hot,
  newest.7 AS restarting
FROM (
  SELECT
    lead_id,
    event_time AS since,
    argMax(
      (
        journey, stage, clock, due_at, status, hot, restarting, test, stopped_at IS NULL, is_deleted
      ),
      revision
    ) AS newest
  FROM clocks
  WHERE generation = {ACTIVE} AND (lead_id, fact_id) IN (SELECT lead_id, fact_id FROM suspects)
  GROUP BY lead_id, event_time, fact_id
) AS late
INNER JOIN (
  SELECT lead_id, argMax((stage, journey, is_deleted), revision) AS state
  FROM lead_state
  WHERE generation = {ACTIVE} AND lead_id IN (SELECT lead_id FROM suspects)
  GROUP BY lead_id
) AS standing USING (lead_id)
WHERE newest.5 IN ('breached', 'escalated')
  AND newest.8 = 0
  AND newest.9
  AND newest.10 = 0
  AND state.1 = newest.2
  AND state.2 = newest.1
  AND state.3 = 0
"""


def renamed(existing: dict[str, set[str]]) -> list[str]:
    """Return the statements that give older columns their names of today."""
    return [
        f"ALTER TABLE {table} RENAME COLUMN {was} TO {name}"
        for table, (was, name) in RENAMED.items()
        if was in existing.get(table, ()) and name not in existing[table]
    ]


def added(existing: dict[str, set[str]]) -> list[str]:
    """Return the statements that add what an older release's fact tables lack.

    `existing` are the columns of each table, by its name.
    """
    return [
        f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column.name} {column.type}"
        + (f" DEFAULT {OLDER[table, column.name]}" if (table, column.name) in OLDER else "")
        for table, columns in (
            *TABLES.values(),
            ("lead_state", STATE),
            ("definitions", OTHERS["definitions"]),
        )
        for column in columns
        if existing.get(table) and column.name not in existing[table]
    ]


def ddl() -> list[str]:
    """Return the statements that make the fact tables and the views of the active generation.

    event_time stands in the sorting key, so a fact whose time changes is a tombstone under the old
    time and a row under the new one. Partition columns stand in ORDER BY, or FINAL reads every
    partition (since 26.3): 8-14 times.
    """
    statements = []
    for table, columns in TABLES.values():
        fields = ",\n  ".join(f"{column.name} {column.type}" for column in (*HEAD, *columns))
        statements.append(
            f"CREATE TABLE IF NOT EXISTS {table} (\n  {fields},\n"
            "  ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),\n"
            "  INDEX ix_ingested ingested_at TYPE minmax GRANULARITY 1\n"
            ") ENGINE = ReplacingMergeTree(revision, is_deleted)\n"
            "PARTITION BY (generation, toYYYYMM(event_time))\n"
            "ORDER BY (generation, lead_id, event_time, fact_id)\n"
            "SETTINGS min_age_to_force_merge_seconds = 86400, "
            "min_age_to_force_merge_on_partition_only = 1"
        )
    tables = [*(table for table, _ in TABLES.values()), "lead_state"]
    statements += [
        f"CREATE OR REPLACE VIEW v_{table} AS "
        f"SELECT * FROM {table} FINAL WHERE generation = {ACTIVE}"
        for table in tables
    ]
    statements.append(
        "CREATE OR REPLACE VIEW v_funnel_daily AS "
        f"SELECT * FROM funnel_daily FINAL WHERE generation = {ACTIVE} AND n > 0"
    )
    return [*statements, _STAGES, _PAST_DUE, terms.view(ACTIVE)]


def body_of(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return a fact's content with the keys that columns are filled from.

    A gate's rules become text, a journey's stages a map.
    """
    if kind == FactKind.JOURNEY:
        entered = {key.removesuffix("_at"): at for key, at in content.items() if key[-3:] == "_at"}
        return {**content, "entered": entered}
    if "rules" in content:
        return {**content, "rules": orjson.dumps(content["rules"]).decode()}
    return content


def values_of(body: dict[str, Any], columns: tuple[Column, ...]) -> list[Any]:
    """Return the values of columns out of a fact's content."""
    return [
        empty if (value := body.get(key)) is None else made(value) if made else value
        for key, empty, made in _filling(columns)
    ]


@lru_cache
def _filling(
    columns: tuple[Column, ...],
) -> tuple[tuple[str, Any, Callable[[Any], Any] | None], ...]:
    """Return of each column its key, its value where there is none, and what makes it of others."""
    return tuple(
        (
            column.key or column.name,
            None if column.type.startswith("Nullable") else _EMPTY[column.type],
            Decimal if "Decimal" in column.type else int if column.type == "UInt8" else None,
        )
        for column in columns
    )


def columns_of(table: str) -> tuple[list[str], list[str]]:
    """Return names and types of the columns of a table, in the order of `Batch`.

    Without them the client describes the table each time.
    """
    pairs = (
        OTHERS[table]
        if table in OTHERS
        else next((*HEAD, *columns) for name, columns in TABLES.values() if name == table)
    )
    return [column.name for column in pairs], [column.type for column in pairs]


OTHERS: dict[str, tuple[Column, ...]] = {
    "fact_revisions": (
        Column("generation", "UInt16"),
        Column("lead_id", "UUID"),
        Column("fact_id", "String"),
        Column("kind", WORD),
        Column("journey", "UInt16"),
        Column("event_time", TIME),
        Column("revision", "UInt64"),
        Column("is_deleted", "UInt8"),
        Column("content", "String"),
        Column("source_partition", "UInt16"),
        Column("source_offset", "UInt64"),
    ),
    "breaches": (
        Column("generation", "UInt16"),
        Column("lead_id", "UUID"),
        Column("fact_id", "String"),
        Column("stage", WORD),
        Column("due_at", TIME),
        Column("revision", "UInt64"),
    ),
    "lead_state": (
        Column("generation", "UInt16"),
        Column("lead_id", "UUID"),
        Column("revision", "UInt64"),
        Column("is_deleted", "UInt8"),
        *STATE,
    ),
    "touches": (
        Column("lead_id", "UUID"),
        Column("event_id", "String"),
        Column("origin", "String"),
        Column("content_hash", "UInt64"),
        Column("kind", WORD),
        Column("copied", "UInt8"),
        Column("held", "UInt8"),
        Column("content", "String"),
        Column("event_time", TIME),
        Column("received_at", TIME),
        Column("source_partition", "UInt16"),
        Column("source_offset", "UInt64"),
    ),
    "arrivals": (
        Column("source_partition", "UInt16"),
        Column("source_offset", "UInt64"),
        Column("received_at", TIME),
        Column("behind_ms", "Int64"),
    ),
    "dead_letters": (
        Column("id", "String"),
        Column("topic", WORD),
        Column("worker", WORD),
        Column("source", WORD),
        Column("kind", WORD),
        Column("reason", "String"),
        Column("fate", WORD),
        Column("received_at", TIME),
        Column("version", "UInt64"),
    ),
    "cuts": (
        Column("generation", "UInt16"),
        Column("source_partition", "UInt16"),
        Column("next_offset", "UInt64"),
        Column("now", TIME),
    ),
    "archived": (Column("source_partition", "UInt16"), Column("next_offset", "UInt64")),
    "definitions": (
        Column("generation", "UInt16"),
        Column("version", "String"),
        Column("effective_from", TIME),
        Column("digest", "String"),
        Column("content", "String"),
        Column("terms", "String"),
    ),
    "aliases": (
        Column("alias", "String"),
        Column("kind", WORD),
        Column("origin", "String"),
        Column("what", WORD),
    ),
    "holes": (
        Column("generation", "UInt16"),
        Column("worker", WORD),
        Column("topic", WORD),
        Column("partition", "UInt16"),
        Column("first", "UInt64"),
        Column("following", "UInt64"),
        Column("accepted_at", TIME),
    ),
    "spend": (
        Column("day", "Date"),
        Column("platform", WORD),
        Column("account", "String"),
        Column("campaign", "String"),
        Column("breakdown", "String"),
        Column("amount", "Decimal(18, 6)"),
        Column("currency", WORD),
        Column("clicks", "UInt64"),
        Column("impressions", "UInt64"),
        Column("stated_at", "UInt64"),
    ),
    "targets": (
        Column("metric", WORD),
        Column("owner", "String"),
        Column("first_day", "Date"),
        Column("last_day", "Date"),
        Column("scope", "String"),
        Column("target", "Decimal(18, 6)"),
        Column("shared", "UInt8"),
        Column("strategy", WORD),
        Column("stated_at", "UInt64"),
    ),
    "rates": (
        Column("currency", WORD),
        Column("reporting", WORD),
        Column("day", "Date"),
        Column("rate", "Decimal(38, 10)"),
        Column("stated_at", "UInt64"),
    ),
    "surveys": (
        Column("survey", WORD),
        Column("question", WORD),
        Column("respondent", "String"),
        Column("team", WORD),
        Column("answered_at", TIME),
        Column("score", "Float64"),
        Column("stated_at", "UInt64"),
    ),
}

# Facts before state, the archive's watermark last: what it says is there is there.
ORDER = (
    *(table for table, _ in TABLES.values()),
    "breaches",
    "fact_revisions",
    "lead_state",
    "spend",
    "targets",
    "rates",
    "surveys",
    "holes",
    "aliases",
    "definitions",
    "touches",
    "arrivals",
    "dead_letters",
    "cuts",
    "archived",
)
