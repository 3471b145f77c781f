"""Service levels that fell due in the period: how many were met, clock by clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.live import reports
from streams.live.card import Card
from streams.live.drawing import Markup, join, number, table, tag

from . import states
from .filters import dimension

if TYPE_CHECKING:
    from streams.live.figures import Figures
    from streams.live.reports import Figure, Report
    from streams.live.scene import Scene
    from streams.live.view import View


def gather(figures: Figures, view: View) -> Report:
    """Ask for them, and for how fast the next team is."""
    return reports.ask(figures, view, "sla", "speed_to_lead")


def draw(document: Report, scene: Scene) -> Markup:
    """Draw a row a clock, the worst first; what nobody can measure is shown as such."""
    words, by = scene.words, scene.view.by
    found = document.of("sla")
    if not found:
        return states.nothing(words, "nothing_fell_due")
    ordered = sorted(found, key=lambda one: 2.0 if one["value"] is None else one["value"])
    heads = (
        words("clock"),
        *([dimension(scene, by)] if by else []),
        *(tag("th", words(name), scope="col", class_="number") for name in ("met", "share")),
    )
    shown = table(words("service_levels"), heads, [_row(scene, one) for one in ordered])
    return join((shown, _speed(scene, document), reports.notes(scene, document.ignored)))


def _row(scene: Scene, figure: Figure) -> Markup:
    words, by = scene.words, scene.view.by
    clock = scene.funnel.shown_clock(figure["dimensions"]["clock"])
    group = [tag("td", reports.grouped(scene, by, figure))] if by else []
    if not figure["dimensions"]["measured"]:
        blank = number("—"), number(words("not_measured"))
        return tag("tr", tag("th", clock, scope="row"), *group, *blank)
    of = words(
        "of",
        part=words.number(figure["numerator"] or 0),
        whole=words.number(figure["denominator"] or 0),
    )
    share = join((reports.value(scene, figure), reports.change(scene, figure)))
    return tag("tr", tag("th", clock, scope="row"), *group, number(of), number(share))


def _speed(scene: Scene, document: Report) -> Markup:
    words, by = scene.words, scene.view.by
    found = [one for one in document.of("speed_to_lead") if "leg" in one["dimensions"]]
    if not found:
        return Markup("")
    rows = [
        (
            tag("th", _leg(scene, one["dimensions"]["leg"]), scope="row"),
            *([reports.grouped(scene, by, one)] if by else []),
            number(words("infinite") if one["value"] is None else reports.value(scene, one)),
            number(reports.pending(scene, one)),
        )
        for one in found
    ]
    heads = (
        words("what"),
        *([dimension(scene, by)] if by else []),
        *(tag("th", words(name), scope="col", class_="number") for name in ("median", "pending")),
    )
    return join((tag("h3", words("speed")), table(words("speed"), heads, rows)))


def _leg(scene: Scene, leg: str) -> str:
    key = f"leg_{leg}"
    return scene.words(key) if scene.words.has(key) else leg


CARD = Card("service_levels", gather, draw)
