"""The cohort triangle: of who entered in a week, how many had come so far after so many weeks."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from streams.live import work
from streams.live.card import Card
from streams.live.drawing import Markup, aloud, join, link, table, tag
from streams.live.scene import start_of

from . import states

if TYPE_CHECKING:
    from streams.live.figures import Figures
    from streams.live.scene import Scene
    from streams.live.view import View

WEEKS = 12


def gather(figures: Figures, view: View) -> dict[str, Any]:
    """Ask for the twelve weeks before the end of the period, or before now."""
    shape = figures.funnel.shape()
    target = view.per if view.per in shape.ladder[1:] else shape.qualifying
    return {"target": target, "rows": work.cohorts(figures, view, target, view.until)}


def draw(document: dict[str, Any], scene: Scene) -> Markup:
    """Draw one row a week; what has not had its time is hatched, not low."""
    words = scene.words
    ladder = scene.funnel.shape().ladder
    ways = join(
        tag(
            "li",
            link(
                scene.link(scene.view.but(per=stage)),
                scene.title(stage),
                aria_current="true" if stage == document["target"] else None,
            ),
        )
        for stage in ladder[1:]
    )
    chosen = tag("ul", ways, class_="chips", aria_label=words("cohort_target"))
    if not document["rows"]:
        return join((chosen, states.nothing(words, "nothing_entered")))
    reached = words("cohort_reached", stage=scene.title(document["target"]))
    entry = scene.title(scene.funnel.shape().entry)
    heads = (
        words("cohort_week"),
        words("cohort_size", stage=entry),
        *(tag("th", words.number(week + 1), scope="col", class_="number") for week in range(WEEKS)),
    )
    rows = [_row(scene, row) for row in document["rows"]]
    return join(
        (
            chosen,
            tag("p", reached, class_="note"),
            table(words("cohorts"), heads, rows, class_="triangle"),
        )
    )


def _row(scene: Scene, row: dict[str, Any]) -> Markup:
    words, cells, came = scene.words, [], 0
    end = start_of(row["week"], scene.view.zone) + timedelta(days=7)
    for week, n in enumerate(row["reached"]):
        came += n
        share = came / row["size"]
        begun, over = (end + timedelta(days=7 * (week + more)) for more in (-1, 1))
        if begun > scene.now:  # nobody of this week can have come so far in time
            cells.append(tag("td"))
            continue
        pending = over > scene.now
        shown = words.percent(share, 0)
        heard = aloud(f" ({words('pending')})") if pending else ""
        depth = min(9, int(share * 10))
        cells.append(
            tag(
                "td",
                shown,
                heard,
                class_=f"number heat-{depth}{' hatched' if pending else ''}",
                title=words("of", part=words.number(came), whole=words.number(row["size"])),
            )
        )
    head = tag("th", words.day(row["week"]), scope="row")
    size = tag("td", words.number(row["size"]), class_="number")
    return tag("tr", head, size, *cells)


CARD = Card("cohorts", gather, draw)
