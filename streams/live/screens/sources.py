"""Sources, and what a lead, an accepted one and a customer cost; cheap acceptances come first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from streams.live import reports
from streams.live.card import Card
from streams.live.drawing import Markup, join, number, table, tag

from . import states
from .filters import dimension

if TYPE_CHECKING:
    from streams.live.figures import Figures
    from streams.live.reports import Figure
    from streams.live.scene import Scene
    from streams.live.view import View

_SPENT_BY = ("source", "channel", "campaign")  # what an ad account knows of
_MOST = 50


def gather(figures: Figures, view: View) -> dict[str, Any]:
    """Ask by source, or by what else spend can be split by."""
    by = view.by if view.by in _SPENT_BY else "source"
    return {"by": by, "report": reports.ask(figures, view, "cost", "acceptance", by=by)}


def draw(document: dict[str, Any], scene: Scene) -> Markup:
    """Draw a row a source; the best one is marked in words."""
    words, by, report = scene.words, document["by"], document["report"]
    costs: dict[str, dict[str, Figure]] = {}
    apart: list[Figure] = []
    for one in report.of("cost"):
        if one["dimensions"].get("unconverted"):
            apart.append(one)
        elif "per" in one["dimensions"]:
            group = reports.grouped(scene, by, one)
            costs.setdefault(group, {})[one["dimensions"]["per"]] = one
    shares = {reports.grouped(scene, by, one): one for one in report.of("acceptance")}
    if not costs:
        return states.nothing(words, "nothing_spent")
    shape = scene.funnel.shape()
    units = [stage for stage in (shape.entry, shape.accepted, shape.won) if stage]
    ranked = shape.accepted or shape.won
    order = sorted(costs, key=lambda group: (_cost(costs[group], ranked), group))
    best = order[0] if _cost(costs[order[0]], ranked) < math.inf else ""
    heads = (
        dimension(scene, by),
        tag("th", words("spend"), scope="col", class_="number"),
        *(
            tag("th", shown, scope="col", class_="number")
            for stage in units
            for shown in (scene.title(stage), words("cost_per", stage=scene.title(stage)))
        ),
        tag("th", words("acceptance"), scope="col", class_="number"),
    )
    rows = [
        _row(scene, group, costs[group], units, shares.get(group), best=group == best)
        for group in order[:_MOST]
    ]
    spent = any(one["value"] is not None for found in costs.values() for one in found.values())
    return join(
        (
            "" if spent else states.nothing(words, "nothing_spent"),
            table(words("sources"), heads, rows),
            *(
                tag("p", words("unconverted", what=_apart(scene, one)), class_="note")
                for one in apart
            ),
            reports.notes(scene, report.ignored),
        )
    )


def _cost(found: dict[str, Figure], per: str) -> float:
    value = found[per]["value"] if per in found else None
    return math.inf if value is None else float(value)


def _row(
    scene: Scene,
    group: str,
    found: dict[str, Figure],
    units: list[str],
    share: Figure | None,
    *,
    best: bool,
) -> Markup:
    words = scene.words
    spend = next((one for one in found.values() if one["numerator"] is not None), None)
    mark = tag("span", words("best"), class_="mark well") if best else ""
    cells = []
    for stage in units:
        one = found.get(stage)
        cells.append(number(words.number(one["denominator"] or 0) if one else "—"))
        cells.append(_money(scene, one))
    return tag(
        "tr",
        tag("th", group, " ", mark, scope="row"),
        number(reports.value(scene, spend, spend["numerator"]) if spend else "—"),
        *cells,
        number(
            join((reports.value(scene, share), tag("small", reports.pending(scene, share))))
            if share
            else "—"
        ),
        data_key=group,
    )


def _money(scene: Scene, figure: Figure | None) -> Markup:
    if figure is None:
        return number("—")
    return number(join((reports.value(scene, figure), reports.change(scene, figure))))


def _apart(scene: Scene, figure: Figure) -> str:
    """Return a sum that no rate turns into the reporting currency."""
    amount = scene.words.number(figure["numerator"] or 0, 2)
    return f"{amount} {figure['dimensions']['unconverted']}"


CARD = Card("sources", gather, draw)
