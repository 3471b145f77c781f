"""Targets that both teams share: what was reached, and whether the pace is enough."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

from streams.live import reports
from streams.live.card import Card
from streams.live.drawing import Markup, number, table, tag

from . import states

if TYPE_CHECKING:
    from streams.live.figures import Figures
    from streams.live.reports import Figure, Report
    from streams.live.scene import Scene
    from streams.live.view import View


def gather(figures: Figures, view: View) -> Report:
    """Ask for the targets that fall into the period."""
    return reports.ask(figures, view, "attainment", by="")


def draw(document: Report, scene: Scene) -> Markup:
    """Draw a row a target, the one furthest behind first."""
    words = scene.words
    found = document.of("attainment", measure="attainment")
    if not found:
        return states.nothing(words, "nothing_targeted")
    paces = {_key(one): one for one in document.of("attainment", measure="pace")}
    ordered = sorted(found, key=lambda one: _value(paces.get(_key(one))) or _value(one) or 0.0)
    heads = (
        words("metric"),
        words("dimension_owner"),
        words("period"),
        *(
            tag("th", words(name), scope="col", class_="number")
            for name in ("target", "actual", "attainment", "pace")
        ),
        words("state"),
    )
    return table(
        words("targets"), heads, [_row(scene, one, paces.get(_key(one))) for one in ordered]
    )


def _key(figure: Figure) -> tuple[str, ...]:
    return tuple(str(value) for name, value in figure["dimensions"].items() if name != "measure")


def _value(figure: Figure | None) -> float | None:
    return None if figure is None else figure["value"]


def _row(scene: Scene, figure: Figure, pace: Figure | None) -> Markup:
    words, of = scene.words, figure["dimensions"]
    first, last = (date.fromisoformat(of[name]) for name in ("start", "end"))
    days = words("span_of", first=words.day(first), last=words.day(last))
    # A share needs no pace: it should stand at its target all the time.
    enough = _value(pace) if pace else _value(figure)
    state, mark = ("on_pace", "well") if enough is not None and enough >= 1 else ("behind", "late")
    shown = tag("span", words(state), class_=f"mark {mark}") if enough is not None else "—"
    return tag(
        "tr",
        tag("th", _name(scene, of), scope="row"),
        tag("td", of["owner"]),
        tag("td", days),
        number(_amount(scene, of["metric"], figure["denominator"])),
        number(_amount(scene, of["metric"], figure["numerator"])),
        number(words.percent(figure["value"], 0) if figure["value"] is not None else "—"),
        number(words.percent(pace["value"], 0) if pace and pace["value"] is not None else "—"),
        tag("td", shown),
        data_key="|".join(_key(figure)),
    )


def _name(scene: Scene, of: dict[str, str]) -> str:
    words = scene.words
    scope = json.loads(of["scope"]) if of["scope"] else {}
    shown = scene.funnel.shown(scope)
    key = f"metric_{of['metric']}"
    named = words(key) if words.has(key) else of["metric"].replace("_", " ")
    return ": ".join([named, *([", ".join(map(str, shown.values()))] if shown else [])])


def _amount(scene: Scene, metric: str, value: float | None) -> str:
    """Return a target in its metric's own unit."""
    if value is None:
        return "—"
    return reports.in_unit(scene, metric, float(value))


CARD = Card("targets", gather, draw)
