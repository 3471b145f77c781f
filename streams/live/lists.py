"""Lists of leads with whose move it is: who is late, who soon will be, which hot leads wait.

Each is a page of at most `MOST` rows with the total of all. API and command line show these.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas import addresses
from schemas.funnel import BUILT_IN
from sinks.clickhouse.asking import Unreadable
from sinks.clickhouse.files import statement
from streams.domain.duties import Duty, duty, late, span

if TYPE_CHECKING:
    from schemas.funnel import Funnel

    from .figures import Figures

MOST = 500
FARTHEST = 1_000_000  # no page begins beyond this row
LEADS = statement(__file__, "lists_leads")
_STALLED = statement(__file__, "lists_stalled")
_TEAMS = statement(__file__, "lists_teams")
_DUE = statement(__file__, "lists_due")
_HOT = statement(__file__, "lists_hot")
_FEED = statement(__file__, "lists_feed")
_NAMED = statement(__file__, "lists_named")
# By what a list may be sorted, as SQL; a minus turns the first column.
SORTS = {
    "late": "due_at, lead",
    "-late": "due_at DESC, lead",
    "owner": "owner, due_at, lead",
    "-owner": "owner DESC, due_at, lead",
    "stage": "place, due_at, lead",
    "-stage": "place DESC, due_at, lead",
    "source": "source, due_at, lead",
    "-source": "source DESC, due_at, lead",
}
_COLUMNS = (*BUILT_IN, "owner")  # of a lead's state; other dimensions are in its map
_WAITING = "touched, since, lead"  # the untouched first, the longest waiting of them


class Wanted(NamedTuple):
    """Which rows somebody wants: filters ("" keeps all), the order, and the page.

    `leads` keeps only these ids; none keeps all. `where` are filters by any dimension and by
    `version`, the funnel's that the open journey began under.
    """

    team: str = ""
    owner: str = ""
    stage: str = ""
    source: str = ""
    sort: str = ""
    limit: int = 50
    offset: int = 0
    leads: tuple[str, ...] = ()
    where: tuple[tuple[str, str], ...] = ()

    @property
    def kept(self) -> dict[str, str]:
        """Return all filters by name."""
        own = {name: getattr(self, name) for name in ("team", "owner", "stage", "source")}
        return {name: value for name, value in own.items() if value} | dict(self.where)


def stalled(figures: Figures, wanted: Wanted) -> dict[str, Any]:
    """Return the leads past a service level: {total, teams, rows, next}, the latest first.

    A row is one lead with the clock that is late for longest. `teams` counts the leads by the team
    that must act, the most first.

    Raises:
        Unreadable: there is no such team, stage or order.

    """
    found = _list(figures, _STALLED, wanted)
    parameters = parameters_of(figures.funnel, wanted)
    counts: Counter[str] = Counter()
    for row in figures.rows(LEADS + _TEAMS, **parameters):
        counts[_team(figures.funnel, row["stage"])] += row["n"]
    return {**found, "total": counts.total(), "teams": dict(counts.most_common())}


def about_to_breach(figures: Figures, wanted: Wanted) -> dict[str, Any]:
    """Return the clocks that were warned and run: {total, rows, next}, the next due first.

    Raises:
        Unreadable: there is no such team, stage or order.

    """
    return _list(figures, _DUE, wanted)


def hot_waiting(figures: Figures, wanted: Wanted) -> dict[str, Any]:
    """Return the hot leads whose hand-off nobody decided: {total, rows, next}, untouched first.

    Raises:
        Unreadable: there is no such team, stage or order.

    """
    return _list(figures, _HOT, wanted, _WAITING)


def feed(figures: Figures, wanted: Wanted) -> dict[str, Any]:
    """Return the last moves of 90 days: {rows, next}. A stage is the one that was moved to.

    Raises:
        Unreadable: there is no such team or stage.

    """
    moved = moved_to(figures.funnel, wanted._replace(limit=wanted.limit + 1))
    rows = figures.rows(LEADS + _FEED, **moved)
    more = len(rows) > wanted.limit
    return {"rows": rows[: wanted.limit], "next": _next(wanted) if more else None}


def named(figures: Figures, leads: list[str]) -> list[dict[str, Any]]:
    """Return leads as they stand, by their ids; one that is no more is left out."""
    if not leads:
        return []
    wanted = Wanted(leads=tuple(leads), limit=MOST)
    rows = figures.rows(LEADS + _NAMED, **parameters_of(figures.funnel, wanted))
    return [{**row, "record_url": addresses.web(row["record_url"])} for row in rows]


def _list(
    figures: Figures, question: str, wanted: Wanted, order: str = SORTS["late"]
) -> dict[str, Any]:
    if wanted.sort and wanted.sort not in SORTS:
        raise Unreadable(f"§sort {wanted.sort!r} is none; sort by one of {', '.join(SORTS)}")
    order = SORTS.get(wanted.sort, order)
    funnel, now = figures.funnel, time.time()
    rows = figures.rows(LEADS + question.replace("{sort}", order), **parameters_of(funnel, wanted))
    total = rows[0]["total"] if rows else 0
    more = wanted.offset + len(rows) < total
    return {
        "total": total,
        "rows": [_row(funnel, row, now) for row in rows],
        "next": _next(wanted) if more else None,
    }


def _next(wanted: Wanted) -> int | None:
    following = wanted.offset + wanted.limit
    return following if following <= FARTHEST else None


def parameters_of(funnel: Funnel, wanted: Wanted) -> dict[str, Any]:
    """Return the parameters of a list's query; a team's leads are those in its stages.

    Raises:
        Unreadable: there is no such team or stage.

    """
    kept = wanted.kept
    team, stage = kept.pop("team", ""), kept.pop("stage", "")
    teams = {spec.owner for spec in funnel.stages.values()}
    if team and team not in teams:
        raise Unreadable(f"§team {team!r} is none; ask for one of {', '.join(sorted(teams))}")
    if stage and stage not in funnel.stages:
        raise Unreadable(f"§stage {stage!r} is none; ask for one of {', '.join(funnel.stages)}")
    stages = [
        name
        for name, spec in funnel.stages.items()
        if team in ("", spec.owner) and stage in ("", name)
    ]
    named = {name: value for name, value in kept.items() if name not in (*_COLUMNS, "version")}
    return {
        **{name: kept.get(name, "") for name in (*_COLUMNS, "version")},
        "named": list(named),
        "values": list(named.values()),
        # A stage that no team of those in force owns may hold leads all the same.
        "stages": (stages or ["-"]) if team or stage else [],
        "order": list(funnel.stages),
        "leads": list(wanted.leads),
        "limit": wanted.limit,
        "offset": wanted.offset,
    }


def moved_to(funnel: Funnel, wanted: Wanted) -> dict[str, Any]:
    """Return the parameters of a query of moves: a stage is the one that was moved to.

    Raises:
        Unreadable: there is no such team or stage.

    """
    parameters = parameters_of(funnel, wanted)
    return {**parameters, "stages": [], "to": parameters["stages"]}


def _team(funnel: Funnel, stage: str) -> str:
    return funnel.stages[stage].owner if stage in funnel.stages else ""


def _row(funnel: Funnel, row: dict[str, Any], now: float) -> dict[str, Any]:
    """Return a row with whose move it is and how late, in seconds and in words.

    Before the due time `late_seconds` is negative; without a clock it is None.
    """
    todo = duty(funnel, row["stage"], row["clock"]) if row["clock"] else _undecided(funnel, row)
    due = aware(row["due_at"])
    seconds = None if due is None else now - due.timestamp()
    waits = span(now - _since(row).timestamp())
    return {
        **{name: value for name, value in row.items() if name not in ("total", "place")},
        "title": funnel.titles().get(row["stage"], row["stage"]),
        "record_url": addresses.web(row["record_url"]),
        "team": todo.team,
        "must": todo.must,
        "move": todo.sentence(row["owner"]),
        "due_at": due,
        "since": _since(row),
        "late_seconds": seconds,
        "late": f"waits for {waits}" if seconds is None else late(seconds),
    }


def _undecided(funnel: Funnel, row: dict[str, Any]) -> Duty:
    """Return what is to be done in a hand-off's stage in which no clock runs."""
    return Duty(_team(funnel, row["stage"]), "decide" if row.get("touched") else "call")


def _since(row: dict[str, Any]) -> datetime:
    found = aware(row["since"])
    if found is None:
        raise ValueError("a row of a list says since when")
    return found


def aware(moment: datetime | None) -> datetime | None:
    """Return an instant of ClickHouse's with its zone."""
    return moment.replace(tzinfo=moment.tzinfo or UTC) if moment else None
