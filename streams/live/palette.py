"""Colours of charts, light and dark: text and lines of each reach AA on its paper."""

from __future__ import annotations

from typing import Any, NamedTuple


class Palette(NamedTuple):
    """Colours by what they are for."""

    paper: str
    ink: str
    quiet: str
    line: str
    series: tuple[str, ...]

    def tooltip(self) -> dict[str, Any]:
        """Return a tooltip that is drawn, not HTML: names come from outside."""
        return {
            "renderMode": "richText",
            "backgroundColor": self.paper,
            "borderColor": self.line,
            "textStyle": {"color": self.ink},
        }


LIGHT = Palette(
    "#ffffff",
    "#16202e",
    "#4a5568",
    "#8a97a8",
    ("#1d5fd1", "#b45309", "#0f766e", "#a21caf", "#4d7c0f", "#be123c", "#4338ca", "#57534e"),
)
DARK = Palette(
    "#131c2b",
    "#e8eef7",
    "#b3c0d1",
    "#5f6f85",
    ("#7cb0ff", "#f5b454", "#4fd1c0", "#e39bf0", "#b5dc6a", "#ff9aab", "#aeb4ff", "#cfc8c2"),
)
