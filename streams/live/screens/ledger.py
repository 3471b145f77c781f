"""The hand-off ledger: accepted, rejected, undecided and pending add up to what was handed off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.live import reports
from streams.live.card import Card
from streams.live.drawing import Markup, join, number, table, tag
from streams.live.figures import BENCHMARKS

from . import states
from .filters import dimension

if TYPE_CHECKING:
    from streams.live.figures import Figures
    from streams.live.reports import Figure, Report
    from streams.live.scene import Scene
    from streams.live.view import View


def gather(figures: Figures, view: View) -> Report:
    """Ask for the three fates of each hand-off."""
    return reports.ask(figures, view, "acceptance", "rejection", "no_decision")


def draw(document: Report, scene: Scene) -> Markup:
    """Draw a row a hand-off and group, then the reasons of rejections."""
    words, by = scene.words, scene.view.by
    given = [one for one in document.of("acceptance") if "handoff" in one["dimensions"]]
    if why := next((one["dimensions"].get("why") for one in document.of("acceptance")), ""):
        return tag("p", words("not_here", why=why), class_="note")
    if not given:
        return states.nothing(words, "nothing_handed")
    heads = [words("page_handoffs"), *([dimension(scene, by)] if by else [])]
    heads += [
        tag("th", words(name), scope="col", class_="number")
        for name in ("handed", "accepted", "rejected", "no_decision", "pending", "acceptance")
    ]
    rows = [_row(scene, document, one) for one in given]
    shares = {name: words.percent(share, 0) for name, share in BENCHMARKS.items()}
    return join(
        (
            table(words("ledger"), (*heads, words("progress")), rows),
            reports.legend(scene),
            tag("p", words("benchmarks", **shares), class_="note"),
            tag("p", words("ledger_note"), class_="note"),
            reports.notes(scene, document.ignored),
            _reasons(scene, document),
        )
    )


def _row(scene: Scene, document: Report, figure: Figure) -> Markup:
    words, by = scene.words, scene.view.by
    key = dict(figure["dimensions"])
    rejected = sum(int(one["numerator"] or 0) for one in document.of("rejection", **key))
    undecided = sum(int(one["numerator"] or 0) for one in document.of("no_decision", **key))
    accepted, waiting, lost = reports.parts(figure)
    group = [tag("td", reports.grouped(scene, by, figure))] if by else []
    return tag(
        "tr",
        tag("th", scene.title(key["handoff"]), scope="row"),
        *group,
        number(words.number(figure["n"])),
        number(words.number(accepted)),
        number(words.number(rejected)),
        number(words.number(undecided)),
        tag("td", words.number(waiting), class_="number hatched"),
        number(join((reports.value(scene, figure), reports.change(scene, figure)))),
        tag("td", reports.bar(scene, accepted, waiting, lost)),
        data_key="|".join(map(str, key.values())),
    )


def _reasons(scene: Scene, document: Report) -> Markup:
    words, by = scene.words, scene.view.by
    found = [one for one in document.of("rejection") if one["dimensions"].get("reason")]
    if not found:
        return Markup("")
    ordered = sorted(found, key=lambda one: -(one["numerator"] or 0))
    heads = (
        words("reason"),
        *([dimension(scene, by)] if by else []),
        *(tag("th", words(name), scope="col", class_="number") for name in ("count", "share")),
    )
    rows = [
        (
            one["dimensions"]["reason"],
            *([reports.grouped(scene, by, one)] if by else []),
            number(words.number(one["numerator"] or 0)),
            number(reports.value(scene, one)),
        )
        for one in ordered
    ]
    head = tag("h3", words("rejections"))
    return join((head, table(words("rejections"), heads, rows)))


CARD = Card("ledger", gather, draw)
