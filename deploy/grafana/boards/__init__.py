"""The dashboards: one module each, in the order of the list that people see."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync

from . import funnel, handoffs, pipeline, sources, stalled, targets, variables
from .panels import built

BOARDS = (funnel, handoffs, stalled, sources, targets, pipeline)
# Where links lead; `build.py --live ... --runbooks ...` writes others.
LIVE = "http://127.0.0.1:8380"
RUNBOOKS = "http://127.0.0.1:9090/user/runbooks"


def build(board: Any, live: str = LIVE, runbooks: str = RUNBOOKS) -> str:
    """Return a dashboard's JSON. Ids of panels count up in the order of the page."""
    made = (
        Dashboard(board.TITLE)
        .uid(board.UID)
        .description(board.__doc__.strip())
        .tags(["leadstream"])
        .timezone("browser")
        .refresh("30s")
        .time("now-30d", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(variables.to_others())
        .annotations(variables.annotations())
    )
    for name in board.VARIABLES:
        made = made.with_variable(variables.query(name))
    if any(p.shown and p.shown.trend for row in board.ROWS.values() for p in row):
        made = made.with_variable(variables.every())
    made = made.with_variable(variables.constant("live", live, "Address of the live page"))
    made = made.with_variable(variables.constant("runbooks", runbooks, "Address of the runbooks"))
    number = 0
    for title, panels in board.ROWS.items():
        made = made.with_row(Row(title))
        for panel in panels:
            number += 1
            made = made.with_panel(built(panel, number))
    return f"{JSONEncoder(sort_keys=True, indent=2).encode(made.build())}\n"
