"""Parts that lists of leads share: who must act, a record's link, heads that sort, pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.live.drawing import Markup, aloud, join, link, outside, table, tag
from streams.live.view import ROWS

from .duties import must, who

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.live.scene import Scene


def acting(scene: Scene, row: dict[str, Any]) -> Markup:
    """Return who must do what, as one cell."""
    words = scene.words
    return tag(
        "td",
        tag("strong", who(words, row["owner"], row["team"])),
        tag("br"),
        must(words, row["must"]),
    )


def bounded(
    scene: Scene,
    document: dict[str, Any],
    caption: str,
    heads: tuple[str, ...],
    row: Callable[[Scene, dict[str, Any]], Markup],
) -> Markup:
    """Return the first rows of a list as a table, under how many of all they are."""
    words = scene.words
    rows = [row(scene, one) for one in document["rows"]]
    shown = words("shown_of", n=document["total"], shown=words.number(len(rows)))
    return join((tag("p", shown, class_="total"), table(words(caption), heads, rows)))


def record(scene: Scene, row: dict[str, Any]) -> Markup:
    """Return a link to a lead's CRM record, or nothing."""
    words = scene.words
    if not row["record_url"]:
        return tag("td", aloud(words("no_record")))
    name = words("record_of", lead=row["lead"][:8])
    return tag("td", outside(row["record_url"], words("record"), aria_label=name))


def sorting(scene: Scene, name: str, shown: str) -> Markup:
    """Return a column's head that sorts by it, and turns the order round the next time."""
    now = scene.view.sort or "late"
    reverse = f"-{name}" if now == name else name
    state = {name: "ascending", f"-{name}": "descending"}.get(now)
    arrow = {"ascending": " ▲", "descending": " ▼"}.get(state or "", "")
    address = scene.link(scene.view.but(sort=reverse))
    mark = tag("span", arrow, aria_hidden="true")
    return tag("th", link(address, join((shown, mark))), scope="col", aria_sort=state)


def pages(scene: Scene, total: int) -> Markup:
    """Return where in a list one is, and the ways to its other pages."""
    words, view = scene.words, scene.view
    if total <= ROWS:
        return Markup("")
    first, last = (view.page - 1) * ROWS + 1, min(view.page * ROWS, total)
    shown = words(
        "rows", first=words.number(first), last=words.number(last), total=words.number(total)
    )
    before = link(scene.link(view.but(page=view.page - 1)), words("page_before"))
    after = link(scene.link(view.but(page=view.page + 1)), words("page_after"))
    ways = [before] * (view.page > 1) + [after] * (last < total)
    return tag("nav", tag("span", shown), *ways, class_="pages", aria_label=words("pages"))


def late(scene: Scene, row: dict[str, Any]) -> str:
    """Return how late a row is, in words."""
    return scene.words.late((scene.now - row["due_at"]).total_seconds())
