"""About to breach: clocks of which three quarters have passed. The next due comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.live import work
from streams.live.card import Card
from streams.live.drawing import Markup, tag

from . import lists, states

if TYPE_CHECKING:
    from streams.live.figures import Figures
    from streams.live.scene import Scene
    from streams.live.view import View


def gather(figures: Figures, view: View) -> dict[str, Any]:
    """Ask for the first of the list and the total."""
    return work.due(figures, view)


def draw(document: dict[str, Any], scene: Scene) -> Markup:
    """Draw who must act, and how long there is."""
    words = scene.words
    if not document["rows"]:
        return states.nothing(words, "nothing_due")
    heads = (
        words("lead"),
        words("who_acts"),
        words("time_left"),
        scene.timed(words("due_at")),
        words("stage"),
        words("record"),
    )
    return lists.bounded(scene, document, "due_leads", heads, _row)


def _row(scene: Scene, row: dict[str, Any]) -> Markup:
    left = (row["due_at"] - scene.now).total_seconds()
    words = scene.words
    shown = words("in_time", span=words.span(left)) if left >= 0 else words.late(-left)
    return tag(
        "tr",
        tag("td", scene.lead(row["lead"])),
        lists.acting(scene, row),
        tag("td", shown),
        tag("td", scene.moment(row["due_at"])),
        tag("td", scene.title(row["stage"])),
        lists.record(scene, row),
        data_key=f"{row['lead']}{row['clock']}",
    )


CARD = Card("due", gather, draw)
