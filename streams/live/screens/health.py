"""Health: how far time has come, what came in, what could not be read and waits for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.live import work
from streams.live.card import Card
from streams.live.drawing import Markup, join, number, table, tag

from . import stalled

if TYPE_CHECKING:
    from streams.live.figures import Figures
    from streams.live.scene import Scene
    from streams.live.view import View

LATE_SECONDS = 10


def gather(figures: Figures, view: View) -> dict[str, Any]:
    """Ask for it; filters are of leads, so none applies."""
    del view
    return {**work.health(figures), "unmeasured": stalled.unmeasured(figures.funnel)}


def draw(document: dict[str, Any], scene: Scene) -> Markup:
    """Draw each figure with what to do where it is not well."""
    words = scene.words
    age = document["tick_age_seconds"]
    letters = sum(row["n"] for row in document["letters"])
    blind = document["unmeasured"]
    facts = (
        (words("health_time"), _age(scene, age), age is not None and age <= LATE_SECONDS,
         words("health_time_hint")),
        (words("health_leads"), words.number(document["leads"]), True, ""),
        (words("health_events"), words.number(document["events"]), True, ""),
        (words("health_letters"), words.number(letters), not letters,
         "leadstream deadletters list"),
        (words("health_conflicts"), words.number(document["conflicts"]),
         not document["conflicts"], "leadstream doctor"),
        (words("health_holes"), words.number(document["holes"]), not document["holes"], ""),
        (words("health_unmeasured"), ", ".join(blind) or words("none"), not blind,
         words("health_unmeasured_hint")),
    )  # fmt: skip
    rows = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            tag("td", value),
            tag("td", tag("span", words("well" if well else "look_at"),
                          class_=f"mark {'well' if well else 'late'}")),
            tag("td", "" if well else hint),
        )
        for name, value, well, hint in facts
    ]  # fmt: skip
    heads = (words("what"), words("value"), words("state"), words("what_to_do"))
    whole = table(words("health"), heads, rows)
    if not document["letters"]:
        return whole
    by_source = table(
        words("health_letters"),
        (words("topic"), words("records")),
        [(row["topic"], number(words.number(row["n"]))) for row in document["letters"]],
    )
    return join((whole, by_source))


def _age(scene: Scene, age: float | None) -> str:
    return scene.words("nothing_arrived") if age is None else age_text(scene, age)


def age_text(scene: Scene, age: float) -> str:
    """Return how far behind time is, in seconds up to two minutes."""
    words = scene.words
    return words("seconds", n=int(age)) if age < 120 else words.span(age)


CARD = Card("health", gather, draw)
