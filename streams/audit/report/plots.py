"""Plots of the report as inline SVG. Pure: numbers in, markup out; colours are the style sheet's.

Each plot states its numbers in words too, for those who hear it.
"""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 640
_BAR, _GAP = 22, 10
_SMALL, _TALL = 220, 64


class Part(NamedTuple):
    """A part of a bar: how the style sheet knows it, what people read, and how many."""

    kind: str
    label: str
    n: float


def bar(parts: Sequence[Part], most: float) -> str:
    """Draw a bar of parts, as wide as its sum is of `most`."""
    shown = ", ".join(f"{part.label} {part.n:g}" for part in parts)
    drawn, at = [], 0.0
    for part in parts:
        wide = WIDTH * part.n / most if most else 0.0
        if wide:
            kind, label = escape(part.kind), escape(f"{part.label} {part.n:g}")
            drawn.append(
                f'<rect class="{kind}" x="{at:.1f}" y="0" width="{wide:.1f}" height="{_BAR}">'
                f"<title>{label}</title></rect>"
            )
        at += wide
    return _svg(WIDTH, _BAR, shown, "".join(drawn), "bar")


def against(value: float | None, marks: Sequence[tuple[str, float]]) -> str:
    """Draw a share from 0 to 100% beside marks, each (name, share)."""
    high = _BAR + 2 * _GAP
    names = ", ".join(f"{name} {share:.0%}" for name, share in marks)
    spoken = f"{'no value' if value is None else f'{value:.1%}'}; {names}"
    wide = WIDTH * min(max(value or 0.0, 0.0), 1.0)
    drawn = [
        f'<rect class="ground" x="0" y="{_GAP}" width="{WIDTH}" height="{_BAR}"/>',
        f'<rect class="reached" x="0" y="{_GAP}" width="{wide:.1f}" height="{_BAR}"/>',
    ]
    for name, share in marks:
        at = WIDTH * share
        drawn.append(
            f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{high}"/>'
            f'<text class="mark" x="{at + 3:.1f}" y="{high + 12}">{escape(name)} {share:.0%}</text>'
        )
    return _svg(WIDTH, high + 16, spoken, "".join(drawn), "against")


def line(points: Sequence[tuple[str, float | None]]) -> str:
    """Draw a small line of values by bucket; where there is no value the line is broken."""
    values = [value for _, value in points if value is not None]
    spoken = ", ".join(f"{day} {'-' if value is None else f'{value:g}'}" for day, value in points)
    if not values:
        return _svg(_SMALL, _TALL, "no value", "", "line")
    low, high = min(0.0, *values), max(values)
    step = _SMALL / max(1, len(points) - 1)
    places = [
        None
        if value is None
        else (number * step, 4 + (_TALL - 8) * (1 - (value - low) / ((high - low) or 1.0)))
        for number, (_, value) in enumerate(points)
    ]
    drawn = []
    for is_there, run in groupby(places, key=lambda place: place is not None):
        found = [place for place in run if place is not None]
        if is_there and len(found) > 1:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in found)
            drawn.append(f'<polyline class="trend" points="{path}"/>')
        drawn += [f'<circle class="trend" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in found]
    return _svg(_SMALL, _TALL, spoken, "".join(drawn), "line")


def _svg(wide: float, high: float, spoken: str, drawn: str, kind: str) -> str:
    return (
        f'<svg class="{kind}" role="img" viewBox="-4 0 {wide + 8:g} {high:g}" '
        f'aria-label="{escape(spoken)}"><title>{escape(spoken)}</title>{drawn}</svg>'
    )
