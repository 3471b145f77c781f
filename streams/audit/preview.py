"""preview: what a candidate definition would change, of KPIs, leads and alerts, beside the one that runs."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from sinks.clickhouse import generations, kpis
from streams.connections import clickhouse_client

from . import archive, backtest
from .candidate import fill, scratch

if TYPE_CHECKING:
    from streams.domain.definition import Definitions
    from streams.settings import Settings

_CLOSE = 1e-9


class Moved(NamedTuple):
    """A lead that would stand elsewhere: where it stands, where it would, and the first move that differs."""

    lead: str
    stands: str
    would: str
    why: str


@dataclass(frozen=True)
class Preview:
    """What a candidate would change. `fired` counts alerts of the last 90 days by clock, level, recipient and week."""

    leads: int
    events: int
    as_of: int
    kpis: list[dict[str, Any]]
    moved: list[Moved]
    fired: list[dict[str, Any]]
    seconds: float

    def document(self) -> dict[str, Any]:
        """Give it as the CLI prints it."""
        return {**self.__dict__, "moved": [one._asdict() for one in self.moved]}


def preview(settings: Settings, candidate: Definitions) -> Preview:
    """Fold every lead of the shown generation's archive under a candidate, and compare figures and leads.

    Raises:
        ValueError: there is no history to fold yet.

    """
    began, client = time.monotonic(), clickhouse_client(settings)
    generation = generations.active(client)
    cuts = archive.cuts(client, generation)
    if not cuts:
        raise ValueError(
            "ClickHouse has no cut yet: nothing was folded; wait until the workers have read something"
        )
    asof = min(cut.now for cut in cuts.values())
    components = list(archive.components(archive.read(client, cuts)))
    running, wanted = generations.in_force(client, settings.funnel), candidate.at(asof).funnel
    with scratch(settings, client, wanted) as own:
        share = fill(own, client, components, candidate, asof)
        decided = [kpi.name for kpi in kpis.catalogue() if kpi.basis != kpis.ARRIVAL]
        figures = _compare(
            kpis.ask(client, kpis.question(running, 0, asof + 1, asof), decided),
            kpis.ask(clickhouse_client(own), kpis.question(wanted, 0, asof + 1, asof), decided),
        )
        moved = _moved(client, own.clickhouse_database, running.shape().gated)
    seconds = round(time.monotonic() - began, 1)
    return Preview(
        share.leads, share.events, asof, figures, moved, backtest.documents(share.fired), seconds
    )


def _key(figure: dict[str, Any]) -> str:
    return orjson.dumps(
        [figure["kpi"], figure["basis"], figure["dimensions"]],
        option=orjson.OPT_SORT_KEYS,
        default=str,
    ).decode()


def _compare(
    running: list[dict[str, Any]], candidate: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Give every figure under both definitions, in the order of the KPIs; `differs` where they do."""
    before, after = (
        {_key(figure): figure for figure in running},
        {_key(figure): figure for figure in candidate},
    )
    out = []
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        figure = old or new
        assert figure is not None
        values = (old and old["value"], new and new["value"])
        stated = [float(value) for value in values if value is not None]  # type: ignore[arg-type]
        close = len(stated) == len(values) and abs(stated[0] - stated[1]) < _CLOSE
        same = close or values[0] == values[1]
        counts = {
            count: (old and old[count], new and new[count])
            for count in ("numerator", "denominator", "n")
        }
        differs = not same or any(a != b for a, b in counts.values())
        head = {"kpi": figure["kpi"], "basis": figure["basis"], "dimensions": figure["dimensions"]}
        out.append({**head, "running": old, "candidate": new, "differs": differs})
    return out


# Which leads would stand elsewhere, as a subquery: a list of thousands of ids has no place in a request's address.
_ELSEWHERE = """
SELECT then.lead_id
FROM {scratch}.v_lead_state AS then
LEFT JOIN v_lead_state AS now ON now.lead_id = then.lead_id
WHERE then.stage != now.stage OR then.journey != now.journey
"""


def _moved(client: Any, scratch: str, gated: tuple[str, ...]) -> list[Moved]:
    elsewhere = _ELSEWHERE.replace("{scratch}", scratch)
    standing = f"SELECT toString(lead_id), stage, journey FROM {{database}}v_lead_state WHERE lead_id IN ({elsewhere}) ORDER BY lead_id"
    transitions = (
        "SELECT toString(lead_id), toUnixTimestamp64Milli(event_time), to_stage, why, journey FROM {database}v_stage_transitions "
        f"WHERE lead_id IN ({elsewhere}) ORDER BY journey, event_time"
    )
    stands, would = _by_lead(client, standing, ""), _by_lead(client, standing, f"{scratch}.")
    now, then = _by_lead(client, transitions, ""), _by_lead(client, transitions, f"{scratch}.")
    decided = client.query(
        "SELECT toString(lead_id), argMin((decided_by, score), event_time) FROM v_decisions "
        f"WHERE lead_id IN ({elsewhere}) GROUP BY lead_id"
    )
    scores = {lead: f"{by} at score {score:g}" for lead, (by, score) in decided.result_rows}
    out = []
    for lead, ((stage, journey),) in would.items():
        ((old, number),) = stands.get(lead, [("nowhere", 0)])
        why = _difference(now[lead], then[lead], gated, scores.get(lead, ""))
        out.append(Moved(lead, f"{old} ({number})", f"{stage} ({journey})", why))
    return out


def _by_lead(client: Any, statement: str, database: str) -> defaultdict[str, list[tuple[Any, ...]]]:
    rows = defaultdict(list)
    for lead, *values in client.query(statement.replace("{database}", database)).result_rows:
        rows[lead].append(tuple(values))
    return rows


def _difference(
    running: list[tuple[int, str, str, int]],
    candidate: list[tuple[int, str, str, int]],
    gated: tuple[str, ...],
    decided: str,
) -> str:
    """Return the first move that only one of them makes; `decided` is what a gate said."""
    now, then = Counter(running), Counter(candidate)
    only = sorted(
        [
            *((move, "only now") for move in now - then),
            *((move, "only then") for move in then - now),
        ],
        key=lambda one: one[0][0],
    )
    if not only:
        return "the same moves in another order"
    (at, to, why, _), which = only[0]
    when = datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    decision_note = f" ({decided})" if which == "only now" and to in gated and decided else ""
    return f"{which}: enters {to} on {when} UTC because of {why}{decision_note}"
