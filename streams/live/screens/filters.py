"""Filters: a form whose answer is an address, presets of periods, and what is filtered now."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from streams.live.drawing import Markup, join, link, tag
from streams.live.view import dimensions, splits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.live.card import Page
    from streams.live.scene import Scene

PERIODS = (
    "today", "this-week", "last-week", "this-month", "last-month", "last-30-days", "last-90-days",
    "this-quarter", "last-quarter", "this-year",
)  # fmt: skip
_LISTED = 40  # more values than that are typed, with the known ones offered


def draw(options: Mapping[str, Sequence[str]], scene: Scene, page: Page) -> Markup:
    """Draw the bar over a page of figures; what the page does not ask is left out."""
    words = scene.words
    of_period = (_presets(scene), _comparison(scene), _splits(scene)) if page.of_period else ()
    note = _shown(scene) if page.of_period else words("zone_note", zone=scene.view.zone)
    return tag(
        "section",
        tag("h2", words("filters"), id="filters", class_="aloud"),
        *of_period,
        _active(scene),
        _form(options, scene, page),
        tag("p", note, class_="note period"),
        aria_labelledby="filters",
        class_="filters",
    )


def _presets(scene: Scene) -> Markup:
    words, view = scene.words, scene.view
    ways = (
        link(
            scene.link(view.named(name)),
            words(f"period_{name.replace('-', '_')}"),
            aria_current="true" if view.period == name else None,
        )
        for name in PERIODS
    )
    return tag("ul", *(tag("li", way) for way in ways), class_="chips", aria_label=words("period"))


def _comparison(scene: Scene) -> Markup:
    words, view = scene.words, scene.view
    shown = words("compare_not" if view.compare else "compare")
    way = link(scene.link(view.but(compare=not view.compare)), shown)
    return tag("ul", tag("li", way), class_="chips", aria_label=words("comparison"))


def _splits(scene: Scene) -> Markup:
    words, view = scene.words, scene.view
    ways = (
        link(
            scene.link(view.but(by="" if view.by == name else name)),
            dimension(scene, name),
            aria_current="true" if view.by == name else None,
        )
        for name in splits(scene.funnel)
    )
    head = tag("li", words("split_by"), class_="head")
    return tag(
        "ul", head, *(tag("li", way) for way in ways), class_="chips", aria_label=words("split_by")
    )


def dimension(scene: Scene, name: str) -> str:
    """Return what people read for a dimension."""
    key = f"dimension_{name}"
    return scene.words(key) if scene.words.has(key) else name


def _shown(scene: Scene) -> str:
    view, words = scene.view, scene.words
    return words(
        "shown_period", first=words.day(view.first), last=words.day(view.last), zone=view.zone
    )


def _active(scene: Scene) -> Markup:
    view, words = scene.view, scene.words
    if not view.where:
        return Markup("")
    found = []
    for name, value in view.where:
        shown = scene.title(value) if name == "stage" else value
        text = f"{dimension(scene, name)}: {shown} \N{MULTIPLICATION SIGN}"
        lifted = words("lift", name=dimension(scene, name), value=shown)
        way = link(scene.link(view.filtered(name, "")), text, aria_label=lifted, class_="on")
        found.append(tag("li", way))
    everything = link(scene.link(view.but(where=())), words("lift_all"))
    return tag("ul", *found, tag("li", everything), class_="chips", aria_label=words("filters"))


def _form(options: Mapping[str, Sequence[str]], scene: Scene, page: Page) -> Markup:
    view, words = scene.view, scene.words
    own_zone = scene.funnel.reporting.zone
    kept = {"compare": "1" if view.compare else "", "by": view.by, "lang": view.lang}
    kept |= {"per": view.per, "sort": view.sort}
    hidden = [
        tag("input", type="hidden", name=name, value=kept[name]) for name in kept if kept[name]
    ]
    days = [
        _field(words(f"day_{name}"), name, tag(
            "input", type="date", name=name, id=f"f-{name}", value=day.isoformat(), required=True,
        ))
        for name, day in (("from", view.first), ("to", view.last + timedelta(days=1)))
    ]  # fmt: skip
    zone = _field(
        words("zone"),
        "zone",
        tag("input", name="zone", id="f-zone", value=view.zone, placeholder=own_zone),
    )
    fields = [
        _field(dimension(scene, name), name, _choice(scene, name, _values(options, scene, name)))
        for name in dimensions(scene.funnel)
    ]
    return tag(
        "details",
        tag("summary", words("more_filters")),
        tag(
            "form",
            *hidden,
            *(days if page.of_period else ()),
            zone,
            *fields,
            tag("button", words("apply"), type="submit"),
            method="get",
            action=view.path,
        ),
        class_="more",
    )


def _field(shown: str, name: str, control: Markup) -> Markup:
    return tag("div", tag("label", shown, for_=f"f-{name}"), control, class_="field")


def _values(options: Mapping[str, Sequence[str]], scene: Scene, name: str) -> list[tuple[str, str]]:
    funnel = scene.funnel
    if name == "team":
        return [(team, team) for team in funnel.teams]
    if name == "stage":
        return list(scene.titles.items())
    if name == "version":
        return [(value, value) for value in options.get(name, (funnel.version,))]
    return [(value, value) for value in options.get(name, ())]


def _choice(scene: Scene, name: str, values: list[tuple[str, str]]) -> Markup:
    """Return a list to choose from; many values are typed, with the frequent ones offered."""
    now = scene.view.only(name)
    if len(values) > _LISTED:
        offered = tag(
            "datalist", *(tag("option", value=value) for value, _ in values), id=f"l-{name}"
        )
        field = tag("input", name=name, id=f"f-{name}", value=now, list=f"l-{name}")
        return join((field, offered))
    if now and now not in dict(values):
        values = [(now, now), *values]
    shown = [
        tag("option", text, value=value, selected=value == now)
        for value, text in (("", scene.words("any")), *values)
    ]
    return tag("select", *shown, name=name, id=f"f-{name}")
