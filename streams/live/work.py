"""What people must do now, and how leads move: lists and counts that are no KPI.

Each is bounded: lists have pages of ROWS rows and a total, counts are by stage. Instants are
aware. Rows are those of the shown generation, test leads apart.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from schemas import addresses
from schemas.funnel import BUILT_IN
from sinks.clickhouse.files import statement
from streams.domain.duties import Duty, duty

from .view import ROWS

if TYPE_CHECKING:
    from schemas.funnel import Funnel

    from .figures import Figures
    from .view import View

_LEADS = statement(__file__, "work_leads")
_STALLED = statement(__file__, "work_stalled")
_TEAMS = statement(__file__, "work_teams")
_DUE = statement(__file__, "work_due")
_HOT = statement(__file__, "work_hot")
_FLOW = statement(__file__, "work_flow")
_STANDING = statement(__file__, "work_standing")
_FEED = statement(__file__, "work_feed")
_COHORTS = statement(__file__, "work_cohorts")
_OPTIONS = statement(__file__, "work_options")
_HEALTH = statement(__file__, "work_health")
_LETTERS = statement(__file__, "work_letters")
# By what a list may be sorted: a column, never a value.
SORTS = {
    "late": "due_at, lead",
    "-late": "due_at DESC, lead",
    "owner": "owner, due_at, lead",
    "-owner": "owner DESC, due_at, lead",
    "stage": "place, due_at, lead",
    "-stage": "place DESC, due_at, lead",
}
EXPORTED = 10_000  # rows of a CSV file
_OF_STATE = (*BUILT_IN, "owner")  # columns of a lead's state; others are in its map


def stalled(figures: Figures, view: View, limit: int = ROWS) -> dict[str, Any]:
    """Return the leads past a service level of their stage.

    `rows` is a page of them, each with the clock that is late for longest, `teams` how many each
    team has to move, the most first, and `total` their sum.
    """
    funnel = figures.funnel
    asked = _filters(funnel, view)
    order = SORTS.get(view.sort, SORTS["late"])
    found = figures.rows(
        _LEADS + _STALLED.replace("{order}", order),
        **asked,
        limit=limit,
        offset=(view.page - 1) * limit,
    )
    counts = figures.rows(_LEADS + _TEAMS, **asked)
    teams: dict[str, int] = {}
    for row in counts:
        team = _team(funnel, row["stage"])
        teams[team] = teams.get(team, 0) + row["n"]
    ordered = dict(sorted(teams.items(), key=lambda one: (-one[1], one[0])))
    return {
        "rows": [_row(funnel, row) for row in found],
        "teams": ordered,
        "total": sum(ordered.values()),
    }


def due(figures: Figures, view: View) -> dict[str, Any]:
    """Return the clocks that were warned and run, the next due first; `total` is all of them."""
    asked = _filters(figures.funnel, view)
    found = figures.rows(_LEADS + _DUE, **asked, limit=ROWS)
    return _list(figures.funnel, found)


def hot(figures: Figures, view: View) -> dict[str, Any]:
    """Return the hot leads whose hand-off nobody has decided, the longest waiting first."""
    asked = _filters(figures.funnel, view)
    found = figures.rows(_LEADS + _HOT, **asked, limit=ROWS)
    return _list(figures.funnel, found)


def _list(funnel: Funnel, found: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "rows": [_row(funnel, row) for row in found],
        "total": found[0]["total"] if found else 0,
    }


def flow(figures: Figures, view: View, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Return the moves between stages in a period."""
    asked = _filters(figures.funnel, view)
    return figures.rows(_LEADS + _FLOW, **asked, start=start, end=end)


def standing(figures: Figures, view: View) -> dict[str, int]:
    """Return how many leads stand in each stage now."""
    asked = _filters(figures.funnel, view)
    return {row["stage"]: row["n"] for row in figures.rows(_LEADS + _STANDING, **asked)}


def feed(figures: Figures, view: View, limit: int = 12) -> list[dict[str, Any]]:
    """Return the last moves of the last 90 days."""
    asked = _filters(figures.funnel, view)
    found = figures.rows(_LEADS + _FEED, **asked, limit=limit)
    return [{**row, "event_time": aware(row["event_time"])} for row in found]


def cohorts(figures: Figures, view: View, target: str, end: datetime) -> list[dict[str, Any]]:
    """Return, by week of entry, how many journeys began and how many reached `target` by week.

    `week` is the first day, `size` how many began, `reached` a list by the weeks that it took.
    """
    asked = _filters(figures.funnel, view)
    start = figures.funnel.reporting.week_start
    return figures.rows(
        _LEADS + _COHORTS,
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


def aware(moment: datetime | None) -> datetime | None:
    """Return an instant of ClickHouse's with its zone."""
    return moment.replace(tzinfo=moment.tzinfo or UTC) if moment else None


def _team(funnel: Funnel, stage: str) -> str:
    return funnel.stages[stage].owner if stage in funnel.stages else ""


def _row(funnel: Funnel, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with aware instants, an address that may be opened, and whose move it is."""
    moments: dict[str, Any] = {
        name: aware(row[name]) for name in ("due_at", "since") if name in row
    }
    if row.get("clock"):
        todo = duty(funnel, row["stage"], row["clock"])
    else:  # a hand-off's stage in which no clock runs
        todo = Duty(_team(funnel, row["stage"]), "decide" if row.get("touched") else "call")
    return {
        **row,
        **moments,
        "record_url": addresses.web(row["record_url"]),
        "team": todo.team,
        "must": todo.must,
    }


def _filters(funnel: Funnel, view: View) -> dict[str, Any]:
    """Return the filters as parameters; a team's are its stages."""
    wanted = dict(view.where)
    team, stage = wanted.pop("team", ""), wanted.pop("stage", "")
    stages = [
        name
        for name, spec in funnel.stages.items()
        if (not team or spec.owner == team) and (not stage or name == stage)
    ]
    named = {name: value for name, value in wanted.items() if name not in (*_OF_STATE, "version")}
    return {
        **{name: wanted.get(name, "") for name in _OF_STATE},
        "version": wanted.get("version", ""),
        "named": list(named),
        "values": list(named.values()),
        "all_stages": not (team or stage),
        "stages": stages,
        "order": list(funnel.stages),
    }
