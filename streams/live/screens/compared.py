"""Side by side: headline figures by team, source or owner, beside those of the period before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.live import reports
from streams.live.card import Card
from streams.live.drawing import Markup, join, table, tag

from . import states
from .filters import dimension

if TYPE_CHECKING:
    from streams.live.figures import Figures
    from streams.live.reports import Figure, Report
    from streams.live.scene import Scene
    from streams.live.view import View

_MOST = 50  # groups


def gather(figures: Figures, view: View) -> Report | None:
    """Ask for the figures of each group; nothing until somebody says by what."""
    if not view.by:
        return None
    return reports.ask(figures, view, "inflow", "acceptance", "sla", "win_rate", "revenue")


def draw(document: Report | None, scene: Scene) -> Markup:
    """Draw one row a group, one column a figure."""
    words, by = scene.words, scene.view.by
    if document is None:
        return states.nothing(words, "choose_split")
    columns: dict[str, dict[str, Figure]] = {}
    groups: dict[str, float] = {}
    for one in document.figures:
        name = _column(scene, one)
        if name and by in one["dimensions"]:
            group = reports.grouped(scene, by, one)
            columns.setdefault(name, {})[group] = one
            size = one["n"] if one["kpi"] == "inflow" else 0
            groups[group] = groups.get(group, 0) + (size or 0)
    if not groups:
        return states.nothing(words, "nothing_entered")
    ladder = [words("kpi_inflow", stage=scene.title(one)) for one in scene.funnel.ladder]
    names = sorted(columns, key=lambda name: [*ladder, name].index(name))
    order = sorted(groups, key=lambda group: (-groups[group], group))[:_MOST]
    heads = (
        dimension(scene, by),
        *(tag("th", name, scope="col", class_="number") for name in names),
    )
    rows = [
        tag(
            "tr",
            tag("th", group, scope="row"),
            *(_cell(scene, columns[name].get(group)) for name in names),
            data_key=group,
        )
        for group in order
    ]
    shown = table(words("compared"), heads, rows)
    return join((shown, reports.notes(scene, document.ignored)))


def _column(scene: Scene, figure: Figure) -> str:
    """Return a figure's column, or nothing for one that is left out here."""
    words, dimensions = scene.words, figure["dimensions"]
    match figure["kpi"]:
        case "inflow" if scene.funnel.shape().index(dimensions["stage"]) >= 0:
            return words("kpi_inflow", stage=scene.title(dimensions["stage"]))
        case "acceptance" if "handoff" in dimensions:
            return words("kpi_acceptance", stage=scene.title(dimensions["handoff"]))
        case "sla" if dimensions.get("measured"):
            return scene.funnel.shown_clock(dimensions["clock"])
        case "win_rate" if figure["basis"] == "period":
            return words("kpi_win_rate")
        case "revenue" if not dimensions.get("unconverted"):
            return words("kpi_revenue")
        case _:
            return ""


def _cell(scene: Scene, figure: Figure | None) -> Markup:
    if figure is None:
        return tag("td", "—", class_="number")
    waiting = reports.pending(scene, figure)
    return tag(
        "td",
        reports.value(scene, figure),
        tag("small", waiting) if waiting else "",
        reports.change(scene, figure),
        class_="number",
    )


CARD = Card("compared", gather, draw)
