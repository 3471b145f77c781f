"""The funnel by step: who entered, of them who went on, and who still may: pending is hatched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.live import reports, work
from streams.live.card import Card
from streams.live.drawing import Markup, join, number, table, tag

from . import states

if TYPE_CHECKING:
    from streams.live.figures import Figures
    from streams.live.reports import Figure
    from streams.live.scene import Scene
    from streams.live.view import View


def gather(figures: Figures, view: View) -> dict[str, Any]:
    """Ask for entries, of each step's cohort who went on, and who stands where now."""
    report = reports.ask(figures, view, "inflow", "step_conversion", by="")
    return {"report": report, "standing": work.standing(figures, view)}


def draw(document: dict[str, Any], scene: Scene) -> Markup:
    """Draw one row a stage, in the funnel's order."""
    words, report, standing = scene.words, document["report"], document["standing"]
    entered = {one["dimensions"]["stage"]: one for one in report.of("inflow")}
    steps = {one["dimensions"]["stage"]: one for one in report.of("step_conversion")}
    order = dict.fromkeys([*scene.funnel.stages, *entered, *standing])
    shown = [stage for stage in order if stage in entered or standing.get(stage)]
    if not shown:
        return states.nothing(words, "nothing_entered")
    rows = [
        _row(scene, stage, entered.get(stage), standing.get(stage, 0), steps.get(stage))
        for stage in shown
    ]
    heads = (
        words("stage"),
        tag("th", words("entered"), scope="col", class_="number"),
        tag("th", words("standing"), scope="col", class_="number"),
        tag("th", words("to_next"), scope="col", class_="number"),
        words("progress"),
    )
    whole = table(words("funnel"), heads, rows, class_="funnel")
    return join((whole, reports.legend(scene), reports.notes(scene, report.ignored)))


def _row(
    scene: Scene, stage: str, entered: Figure | None, standing: int, step: Figure | None
) -> Markup:
    words = scene.words
    n = int(entered["value"]) if entered else 0
    share = ""
    if step:
        mature = words("of_mature", n=step["mature"] or 0)
        share = reports.value(scene, step) if step["mature"] else "—"
        share = join((share, tag("small", mature), tag("small", step["note"], lang="en")))
    more = reports.change(scene, entered) if entered else ""
    return tag(
        "tr",
        tag("th", scene.title(stage), scope="row"),
        number(join((words.number(n), more)), data_entered=n),
        number(words.number(standing), data_standing=standing),
        number(share),
        tag("td", reports.bar(scene, *reports.parts(step)) if step else ""),
        data_stage=stage,
        data_key=stage,
    )


CARD = Card("funnel", gather, draw)
