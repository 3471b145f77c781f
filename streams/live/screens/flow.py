"""The flow between stages in a period, as a Sankey whose labels stand on their nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.live import work
from streams.live.card import Card
from streams.live.drawing import Markup, number, table, tag

from . import states

if TYPE_CHECKING:
    from streams.live.figures import Figures
    from streams.live.palette import Palette
    from streams.live.scene import Scene
    from streams.live.view import View


def gather(figures: Figures, view: View) -> list[dict[str, Any]]:
    """Ask for the moves."""
    return work.flow(figures, view, view.begin, view.until)


def draw(document: list[dict[str, Any]], scene: Scene) -> Markup:
    """Draw the moves as a table that opens under the chart."""
    words = scene.words
    if not document:
        return states.nothing(words, "nothing_moved")
    rows = [
        (scene.title(row["from_stage"]), scene.title(row["to_stage"]), _count(scene, row["n"]))
        for row in document
    ]
    heads = (words("from"), words("to"), words("moves"))
    shown = table(words("flow"), heads, rows)
    return tag("details", tag("summary", words("as_table")), shown)


def _count(scene: Scene, n: int) -> Markup:
    return number(scene.words.number(n))


def chart(document: list[dict[str, Any]], scene: Scene, palette: Palette) -> dict[str, Any]:
    """Return the chart's options. A Sankey can't show a circle: a move back ends in "again"."""
    links = _links(document, scene)
    names = dict.fromkeys(name for one in links for name in (one["source"], one["target"]))
    return {
        "animation": False,
        "tooltip": palette.tooltip(),
        "color": list(palette.series),
        "series": [
            {
                "type": "sankey",
                "left": 8,
                "right": 110,  # where the labels of the last nodes stand, beside their own
                "top": 8,
                "bottom": 8,
                "nodeGap": 14,
                "data": [{"name": name} for name in names],
                "links": links,
                "lineStyle": {"color": "gradient", "opacity": 0.35},
                "label": {
                    "color": palette.ink,
                    "textBorderColor": palette.paper,
                    "textBorderWidth": 3,
                    "fontSize": 12,
                },
            }
        ],
    }


def _links(document: list[dict[str, Any]], scene: Scene) -> list[dict[str, Any]]:
    shape, titles = scene.funnel.shape(), scene.titles
    ends = (row[end] for row in document for end in ("from_stage", "to_stage"))
    order = list(dict.fromkeys([*shape.ladder, *titles, *ends]))
    links = []
    for row in document:
        back = (
            order.index(row["to_stage"]) < order.index(row["from_stage"])
            or row["from_stage"] == shape.nurture
        )
        source, to = scene.title(row["from_stage"]), scene.title(row["to_stage"])
        target = scene.words("again", stage=to) if back else to
        links.append({"source": source, "target": target, "value": row["n"]})
    return links


CARD = Card("flow", gather, draw, chart)
