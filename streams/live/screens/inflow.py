"""New leads over time, by source or by what the visitor splits by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.live import reports
from streams.live.card import Card
from streams.live.drawing import Markup, join, number, table, tag

from . import states
from .filters import dimension

if TYPE_CHECKING:
    from streams.live.figures import Figures
    from streams.live.palette import Palette
    from streams.live.scene import Scene
    from streams.live.view import View

_SERIES = 8  # the smaller ones are left to the table
_DAYS, _WEEKS = 62, 366


def gather(figures: Figures, view: View) -> dict[str, Any]:
    """Ask for entries into the first stage by day; a longer period goes by week, or by month."""
    long = (view.until - view.begin).days
    trend = "day" if long <= _DAYS else "week" if long <= _WEEKS else "month"
    by = view.by or "source"
    report = reports.ask(figures, view, "inflow", by=by, trend=trend)
    found = report.of("inflow", stage=figures.funnel.shape().entry)
    return {"figures": found, "by": by, "ignored": report.ignored}


def draw(document: dict[str, Any], scene: Scene) -> Markup:
    """Draw the sums as a table that opens under the chart."""
    words, by = scene.words, document["by"]
    if not document["figures"]:
        return states.nothing(words, "nothing_entered")
    rows = [(name, number(words.number(n))) for name, n in _sums(document, scene).items()]
    shown = table(words("inflow"), (dimension(scene, by), words("entered")), rows)
    whole = tag("details", tag("summary", words("as_table")), shown)
    return join((whole, reports.notes(scene, document["ignored"])))


def _sums(document: dict[str, Any], scene: Scene) -> dict[str, int]:
    """Return the sum of each group, the largest first."""
    sums: dict[str, int] = {}
    for one in document["figures"]:
        name = reports.grouped(scene, document["by"], one)
        sums[name] = sums.get(name, 0) + int(one["value"])
    return dict(sorted(sums.items(), key=lambda one: (-one[1], one[0])))


def chart(document: dict[str, Any], scene: Scene, palette: Palette) -> dict[str, Any]:
    """Return stacked bars, one series a group; nothing for a period without entries."""
    if not document["figures"]:
        return {}
    days = sorted({one["dimensions"]["bucket"] for one in document["figures"]})
    counts: dict[tuple[str, str], int] = {}
    for one in document["figures"]:
        name = reports.grouped(scene, document["by"], one)
        counts[one["dimensions"]["bucket"], name] = int(one["value"])
    return {
        "animation": False,
        "color": list(palette.series),
        "tooltip": {**palette.tooltip(), "trigger": "axis"},
        "legend": {"type": "scroll", "textStyle": {"color": palette.ink}, "top": 0},
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
                "name": name,
                "data": [counts.get((day, name), 0) for day in days],
            }
            for name in [*_sums(document, scene)][:_SERIES]
        ],
    }


CARD = Card("inflow", gather, draw, chart)
