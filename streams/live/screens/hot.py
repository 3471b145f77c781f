"""Hot leads that wait: who asked for a call, and nobody has decided yet. Untouched ones first."""

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
    return work.hot(figures, view)


def draw(document: dict[str, Any], scene: Scene) -> Markup:
    """Draw who waits, for how long, and whether anybody has called."""
    words = scene.words
    if not document["rows"]:
        return states.nothing(words, "nothing_hot")
    heads = (
        words("lead"),
        words("who_acts"),
        words("waiting"),
        scene.timed(words("since")),
        words("touched"),
        words("stage"),
        words("record"),
    )
    return lists.bounded(scene, document, "hot_leads", heads, _row)


def _row(scene: Scene, row: dict[str, Any]) -> Markup:
    words = scene.words
    waits = words.span((scene.now - row["since"]).total_seconds())
    return tag(
        "tr",
        tag("td", scene.lead(row["lead"])),
        lists.acting(scene, row),
        tag("td", waits, class_=None if row["touched"] else "late"),
        tag("td", scene.moment(row["since"])),
        tag("td", words("answer_yes" if row["touched"] else "answer_no")),
        tag("td", scene.title(row["stage"])),
        lists.record(scene, row),
        data_key=row["lead"],
    )


CARD = Card("hot", gather, draw)
