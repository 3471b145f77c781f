"""KPI 30: what a target's metric has come to, over the target and over what should be there by now.

The actual is the metric's own KPI over the target's period, so that a report and its target never
show two figures.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

    # of a metric, start and end (ms), and dimensions: the figures
    Asker = Callable[[str, int, int, dict[str, str]], list[dict[str, Any]]]

KPI = "attainment"
# Metrics that grow with the days of a period: half of it should show half of the target. A share
# does not.
ADDS = ("inflow", "outflow", "pipeline", "revenue")


class Target(NamedTuple):
    """A row of the KPI's file. `scope` is JSON of the target's dimensions, "" without any."""

    metric: str
    owner: str
    first_day: date
    last_day: date
    scope: str
    shared: int
    strategy: str
    target: float

    def period(self, zone: str) -> tuple[int, int]:
        """Return when the period begins and ends (ms) in a zone; its last day counts in full."""
        days = (self.first_day, self.last_day + timedelta(days=1))
        midnights = (datetime.combine(day, time(), ZoneInfo(zone)) for day in days)
        first, end = (int(one.timestamp() * 1000) for one in midnights)
        return first, end


def figures(target: Target, zone: str, asof: int, ask: Asker) -> list[dict[str, Any]]:
    """Return a target's figures at `asof` (ms): attainment, and pace where the metric adds up.

    Attainment is the actual over the target; pace is attainment over the share of the period gone.
    """
    wanted = orjson.loads(target.scope) if target.scope else {}
    start, end = target.period(zone)
    actual, n, apart = _actual(target.metric, wanted, ask(target.metric, start, end, wanted))
    reached = None if actual is None else actual / target.target
    gone = min(1.0, max(0.0, (asof - start) / (end - start)))
    dimensions = {
        "metric": target.metric,
        "owner": target.owner,
        "start": str(target.first_day),
        "end": str(target.last_day),
        "scope": target.scope,
        "shared": bool(target.shared),
        "strategy": target.strategy,
    }
    common = {"kpi": KPI, "basis": "period", "n": n, "mature": None, "pending": apart}
    rows = [("attainment", reached, actual, target.target)]
    if target.metric in ADDS:
        pace = None if reached is None or not gone else reached / gone
        rows.append(("pace", pace, reached, gone))
    return [
        {
            **common,
            "dimensions": {"measure": measure, **dimensions},
            "value": value,
            "numerator": numerator,
            "denominator": denominator,
        }
        for measure, value, numerator, denominator in rows
    ]


def _actual(
    metric: str, wanted: dict[str, str], metric_figures: list[dict[str, Any]]
) -> tuple[float | None, int | None, int | None]:
    """Return the actual, its n, and of how many amounts no rate was known.

    A metric that adds up is summed, 0 without figures; of any other exactly one figure must fit,
    or there is no value.
    """
    basis = wanted.get("basis", "")
    names = {name: value for name, value in wanted.items() if name != "basis"}
    known = {name for figure in metric_figures for name in figure["dimensions"]}
    fitting = [
        figure
        for figure in metric_figures
        if basis in ("", figure["basis"])
        and all(str(figure["dimensions"].get(name)) == value for name, value in names.items())
    ]
    apart = [figure for figure in fitting if figure["dimensions"].get("unconverted")]
    fitting = [figure for figure in fitting if figure not in apart]
    lacking = sum(figure["n"] for figure in apart) if apart else None
    if metric in ADDS:
        values = [figure["value"] for figure in fitting if figure["value"] is not None]
        # a dimension that no figure has is a typing error
        nothing = not fitting and not apart and (not metric_figures or known >= set(names))
        actual = sum(values) if values or nothing else None
        return actual, sum(figure["n"] for figure in fitting), lacking
    if not basis and len({figure["basis"] for figure in fitting}) > 1:
        # a KPI with both bases: targets are for periods
        fitting = [figure for figure in fitting if figure["basis"] == "period"]
    if len(fitting) != 1:
        return None, None, lacking
    return fitting[0]["value"], fitting[0]["n"], lacking
