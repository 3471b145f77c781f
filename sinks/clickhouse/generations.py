"""Generations: whole sets of facts, of which one is shown; a switch is one row (clickhouse c7)."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas import reading
from schemas.errors import LeadstreamError
from schemas.facts import FOLD_VERSION
from schemas.funnel import Funnel

from .files import statement

if TYPE_CHECKING:
    from pathlib import Path


_TABLES = statement(__file__, "generations_tables")
_PARTITIONS = statement(__file__, "generations_partitions")
_COLUMNS = {
    "generation": "UInt16",
    "funnel": "String",
    "activated_at": "DateTime64(3, 'UTC')",
    "note": "String",
    "fold": "UInt16",
}


class Differing(LeadstreamError):  # noqa: N818 - whoever runs the workers must make their files one
    """A generation's workers began with different files of one version."""


class Outdated(LeadstreamError):  # noqa: N818 - a state, and what ends it
    """A generation's facts are of another release's fold: there is nothing to hold them against."""


class Generation(NamedTuple):
    """One that was shown: since when (UTC), why, and by which version of the fold it was made."""

    generation: int
    funnel: str
    activated_at: datetime
    note: str
    fold: int

    @property
    def outdated(self) -> bool:
        """Return whether this release makes other facts, so that its workers do not carry it on."""
        return self.fold != FOLD_VERSION


def active(client: Any) -> int:
    """Return the generation that people are shown; 1 in a new database."""
    found = client.query(
        "SELECT max(generation) FROM active_generation FINAL WHERE dataset = 'live'"
    ).first_row[0]
    return int(found) or 1


def history(client: Any) -> list[Generation]:
    """Return every switch, the oldest first."""
    rows = client.query(
        "SELECT generation, funnel, activated_at, note, fold FROM generation_log "
        "ORDER BY activated_at"
    ).result_rows
    return [Generation(*row) for row in rows]


def require_current(client: Any, generation: int) -> None:
    """Do nothing for a generation that this release carries on, or that was never shown.

    Raises:
        Outdated: another release made its facts.

    """
    if any(one.generation == generation and one.outdated for one in history(client)):
        raise Outdated(
            f"another release made the facts of generation {generation}, and this one makes others "
            f"of the same events: `leadstream adopt HOME/generations/{generation}` computes them "
            "again"
        )


def switch(client: Any, generation: int, name: str, note: str) -> None:
    """Show another generation from now on, and log it with its funnel's name and a reason.

    It must be of this release's fold: whoever shows it has seen that its workers run.
    """
    row = [generation, name, int(time.time() * 1000), note, FOLD_VERSION]
    _insert(client, "generation_log", row, _COLUMNS)
    _insert(client, "active_generation", ["live", *row], {"dataset": "String", **_COLUMNS})


def _insert(client: Any, table: str, row: list[Any], columns: dict[str, str]) -> None:
    """Insert a row; `columns` are types by name."""
    names, types = list(columns), list(columns.values())
    client.insert(table, [row], column_names=names, column_type_names=types)


def drop(client: Any, generation: int) -> None:
    """Delete every row of a generation; the log of what was shown when stays."""
    tables = {name for (name,) in client.query(_TABLES).result_rows}
    whole = client.query(_PARTITIONS, parameters={"g": str(generation)}).result_rows
    for table, partition in whole:
        client.command(f"ALTER TABLE {table} DROP PARTITION ID '{partition}'")
    # the others are not partitioned by generation: cuts, definitions, holes
    for table in tables - {name for name, _ in whole}:
        client.command(f"DELETE FROM {table} WHERE generation = {int(generation)}")


def versions(client: Any, generation: int) -> list[Funnel]:
    """Return the versions of the funnel that a generation's workers took from the log, in order.

    There are none before the workers have read something.

    Raises:
        Differing: the workers began with different files.

    """
    asked = (
        "SELECT version, content FROM definitions FINAL "
        "WHERE generation = {g:UInt16} ORDER BY effective_from, version"
    )
    found = client.query(asked, parameters={"g": generation}).result_rows
    names = [version for version, _ in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Differing(
            f"version {', '.join(twice)} came into generation {generation} with two contents: "
            "give all its workers the same files, and adopt them as a new generation"
        )
    return [Funnel.model_validate_json(content) for _, content in found]


def in_force(client: Any, folder: Path, moment: int | None = None) -> Funnel:
    """Return the version in force in the shown generation at a moment (ms; None: now).

    Before any worker has read something it is the version of the files in `folder`.
    """
    known = versions(client, active(client))
    if not known:
        return reading.in_force(folder, moment)
    return reading.version_at(known, int(time.time() * 1000) if moment is None else moment)
