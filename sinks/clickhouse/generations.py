"""Generations: whole sets of facts beside each other, of which one is shown. Switching is one row (clickhouse c7)."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas import reading
from schemas.funnel import Funnel

if TYPE_CHECKING:
    from pathlib import Path


class Generation(NamedTuple):
    """One that was shown: since when (UTC), and why."""

    generation: int
    funnel: str
    activated_at: datetime
    note: str


def active(client: Any) -> int:
    """Give the generation that people are shown; 1 in a new database."""
    found = client.query(
        "SELECT max(generation) FROM active_generation FINAL WHERE dataset = 'live'"
    ).first_row[0]
    return int(found) or 1


def history(client: Any) -> list[Generation]:
    """Give every switch, the oldest first."""
    rows = client.query(
        "SELECT generation, funnel, activated_at, note FROM generation_log ORDER BY activated_at"
    ).result_rows
    return [Generation(*row) for row in rows]


def switch(client: Any, generation: int, name: str, note: str) -> None:
    """Show another generation from now on, and keep that we did."""
    row = [generation, name, int(time.time() * 1000), note]
    columns, types = (
        ["generation", "funnel", "activated_at", "note"],
        ["UInt16", "String", "DateTime64(3, 'UTC')", "String"],
    )
    client.insert("generation_log", [row], column_names=columns, column_type_names=types)
    client.insert(
        "active_generation",
        [["live", *row]],
        column_names=["dataset", *columns],
        column_type_names=["String", *types],
    )


def drop(client: Any, generation: int) -> None:
    """Drop every row of a generation; what was shown when stays in the log."""
    tables = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND endsWith(engine, 'MergeTree') "
        "AND name NOT IN ('active_generation', 'generation_log') "
        "AND name IN (SELECT table FROM system.columns WHERE database = currentDatabase() AND name = 'generation')"
    ).result_rows
    whole = client.query(
        "SELECT DISTINCT table, partition_id FROM system.parts WHERE database = currentDatabase() AND active "
        "AND (partition = {g:String} OR startsWith(partition, concat('(', {g:String}, ',')))",
        parameters={"g": str(generation)},
    ).result_rows
    for table, partition in whole:
        client.command(f"ALTER TABLE {table} DROP PARTITION ID '{partition}'")
    for table in {name for (name,) in tables} - {
        name for name, _ in whole
    }:  # not cut by generation: cuts, definitions, holes
        client.command(f"DELETE FROM {table} WHERE generation = {int(generation)}")


def versions(client: Any, generation: int) -> list[Funnel]:
    """Give the versions of the funnel that a generation's workers took from the log; none before they have read something.

    Raises:
        ValueError: its workers began with different files.

    """
    found = client.query(
        "SELECT version, content FROM definitions FINAL WHERE generation = {g:UInt16} ORDER BY effective_from, version",
        parameters={"g": generation},
    ).result_rows
    names = [version for version, _ in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"version {', '.join(twice)} came into generation {generation} with two contents: its workers had different files"
        )
    return [Funnel.model_validate_json(content) for _, content in found]


def in_force(client: Any, folder: Path, moment: int | None = None) -> Funnel:
    """Give the version that the shown generation is in, else what the files say (before any worker has read something)."""
    known = versions(client, active(client))
    if not known:
        return reading.in_force(folder, moment)
    return reading.version_at(known, int(time.time() * 1000) if moment is None else moment)
