"""The definition as people agreed on it: the ladder, who owns each stage, how many stand there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.live import work
from streams.live.card import Card
from streams.live.drawing import Markup, join, link, tag

if TYPE_CHECKING:
    from schemas.funnel import Funnel
    from schemas.stages import Clock, Stage
    from streams.live.figures import Figures
    from streams.live.scene import Scene
    from streams.live.view import View


def gather(figures: Figures, view: View) -> dict[str, int]:
    """Ask how many leads stand in each stage."""
    return work.standing(figures, view)


def draw(document: dict[str, int], scene: Scene) -> Markup:
    """Draw the ladder in its order, then what stands beside it."""
    funnel, words = scene.funnel, scene.words
    strategy = f" · {funnel.strategy}" if funnel.strategy else ""
    since = words.day(funnel.effective_from)
    head = words("definition_of", version=funnel.version, since=since)
    ladder = (_stage(scene, name, document.get(name, 0)) for name in funnel.ladder)
    aside = (_stage(scene, name, document.get(name, 0)) for name in funnel.aside)
    older = [name for name in document if name not in funnel.stages]
    return join(
        (
            tag("p", f"{head}{strategy}", class_="note"),
            tag("h3", words("ladder")),
            tag("ol", *ladder, class_="ladder"),
            tag("h3", words("aside")),
            tag("ul", *aside, class_="aside"),
            *(tag("p", f"{name}: {words.number(document[name])}") for name in older),
        )
    )


def _stage(scene: Scene, name: str, standing: int) -> Markup:
    words, funnel = scene.words, scene.funnel
    spec = funnel.stages[name]
    count = words("stand_here", n=standing)
    shown: object = scene.title(name)
    if scene.details:
        shown = link(scene.link(scene.view.at("/work").filtered("stage", name)), shown)
    return tag(
        "li",
        tag("span", shown, class_="stage"),
        tag(
            "span",
            words.number(standing),
            class_="count",
            title=count,
            aria_label=count,
            role="img",
        ),
        tag("span", words("owned_by", team=spec.owner), class_="team"),
        tag("ul", *_rules(scene, spec), class_="rules"),
        data_stage=name,
        class_="optional" if spec.optional else None,
    )


def _rules(scene: Scene, spec: Stage) -> list[Markup]:
    words, funnel = scene.words, scene.funnel
    rules = []
    if spec.gate:
        rules.append(words("gated", gate=_gate(funnel, spec.gate)))
    if spec.handoff:
        rules.append(words("handed_to", team=spec.handoff.to))
    rules += [_clock(scene, name, clock) for name, clock in spec.clocks.items()]
    if spec.timer:
        after, to = spec.timer.after, scene.title(spec.timer.to)
        rules.append(words("moves_itself", to=to, span=words.duration(after)))
    if spec.optional:
        rules.append(words("optional"))
    return [tag("li", rule) for rule in rules]


def _gate(funnel: Funnel, name: str) -> str:
    gate = funnel.gates[name]
    rules = (*gate.all, *gate.any)
    return ", ".join(f"{one.field} {one.need}" for one in rules) or name


def _clock(scene: Scene, name: str, clock: Clock) -> str:
    hot = (
        scene.words("clock_hot", span=scene.words.duration(clock.hot_within))
        if clock.hot_within
        else ""
    )
    return scene.words("clock_rule", clock=name, span=scene.words.duration(clock.within)) + hot


CARD = Card("definition", gather, draw)
