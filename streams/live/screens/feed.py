"""The last moves between stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.live import work
from streams.live.card import Card
from streams.live.drawing import Markup, table, tag

from . import states

if TYPE_CHECKING:
    from streams.live.figures import Figures
    from streams.live.scene import Scene
    from streams.live.view import View


def gather(figures: Figures, view: View) -> list[dict[str, Any]]:
    """Ask for the last moves."""
    return work.feed(figures, view)


def draw(document: list[dict[str, Any]], scene: Scene) -> Markup:
    """Draw them, the newest first."""
    words = scene.words
    if not document:
        return states.nothing(words, "nothing_moved")
    heads = (words("lead"), words("from"), words("to"), words("why"), scene.timed(words("when")))
    rows = [
        tag(
            "tr",
            tag("td", scene.lead(row["lead"])),
            tag("td", scene.title(row["from_stage"]) or "—"),
            tag("td", scene.title(row["to_stage"])),
            tag("td", reason(scene, row)),
            tag("td", scene.moment(row["event_time"])),
            data_key=f"{row['lead']}{row['to_stage']}{row['event_time']}",
        )
        for row in document
    ]
    return table(words("feed"), heads, rows)


def reason(scene: Scene, row: dict[str, Any]) -> str:
    """Return why a lead moved: what happened, and a reason that somebody gave."""
    shown = scene.words.why(row["why"])
    return f"{shown} ({row['reason']})" if row.get("reason") else shown


CARD = Card("feed", gather, draw, of_leads=True)
