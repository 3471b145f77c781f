"""New leads over time, by source or by what the visitor splits by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.live.card import Card
from streams.live.drawing import Markup, number, table, tag

from . import states

if TYPE_CHECKING:
    from streams.live.figures import Figures
    from streams.live.palette import Palette
    from streams.live.scene import Scene
    from streams.live.view import View

_SERIES = 8  # the smaller ones are one


def gather(figures: Figures, view: View) -> list[dict[str, Any]]:
    """Ask for new journeys by day and source; `day` is text, `name` the source's."""
    days = (view.first.isoformat(), view.last.isoformat())
    return [
        {"day": row["day"], "name": row["source"], "n": row["n"]}
        for row in figures.inflow()
        if days[0] <= row["day"] <= days[1]
    ]


def draw(document: list[dict[str, Any]], scene: Scene) -> Markup:
    """Draw the sums as a table that opens under the chart."""
    words = scene.words
    if not document:
        return states.nothing(words, "nothing_entered")
    sums: dict[str, int] = {}
    for row in document:
        sums[row["name"]] = sums.get(row["name"], 0) + int(row["n"])
    rows = [
        (_name(scene, name), number(words.number(n)))
        for name, n in sorted(sums.items(), key=lambda one: -one[1])
    ]
    shown = table(words("inflow"), (words("source"), words("entered")), rows)
    return tag("details", tag("summary", words("as_table")), shown)


def _name(scene: Scene, name: str) -> str:
    return scene.words("unattributed") if name in ("", "unattributed") else name


def chart(document: list[dict[str, Any]], scene: Scene, palette: Palette) -> dict[str, Any]:
    """Return stacked bars, one series a name, the largest first."""
    days = sorted({row["day"] for row in document})
    sums: dict[str, int] = {}
    counts: dict[tuple[str, str], int] = {}
    for row in document:
        sums[row["name"]] = sums.get(row["name"], 0) + int(row["n"])
        counts[row["day"], row["name"]] = int(row["n"])
    names = sorted(sums, key=lambda name: (-sums[name], name))[:_SERIES]
    text = {"color": palette.ink}
    return {
        "animation": False,
        "color": list(palette.series),
        "tooltip": {**palette.tooltip(), "trigger": "axis"},
        "legend": {"type": "scroll", "textStyle": text, "top": 0},
        "grid": {"left": 8, "right": 8, "bottom": 8, "top": 40, "containLabel": True},
        "xAxis": {
            "type": "category",
            "data": [day[5:] for day in days],
            "axisLabel": {"color": palette.quiet},
            "axisLine": {"lineStyle": {"color": palette.line}},
        },
        "yAxis": {
            "type": "value",
            "minInterval": 1,
            "axisLabel": {"color": palette.quiet},
            "splitLine": {"lineStyle": {"color": palette.line, "opacity": 0.4}},
        },
        "series": [
            {
                "type": "bar",
                "stack": "all",
                "name": _name(scene, name),
                "data": [counts.get((day, name), 0) for day in days],
            }
            for name in names
        ],
    }


CARD = Card("inflow", gather, draw, chart)
