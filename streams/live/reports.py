"""Figures on a card: asked as everybody asks, drawn with what is pending and what was before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sinks.clickhouse import catalogue

from .drawing import Markup, aloud, tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .figures import Figures
    from .scene import Scene
    from .view import View

_BETTER = {"higher": 1, "lower": -1}
Figure = dict[str, Any]


class Report(NamedTuple):
    """Figures of a period, and the filters that none of them has."""

    figures: list[Figure]
    ignored: tuple[str, ...]

    def of(self, kpi: str, **dimensions: object) -> list[Figure]:
        """Return the figures of a KPI with these dimensions."""
        return [
            one
            for one in self.figures
            if one["kpi"] == kpi and dimensions.items() <= one["dimensions"].items()
        ]


def ask(figures: Figures, view: View, *kpis: str, by: str | None = None, trend: str = "") -> Report:
    """Ask for KPIs as a view has them, or split otherwise, or as a trend."""
    asked, ignored = view.asked(figures.funnel, *kpis, by=by, trend=trend)
    return Report(figures.report(asked)["figures"], ignored)


def notes(scene: Scene, ignored: Iterable[str]) -> Markup:
    """Draw which filters these figures do not know: what was not applied is never silent."""
    names = ", ".join(ignored)
    return (
        tag("p", scene.words("not_filtered", names=names), class_="note") if names else Markup("")
    )


def value(scene: Scene, figure: Figure, what: float | None = None) -> str:
    """Return a figure's value, or another one in its unit, as people read it."""
    words, shown = scene.words, figure["value"] if what is None else what
    if shown is None:
        return "—"
    match figure["format"]:
        case "percent":
            return words.percent(shown)
        case "currency":
            currency = figure["dimensions"].get("currency") or scene.funnel.reporting.currency
            return words.money(shown, currency)
        case "days" | "hours" | "minutes" as unit:
            return words(unit, n=round(shown))
        case "integer":
            return words.number(shown)
        case _:
            return words.number(shown, 1)


def in_unit(scene: Scene, kpi: str, amount: float) -> str:
    """Return an amount in the unit of a KPI, as a target of it is stated."""
    try:
        unit = catalogue.named(kpi).format
    except ValueError:  # a target of a figure that no longer exists
        unit = "decimal"
    return value(scene, {"value": amount, "format": unit, "dimensions": {}})


def change(scene: Scene, figure: Figure) -> Markup:
    """Draw how a figure differs from that of the period before, and whether that is better."""
    old, new, words = figure.get("previous"), figure["value"], scene.words
    if "previous" not in figure:
        return Markup("")
    if old is None or new is None:
        return tag("small", words("before_none"))
    if figure["format"] == "percent":
        points = words.number(100 * (new - old), 1)
        shown = words("points", n=f"+{points}" if new > old else points)
    elif old:
        share = words.percent((new - old) / abs(old), 0)
        shown = f"+{share}" if new > old else share
    else:
        shown = ""
    sign = (new > old) - (new < old)
    good = sign * _BETTER.get(figure["better"], 0)
    verdict = {1: "better", -1: "worse"}.get(good)
    heard = aloud(f" ({words(f'is_{verdict}')})") if verdict else ""
    was = words("before_was", value=value(scene, figure, old))
    return tag("small", was, f", {shown}" if shown else "", heard, class_=verdict)


def pending(scene: Scene, figure: Figure) -> str:
    """Return how many of a cohort still may get there; empty where nobody can."""
    return scene.words("pending_n", n=figure["pending"]) if figure["pending"] else ""


def grouped(scene: Scene, by: str, figure: Figure) -> str:
    """Return the group that a figure is of, as people read it."""
    found = figure["dimensions"].get(by)
    if found is None:
        return scene.words("all")
    return str(found) or scene.words("unattributed")


def parts(figure: Figure) -> tuple[int, int, int]:
    """Return of a cohort how many got there, how many still may, and how many did not.

    A cohort's numerator is of its mature members only; who got there early is no less there.
    """
    lost = int((figure["denominator"] or 0) - (figure["numerator"] or 0))
    waiting = int(figure["pending"] or 0)
    return max(0, int(figure["n"] or 0) - lost - waiting), waiting, lost


def bar(scene: Scene, reached: int, waiting: int, lost: int) -> Markup:
    """Draw of a cohort who went on, who is pending (hatched), and the rest."""
    words, whole = scene.words, reached + waiting + lost
    shown = words(
        "step_bar",
        reached=words.number(reached),
        pending=words.number(waiting),
        lost=words.number(lost),
    )
    spans = [
        tag("span", class_=name, style=f"width:{100 * part / whole:.2f}%")
        for name, part in (("reached", reached), ("pending", waiting))
        if whole
    ]
    return tag("div", *spans, class_="bar", role="img", aria_label=shown, title=shown)


def legend(scene: Scene) -> Markup:
    """Draw what the parts of a bar mean; each bar says it by itself to who hears the page."""
    names = {"reached": "legend_reached", "pending": "pending", "lost": "legend_lost"}
    keys = (
        tag("li", tag("span", class_=f"key {name}"), scene.words(text))
        for name, text in names.items()
    )
    return tag("ul", *keys, class_="legend", aria_hidden="true")
