"""What a search found: nothing, or several leads to choose from. One opens by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.live.drawing import Markup, link, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.live.scene import Scene


def draw(leads: Sequence[str], scene: Scene) -> Markup:
    """Draw the leads of a search; what was searched for is never repeated: it may be an address."""
    words = scene.words
    if not leads:
        shown = [
            tag("h1", words("found_none"), id="headline"),
            tag("p", words("found_none_hint")),
        ]
        return tag("section", *shown, class_="card state nothing", data_state="nothing")
    ways = (tag("li", link(scene.address(lead), tag("code", lead))) for lead in leads)
    shown = [tag("h1", words("found_many", n=len(leads)), id="headline"), tag("ul", *ways)]
    return tag("section", *shown, class_="card")
