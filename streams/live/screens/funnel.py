"""The funnel by step: who entered, of them who went on, and who still may: pending is hatched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.live.card import Card
from streams.live.drawing import Markup, join, number, table, tag
from streams.live.figures import BENCHMARKS

from . import states

if TYPE_CHECKING:
    from streams.live.figures import Figures
    from streams.live.scene import Scene
    from streams.live.view import View


def gather(figures: Figures, view: View) -> dict[str, Any]:
    """Ask for entries, who stands where, and of each step's cohort who went on."""
    counts = figures.funnel_now(view.only("source"), view.only("segment"), view.only("owner"))
    found = figures.kpis(names=("step_conversion", "acceptance"))
    return {
        "stages": {row["stage"]: (row["entered"], row["open"]) for row in counts},
        "steps": [one for one in found if one["kpi"] == "step_conversion"],
        "acceptance": [one for one in found if one["kpi"] == "acceptance"],
    }


def draw(document: dict[str, Any], scene: Scene) -> Markup:
    """Draw one row a stage, in the funnel's order."""
    words, stages = scene.words, document["stages"]
    if not stages:
        return states.nothing(words, "nothing_entered")
    order = [*scene.funnel.stages, *stages]
    steps = {one["dimensions"]["stage"]: one for one in document["steps"]}
    rows = [
        _row(scene, stage, stages[stage], steps.get(stage))
        for stage in dict.fromkeys(order)
        if stage in stages
    ]
    heads = (
        words("stage"),
        tag("th", words("entered"), scope="col", class_="number"),
        tag("th", words("standing"), scope="col", class_="number"),
        tag("th", words("to_next"), scope="col", class_="number"),
        words("progress"),
    )
    shown = table(words("funnel"), heads, rows, class_="funnel")
    return join((shown, _legend(scene), _acceptance(scene, document["acceptance"])))


def _row(scene: Scene, stage: str, counts: tuple[int, int], step: Any) -> Markup:
    words, (entered, standing) = scene.words, counts
    share = step["value"] if step else None
    return tag(
        "tr",
        tag("th", scene.title(stage), scope="row"),
        number(words.number(entered), data_entered=entered),
        number(words.number(standing), data_standing=standing),
        number(words.percent(share) if share is not None else ""),
        tag("td", bar(scene, step) if step else ""),
        data_stage=stage,
        data_key=stage,
    )


def bar(scene: Scene, step: dict[str, Any]) -> Markup:
    """Draw of a cohort who went on, who is pending (hatched), and the rest."""
    words, whole = scene.words, step["n"] or 0
    reached, pending = int(step["numerator"] or 0), int(step["pending"] or 0)
    shown = words(
        "step_bar",
        reached=words.number(reached),
        pending=words.number(pending),
        lost=words.number(max(0, whole - reached - pending)),
    )
    parts = [
        tag("span", class_=name, style=f"width:{100 * part / whole:.2f}%")
        for name, part in (("reached", reached), ("pending", pending))
        if whole
    ]
    return tag("div", *parts, class_="bar", role="img", aria_label=shown, title=shown)


def _legend(scene: Scene) -> Markup:
    names = {"reached": "legend_reached", "pending": "pending", "lost": "legend_lost"}
    keys = (
        tag("li", tag("span", class_=f"key {name}"), scene.words(text))
        for name, text in names.items()
    )
    return tag("ul", *keys, class_="legend", aria_hidden="true")


def _acceptance(scene: Scene, figures: list[dict[str, Any]]) -> Markup:
    """Draw how many were accepted, hand-off by hand-off, beside what other firms have."""
    words, shown = scene.words, []
    for one in figures:
        if one["value"] is None:  # the funnel hands nobody off
            shown.append(words("not_here", why=one["dimensions"].get("why", "")))
            continue
        of = words(
            "of", part=words.number(one["numerator"]), whole=words.number(one["denominator"])
        )
        pending = words("pending_n", n=one["pending"])
        share = words.percent(one["value"])
        shown.append(f"{scene.title(one['dimensions']['handoff'])} {share} ({of}, {pending})")
    if not shown:
        return Markup("")
    shares = {name: words.percent(share, 0) for name, share in BENCHMARKS.items()}
    return tag(
        "p",
        tag("strong", words("acceptance")),
        f" {'; '.join(shown)}. {words('benchmarks', **shares)}",
        class_="acceptance",
    )


CARD = Card("funnel", gather, draw)
