"""What people must do now, and how leads move: lists and counts that are no KPI.

Each is bounded: lists have pages of ROWS rows and a total, counts are by stage. Instants are
aware. Rows are those of the shown generation, test leads apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sinks.clickhouse.files import statement

from . import lists
from .lists import Wanted
from .view import ROWS

if TYPE_CHECKING:
    from datetime import datetime

    from .figures import Figures
    from .view import View

_FLOW = statement(__file__, "work_flow")
_STANDING = statement(__file__, "work_standing")
_COHORTS = statement(__file__, "work_cohorts")
_OPTIONS = statement(__file__, "work_options")
_HEALTH = statement(__file__, "work_health")
_LETTERS = statement(__file__, "work_letters")
EXPORTED = 10_000  # rows of a CSV file


def stalled(figures: Figures, view: View, limit: int = ROWS) -> dict[str, Any]:
    """Return the leads past a service level of their stage, as lists.stalled does."""
    sort = view.sort if view.sort in lists.SORTS else ""
    wanted = _wanted(view)._replace(sort=sort, limit=limit, offset=(view.page - 1) * limit)
    return lists.stalled(figures, wanted)


def due(figures: Figures, view: View) -> dict[str, Any]:
    """Return the clocks that were warned and run, as lists.about_to_breach does."""
    return lists.about_to_breach(figures, _wanted(view))


def hot(figures: Figures, view: View) -> dict[str, Any]:
    """Return the hot leads whose hand-off nobody has decided, as lists.hot_waiting does."""
    return lists.hot_waiting(figures, _wanted(view))


def flow(figures: Figures, view: View, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Return the moves between stages in a period."""
    asked = lists.moved_to(figures.funnel, _wanted(view))
    return figures.rows(lists.LEADS + _FLOW, **asked, start=start, end=end)


def standing(figures: Figures, view: View) -> dict[str, int]:
    """Return how many leads stand in each stage now."""
    asked = lists.parameters_of(figures.funnel, _wanted(view))
    return {row["stage"]: row["n"] for row in figures.rows(lists.LEADS + _STANDING, **asked)}


def feed(figures: Figures, view: View, limit: int = 12) -> list[dict[str, Any]]:
    """Return the last moves of the last 90 days."""
    rows: list[dict[str, Any]] = lists.feed(figures, _wanted(view)._replace(limit=limit))["rows"]
    return [{**row, "event_time": lists.aware(row["event_time"])} for row in rows]


def cohorts(figures: Figures, view: View, target: str, end: datetime) -> list[dict[str, Any]]:
    """Return, by week of entry, how many journeys began and how many reached `target` by week.

    `week` is the first day, `size` how many began, `reached` a list by the weeks that it took.
    """
    asked = lists.moved_to(figures.funnel, _wanted(view))
    start = figures.funnel.reporting.week_start
    return figures.rows(
        lists.LEADS + _COHORTS,
        **asked,
        entry=figures.funnel.shape().entry,
        target=target,
        zone=view.zone,
        mode=1 if start == "monday" else 0,
        end=end,
    )


def options(figures: Figures) -> dict[str, list[str]]:
    """Return the values that leads have of each dimension, the most frequent first."""
    found: dict[str, list[str]] = {}
    for row in figures.rows(_OPTIONS):
        found.setdefault(row["name"], []).append(row["value"])
    return found


def health(figures: Figures) -> dict[str, Any]:
    """Return how far time has come, how many events came lately, and what could not be read."""
    return {
        **figures.health(),
        **figures.rows(_HEALTH)[0],
        "letters": figures.rows(_LETTERS),
    }


def _wanted(view: View) -> Wanted:
    return Wanted(where=view.where, limit=ROWS)
