"""funnel_daily: the days touched since the last run, computed again from the facts.

A day is one in the reporting zone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from schemas import reading

from . import generations
from .files import statement

if TYPE_CHECKING:
    from pathlib import Path

_RECOMPUTE = statement(__file__, "rollup_recompute")
# A generation's reporting zone never changes: that would be another generation.
_ZONES: dict[int, str] = {}


def zone(client: Any, generation: int, folder: Path) -> str:
    """Return the reporting zone of a generation, whose days its rollup counts."""
    if generation not in _ZONES:
        known = generations.versions(client, generation)
        if not known:
            return reading.in_force(folder).reporting.zone
        _ZONES[generation] = known[0].reporting.zone
    return _ZONES[generation]


def known(client: Any) -> set[int]:
    """Return the generations that were ever rolled up."""
    rows = client.query("SELECT DISTINCT generation FROM rollup_watermark").result_rows
    return {int(number) for (number,) in rows}


def recompute(client: Any, generation: int, definition: Path) -> None:
    """Compute the touched days again; a run that broke off is repeated with the same result."""
    parameters = {
        "generation": generation,
        "zone": zone(client, generation, definition),
        "version": int(time.time() * 1000),
    }
    reached = (
        "SELECT max(ingested_until) FROM rollup_watermark FINAL "
        "WHERE generation = {generation:UInt16}"
    )
    since = client.query(reached, parameters=parameters).first_row[0]
    until = client.query("SELECT now64(3, 'UTC')").first_row[0]
    client.command(_RECOMPUTE, parameters={**parameters, "since": since})
    client.insert(
        "rollup_watermark",
        [[generation, until]],
        column_names=["generation", "ingested_until"],
        column_type_names=["UInt16", "DateTime64(3, 'UTC')"],
    )
