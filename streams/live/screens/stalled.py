"""Stalled leads: past a service level. Who must do what, how late, the worst first."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from streams.live import work
from streams.live.card import Card
from streams.live.drawing import Markup, join, link, table, tag
from streams.sources import measuring

from . import lists, states
from .duties import must, who

if TYPE_CHECKING:
    from schemas.funnel import Funnel
    from streams.live.figures import Figures
    from streams.live.scene import Scene
    from streams.live.view import View

# A cell that begins so would be a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def gather(figures: Figures, view: View) -> dict[str, Any]:
    """Ask for one page of the list, and for the totals."""
    return {**work.stalled(figures, view), "unmeasured": unmeasured(figures.funnel)}


def unmeasured(funnel: Funnel) -> list[str]:
    """Return the clocks that no enabled source can stop: an empty list would mislead."""
    return [funnel.shown_clock(name) for name in measuring.not_measured(funnel)]


def draw(document: dict[str, Any], scene: Scene) -> Markup:
    """Draw the total by team, and a page of the list."""
    words = scene.words
    blind = _blind(document["unmeasured"], scene)
    if not document["total"]:
        return join((states.nothing(words, "nothing_late"), blind))
    teams = join(
        tag(
            "li",
            link(scene.link(scene.view.filtered("team", team)), team or words("nobody")),
            " ",
            words.number(n),
        )
        for team, n in document["teams"].items()
    )
    heads = (
        words("lead"),
        lists.sorting(scene, "owner", words("who_acts")),
        lists.sorting(scene, "late", words("how_late")),
        scene.timed(words("due_at")),
        lists.sorting(scene, "stage", words("stage")),
        words("source"),
        words("record"),
    )
    return join(
        (
            tag("p", words("stalled_total", n=document["total"]), class_="total"),
            tag("ul", teams, class_="chips", aria_label=words("by_team")),
            blind,
            tag("p", link(f"/stalled.csv?{_query(scene)}", words("csv")), class_="tools"),
            table(words("stalled"), heads, [_row(scene, row) for row in document["rows"]]),
            lists.pages(scene, document["total"]),
        )
    )


def _query(scene: Scene) -> str:
    return scene.link(scene.view).partition("?")[2]


def _row(scene: Scene, row: dict[str, Any]) -> Markup:
    hot = tag("span", scene.words("hot_mark"), class_="mark hot") if row["hot"] else Markup("")
    return tag(
        "tr",
        tag("td", scene.lead(row["lead"]), " ", hot),
        lists.acting(scene, row),
        tag("td", lists.late(scene, row), class_="late"),
        tag("td", scene.moment(row["due_at"])),
        tag("td", scene.title(row["stage"])),
        tag("td", row["source"] or scene.words("unattributed")),
        lists.record(scene, row),
        data_key=row["lead"],
    )


def _blind(names: list[str], scene: Scene) -> Markup:
    if not names:
        return Markup("")
    return tag("p", scene.words("unmeasured", names=", ".join(names)), class_="note")


def export(figures: Figures, scene: Scene) -> str:
    """Return the list as CSV, up to work.EXPORTED rows; the last line says what is missing."""
    words = scene.words
    found = work.stalled(figures, scene.view.but(page=1), work.EXPORTED)
    text = io.StringIO()
    out = csv.writer(text)
    columns = ("lead", "who_acts", "duty", "how_late", "due_at", "stage", "source", "record")
    out.writerow([scene.timed(words(one)) if one == "due_at" else words(one) for one in columns])
    for row in found["rows"]:
        out.writerow(
            _plain(cell)
            for cell in (
                row["lead"],
                who(words, row["owner"], row["team"]),
                must(words, row["must"]),
                lists.late(scene, row),
                row["due_at"].isoformat(timespec="seconds"),
                scene.title(row["stage"]),
                row["source"],
                row["record_url"],
            )
        )
    if missing := found["total"] - len(found["rows"]):
        out.writerow([words("csv_more", n=missing)])
    return text.getvalue()


def _plain(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


CARD = Card("stalled", gather, draw)
