"""At a glance: the few figures that marketing and sales both answer for, mature cohorts only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.live import reports
from streams.live.card import Card
from streams.live.drawing import Markup, join, tag
from streams.live.figures import BENCHMARKS

from . import states

if TYPE_CHECKING:
    from streams.live.figures import Figures
    from streams.live.reports import Figure, Report
    from streams.live.scene import Scene
    from streams.live.view import View


def gather(figures: Figures, view: View) -> Report:
    """Ask for entries, acceptance, deals won and revenue."""
    return reports.ask(figures, view, "inflow", "acceptance", "win_rate", "revenue", by="")


def draw(document: Report, scene: Scene) -> Markup:
    """Draw a tile each, with what is pending and what was before."""
    shape = scene.funnel.shape()
    stages = dict.fromkeys((shape.entry, shape.qualifying, shape.won))
    chosen: list[tuple[str, Figure]] = [
        (scene.words("kpi_inflow", stage=scene.title(stage)), one)
        for stage in stages
        for one in document.of("inflow", stage=stage)
    ]
    for one in document.of("acceptance"):
        stage = one["dimensions"].get("handoff", "")
        chosen.append((scene.words("kpi_acceptance", stage=scene.title(stage)), one))
    closed = [one for one in document.of("win_rate") if one["basis"] == "period"]
    chosen += [(scene.words("kpi_win_rate"), one) for one in closed]
    chosen += [
        (scene.words("kpi_revenue"), one)
        for one in document.of("revenue")
        if not one["dimensions"].get("unconverted")
    ]
    if not any(one["n"] for _, one in chosen):
        return states.nothing(scene.words, "nothing_entered")
    tiles = (tile(scene, name, one) for name, one in chosen)
    shares = {name: scene.words.percent(share, 0) for name, share in BENCHMARKS.items()}
    firms = tag("p", scene.words("benchmarks", **shares), class_="note")
    return join((tag("ul", *tiles, class_="tiles"), firms, reports.notes(scene, document.ignored)))


def tile(scene: Scene, name: str, figure: Figure) -> Markup:
    """Draw one figure: what it is, its value, what is pending, what was before."""
    if why := figure["dimensions"].get("why"):
        shown = tag("small", scene.words("not_here", why=why))
        return tag("li", tag("span", name), tag("strong", "—"), shown)
    waiting = reports.pending(scene, figure)
    return tag(
        "li",
        tag("span", name),
        tag("strong", reports.value(scene, figure)),
        tag("small", waiting) if waiting else "",
        reports.change(scene, figure),
        data_kpi=figure["kpi"],
    )


CARD = Card("headlines", gather, draw)
