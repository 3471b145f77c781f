"""preview: the archived history folded under a candidate definition, beside the one that runs.

The candidate's facts go into a database of their own for as long as it takes, so that the same SQL gives both figures.
"""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from schemas.facts import Change, Fact
from sinks.clickhouse import generations, kpis, migrate
from sinks.clickhouse.batch import Batch
from sinks.clickhouse.rows import ORDER, columns_of
from sinks.clickhouse.writer import connect
from streams.domain import clocks

from . import archive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.funnel import Funnel
    from streams.domain.definition import Definitions
    from streams.domain.journey import Folded
    from streams.settings import Settings

BACKTEST_DAYS = 90
_ROWS = 20_000
_ABANDONED_SECONDS = 6 * 3600  # no preview takes so long
_COPIED = ("spend", "targets", "rates", "surveys")  # what no definition decides
_CLOSE = 1e-9


class Moved(NamedTuple):
    """A lead that would stand elsewhere: where it stands, where it would, and the first move that differs."""

    lead: str
    stands: str
    would: str
    why: str


@dataclass
class Preview:
    """What a candidate would change. `fired` counts alerts of the last 90 days by clock, level, recipient and week."""

    leads: int = 0
    events: int = 0
    as_of: int = 0
    kpis: list[dict[str, Any]] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)
    fired: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def document(self) -> dict[str, Any]:
        """Give it as the CLI prints it."""
        return {**self.__dict__, "moved": [one._asdict() for one in self.moved]}


def preview(settings: Settings, candidate: Definitions) -> Preview:
    """Fold every lead of the shown generation's archive under a candidate, and compare figures and leads.

    Raises:
        ValueError: there is no history to fold yet.

    """
    began, client = time.monotonic(), connect(settings)
    generation = generations.active(client)
    cuts = archive.cuts(client, generation)
    if not cuts:
        raise ValueError("ClickHouse has no cut yet: nothing was folded; wait until the workers have read something")
    asof = min(cut.now for cut in cuts.values())
    out, folds = Preview(as_of=asof), {}
    for component in archive.components(archive.read(client, cuts)):
        out.events += len(component.events)
        for lead in component.leads():
            folded = component.fold(lead, candidate, asof)
            if folded.state:
                folds[lead] = folded
    out.leads = len(folds)
    running, wanted = generations.in_force(client, settings.funnel), candidate.at(asof).funnel
    with _scratch(settings, client, wanted) as scratch:
        _fill(client, scratch, settings.clickhouse_database, folds)
        decided = [kpi.name for kpi in kpis.catalogue() if kpi.basis != kpis.ARRIVAL]
        out.kpis = _compare(
            kpis.ask(client, kpis.question(running, 0, asof + 1, asof), decided),
            kpis.ask(scratch, kpis.question(wanted, 0, asof + 1, asof), decided),
        )
        out.moved = _moved(client, scratch.database, folds)
    out.fired = backtest((fact for folded in folds.values() for fact in folded.facts.values()), candidate, asof)
    out.seconds = round(time.monotonic() - began, 1)
    return out


@contextmanager
def _scratch(settings: Settings, client: Any, funnel: Funnel) -> Iterator[Any]:
    """Make a database of its own beside the installation's, and drop it afterwards; and those of previews that were killed."""
    mark = f"{settings.clickhouse_database}_preview_"
    for (left,) in client.query("SELECT name FROM system.databases WHERE startsWith(name, {m:String})", parameters={"m": mark}).result_rows:
        if int(left.removeprefix(mark).partition("_")[0]) < time.time() - _ABANDONED_SECONDS:
            client.command(f"DROP DATABASE IF EXISTS {left}")
    name = f"{mark}{int(time.time())}_{os.getpid()}"
    client.command(f"CREATE DATABASE IF NOT EXISTS {name}")
    try:
        scratch = connect(settings.model_copy(update={"clickhouse_database": name}))
        migrate.apply(scratch, name, funnel.funnel)
        yield scratch
    finally:
        client.command(f"DROP DATABASE IF EXISTS {name}")


def _fill(client: Any, scratch: Any, database: str, folds: dict[str, Folded]) -> None:
    batch = Batch()
    for lead, folded in folds.items():
        common = {"lead": lead, "generation": 1, "partition": 0, "offset": 0, "revision": 1}
        for fact in folded.facts.values():
            batch.fact({**common, **Change(fact.id, fact.kind, fact.journey, fact.at, 1, fact.content)._asdict()})
        batch.state({**common, "content": orjson.dumps(folded.state).decode()})
    for table in ORDER:
        rows = batch.rows.get(table, ()) if table != "fact_revisions" else ()
        names, types = columns_of(table)
        for start in range(0, len(rows), _ROWS):
            scratch.insert(
                table, rows[start : start + _ROWS], column_names=names, column_type_names=types,
                settings={"max_partitions_per_insert_block": 10_000},
            )  # fmt: skip
    there = {name for (name,) in client.query("SHOW TABLES").result_rows}
    for table in _COPIED:
        if table in there:
            scratch.command(f"INSERT INTO {table} SELECT * FROM {database}.{table}")


def _key(figure: dict[str, Any]) -> str:
    return orjson.dumps([figure["kpi"], figure["basis"], figure["dimensions"]], option=orjson.OPT_SORT_KEYS, default=str).decode()


def _compare(running: list[dict[str, Any]], candidate: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give every figure under both definitions, in the order of the KPIs; `differs` where they do."""
    before, after = {_key(figure): figure for figure in running}, {_key(figure): figure for figure in candidate}
    out = []
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        said = old or new
        assert said is not None
        values = (old and old["value"], new and new["value"])
        same = values[0] == values[1] or (None not in values and abs(values[0] - values[1]) < _CLOSE)  # type: ignore[operator]
        counts = {count: (old and old[count], new and new[count]) for count in ("numerator", "denominator", "n")}
        differs = not same or any(a != b for a, b in counts.values())
        head = {"kpi": said["kpi"], "basis": said["basis"], "dimensions": said["dimensions"]}
        out.append({**head, "running": old, "candidate": new, "differs": differs})
    return out


# Which leads would stand elsewhere, as a subquery: a list of thousands of ids has no place in a request's address.
_ELSEWHERE = """
SELECT then.lead_id
FROM {scratch}.v_lead_state AS then
LEFT JOIN v_lead_state AS now ON now.lead_id = then.lead_id
WHERE then.stage != now.stage OR then.journey != now.journey
"""


def _moved(client: Any, scratch: str, folds: dict[str, Folded]) -> list[Moved]:
    elsewhere = _ELSEWHERE.replace("{scratch}", scratch)
    stands = {
        lead: (stage, journey)
        for lead, stage, journey in client.query(
            f"SELECT toString(lead_id), stage, journey FROM v_lead_state WHERE lead_id IN ({elsewhere})"
        ).result_rows
    }
    moves: dict[str, list[tuple[int, str, str, int]]] = defaultdict(list)
    statement = (
        "SELECT toString(lead_id), toUnixTimestamp64Milli(event_time), to_stage, why, journey FROM v_stage_transitions "
        f"WHERE lead_id IN ({elsewhere}) ORDER BY journey, event_time"
    )
    for lead, *move in client.query(statement).result_rows:
        moves[lead].append(tuple(move))
    decided = client.query(
        "SELECT toString(lead_id), argMin((decided_by, score), event_time) FROM v_decisions "
        f"WHERE lead_id IN ({elsewhere}) GROUP BY lead_id"
    )
    scores = {lead: f"{by} at score {score:g}" for lead, (by, score) in decided.result_rows}
    out = []
    for (lead,) in client.query(f"SELECT toString(lead_id) FROM ({elsewhere}) ORDER BY lead_id").result_rows:
        stage, journey = stands.get(lead, ("nowhere", 0))
        state = folds[lead].state
        why = _difference(moves[lead], _transitions(folds[lead]), scores.get(lead, ""))
        out.append(Moved(lead, f"{stage} ({journey})", f"{state['stage']} ({state['journey']})", why))
    return out


def _transitions(folded: Folded) -> list[tuple[int, str, str, int]]:
    found = []
    for fact in folded.facts.values():
        if fact.kind == "transition":
            body = orjson.loads(fact.content)
            found.append((fact.at, body["to"], body["why"], fact.journey))
    return sorted(found, key=lambda move: (move[3], move[0]))


def _difference(running: list[tuple[int, str, str, int]], candidate: list[tuple[int, str, str, int]], decided: str) -> str:
    """Say the first move that only one of them makes."""
    now, then = Counter(running), Counter(candidate)
    only = sorted([*((move, "only now") for move in now - then), *((move, "only then") for move in then - now)], key=lambda one: one[0][0])
    if not only:
        return "the same moves in another order"
    (at, to, why, _), which = only[0]
    when = datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    told = f" ({decided})" if which == "only now" and to == "mql" and decided else ""
    return f"{which}: enters {to} on {when} UTC because of {why}{told}"


def backtest(facts: Iterator[Fact], definitions: Definitions, asof: int) -> list[dict[str, Any]]:
    """Count how often each clock would have raised an alert in the last 90 days, by level, recipient and week.

    The recipient is the team that owns the clock's stage. A week begins on the reporting zone's first day.
    """
    since, counted = asof - BACKTEST_DAYS * 86_400_000, Counter[tuple[str, str, str, str]]()
    for fact in facts:
        if fact.kind != "clock":
            continue
        clock = orjson.loads(fact.content)
        if clock["test"]:
            continue
        for level, at in clocks.levels(clock, fact.at).items():
            if since <= at <= asof:
                funnel = definitions.at(fact.at).funnel
                name, team = f"{clock['stage']}.{clock['clock']}", funnel.stages[clock["stage"]].owner
                counted[name, level, team, _week(at, funnel)] += 1
    names = ("clock", "level", "recipient", "week")
    return [{**dict(zip(names, key, strict=True)), "n": n} for key, n in sorted(counted.items())]


def _week(at: int, funnel: Funnel) -> str:
    day = datetime.fromtimestamp(at / 1000, ZoneInfo(funnel.reporting.zone)).date()
    first = 0 if funnel.reporting.week_start == "monday" else 6
    return (day - timedelta(days=(day.weekday() - first) % 7)).isoformat()


