"""A card of the page: what it asks, and how the answer is drawn. One module of screens/ each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from .drawing import Markup
    from .figures import Figures
    from .palette import Palette
    from .scene import Scene
    from .view import View


class Card(NamedTuple):
    """`gather` blocks on ClickHouse and returns a document; `draw` and `chart` are pure.

    `name` is the card's heading among the texts. `chart` gives the options of an ECharts chart.
    """

    name: str
    gather: Callable[[Figures, View], Any]
    draw: Callable[[Any, Scene], Markup]
    chart: Callable[[Any, Scene, Palette], dict[str, Any]] | None = None
    of_leads: bool = False  # it names leads, so not everybody may see it


class Page(NamedTuple):
    """A page of cards; `name` is a text's. Which filters it has: of a period, of leads."""

    name: str
    cards: tuple[Card, ...]
    of_period: bool = True
    of_leads: bool = True
    details: bool = False  # the guard lets only those here who may see leads


class Failed(NamedTuple):
    """What stands in place of a document whose question failed."""

    error: Exception
