"""preview: what a candidate definition would change in KPIs, leads and alerts."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from sinks.clickhouse import generations, kpis
from sinks.clickhouse.files import statement
from streams.connections import clickhouse_client

from . import archive, backtest
from .candidate import fill, scratch

if TYPE_CHECKING:
    from streams.domain.definition import Definitions
    from streams.settings import Settings

_CLOSE = 1e-9
_NUMBERS = ("value", "numerator", "denominator", "n")
_ELSEWHERE = statement(__file__, "preview_elsewhere")
_STANDING = statement(__file__, "preview_standing")
_TRANSITIONS = statement(__file__, "preview_transitions")
_DECISIONS = statement(__file__, "preview_decisions")


class Moved(NamedTuple):
    """A lead that would stand elsewhere: where it stands, where it would, the first difference."""

    lead: str
    stands: str
    would: str
    why: str


@dataclass(frozen=True)
class Preview:
    """What a candidate would change.

    `as_of` in ms. `fired` counts alerts of the last 90 days by clock, level, recipient and week.
    """

    leads: int
    events: int
    as_of: int
    kpis: list[dict[str, Any]]
    moved: list[Moved]
    fired: list[dict[str, Any]]
    seconds: float

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**self.__dict__, "moved": [one._asdict() for one in self.moved]}


def preview(settings: Settings, candidate: Definitions) -> Preview:
    """Fold every lead of the shown generation's archive under a candidate; return what differs.

    Raises:
        NotFolded: there is no history to fold yet.

    """
    began, client = time.monotonic(), clickhouse_client(settings)
    cuts = archive.folded(client, generations.active(client))
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
    """Return every figure under both definitions, in the order of the KPIs."""
    before = {_key(figure): figure for figure in running}
    after = {_key(figure): figure for figure in candidate}
    out = []
    for key in before | after:
        old, new = before.get(key), after.get(key)
        figure = before[key] if key in before else after[key]
        head = {name: figure[name] for name in ("kpi", "basis", "dimensions")}
        out.append({**head, "running": old, "candidate": new, "differs": _differs(old, new)})
    return out


def _differs(old: dict[str, Any] | None, new: dict[str, Any] | None) -> bool:
    """Return whether two figures differ by more than a float's last digits; None has no value."""
    before, after = (dict.fromkeys(_NUMBERS) if one is None else one for one in (old, new))
    if any(before[name] != after[name] for name in ("numerator", "denominator", "n")):
        return True
    one, other = before["value"], after["value"]
    if one is None or other is None:
        return one is not other
    return abs(float(one) - float(other)) >= _CLOSE


def _moved(client: Any, scratch: str, gated: tuple[str, ...]) -> list[Moved]:
    """Return the leads that would stand elsewhere, by the facts of both databases.

    Which leads those are is a subquery: an address has no room for thousands of ids.
    """
    elsewhere = _ELSEWHERE.format(candidate=f"{scratch}.")

    def ask(statement: str, database: str = "") -> list[tuple[Any, ...]]:
        filled = statement.format(database=database, elsewhere=elsewhere)
        return list(client.query(filled).result_rows)

    stands, would = (_by_lead(ask(_STANDING, place)) for place in ("", f"{scratch}."))
    now, then = (_by_lead(ask(_TRANSITIONS, place)) for place in ("", f"{scratch}."))
    scores = {lead: f"{by} at score {score:g}" for lead, (by, score) in ask(_DECISIONS)}
    out = []
    for lead, ((stage, journey),) in would.items():
        ((old, number),) = stands.get(lead, [("nowhere", 0)])
        why = _difference(now[lead], then[lead], gated, scores.get(lead, ""))
        out.append(Moved(lead, f"{old} ({number})", f"{stage} ({journey})", why))
    return out


def _by_lead(rows: list[tuple[Any, ...]]) -> defaultdict[str, list[tuple[Any, ...]]]:
    found = defaultdict(list)
    for lead, *values in rows:
        found[lead].append(tuple(values))
    return found


def _difference(
    running: list[tuple[int, str, str, int]],
    candidate: list[tuple[int, str, str, int]],
    gated: tuple[str, ...],
    decided: str,
) -> str:
    """Return the first move that only one side makes; `decided` is what a gate said."""
    now, then = Counter(running), Counter(candidate)
    only = [(move, "only now") for move in now - then]
    only += [(move, "only then") for move in then - now]
    if not only:
        return "the same moves in another order"
    (at, to, why, _), which = min(only, key=lambda one: one[0][0])
    when = datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    decision = f" ({decided})" if which == "only now" and to in gated and decided else ""
    return f"{which}: enters {to} on {when} UTC because of {why}{decision}"
