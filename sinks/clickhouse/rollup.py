"""funnel_daily: the days touched since the last run, computed again from the facts. A day is one in the reporting zone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from schemas import reading

from . import generations

if TYPE_CHECKING:
    from pathlib import Path

# Zero rows for cells that vanished; the watermark overlaps by a minute, since inserts may become visible out of order.
_RECOMPUTE = """
INSERT INTO funnel_daily
WITH touched AS (
  SELECT DISTINCT toDate(event_time, {zone:String}) AS day
  FROM stage_transitions
  WHERE generation = {generation:UInt16} AND ingested_at >= {since:DateTime64(3, 'UTC')} - INTERVAL 60 SECOND
)
SELECT
  {generation:UInt16} AS generation,
  day,
  from_stage,
  to_stage,
  source,
  owner_team,
  sum(entries) AS n,
  sum(implied_entries) AS implied,
  sum(dwell) AS dwell_ms,
  {version:UInt64} AS version
FROM (
  SELECT
    toDate(event_time, {zone:String}) AS day,
    from_stage,
    to_stage,
    source,
    owner_team,
    count() AS entries,
    countIf(implied = 1) AS implied_entries,
    sum(coalesce(dwell_ms, 0)) AS dwell
  FROM stage_transitions FINAL
  WHERE generation = {generation:UInt16} AND test = 0 AND opening = 0 AND toDate(event_time, {zone:String}) IN (SELECT day FROM touched)
  GROUP BY ALL
  UNION ALL
  SELECT day, from_stage, to_stage, source, owner_team, 0, 0, 0
  FROM funnel_daily
  WHERE generation = {generation:UInt16} AND day IN (SELECT day FROM touched)
)
GROUP BY ALL
"""


_ZONES: dict[
    int, str
] = {}  # a generation's reporting zone never changes: that would be another generation


def zone(client: Any, generation: int, folder: Path) -> str:
    """Give the reporting zone of a generation, whose days its rollup counts."""
    if generation not in _ZONES:
        known = generations.versions(client, generation)
        if not known:
            return reading.in_force(folder).reporting.zone
        _ZONES[generation] = known[0].reporting.zone
    return _ZONES[generation]


def known(client: Any) -> set[int]:
    """Name the generations that were ever rolled up."""
    return {
        int(number)
        for (number,) in client.query(
            "SELECT DISTINCT generation FROM rollup_watermark"
        ).result_rows
    }


def recompute(client: Any, generation: int, definition: Path) -> None:
    """Recompute the touched days. Runs again with the same result; a crash between only repeats work."""
    parameters = {
        "generation": generation,
        "zone": zone(client, generation, definition),
        "version": int(time.time() * 1000),
    }
    since = client.query(
        "SELECT max(ingested_until) FROM rollup_watermark FINAL WHERE generation = {generation:UInt16}",
        parameters=parameters,
    ).first_row[0]
    until = client.query("SELECT now64(3, 'UTC')").first_row[0]
    client.command(_RECOMPUTE, parameters={**parameters, "since": since})
    client.insert(
        "rollup_watermark", [[generation, until]], column_names=["generation", "ingested_until"],
        column_type_names=["UInt16", "DateTime64(3, 'UTC')"],
    )  # fmt: skip
