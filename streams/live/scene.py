"""What a screen may draw with, beside its own document: the view, the words, the funnel."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from . import drawing
from .wording import Words

if TYPE_CHECKING:
    from datetime import date

    from schemas.funnel import Funnel

    from .drawing import Markup
    from .view import View


class Scene(NamedTuple):
    """One visitor's view of a page at an instant (aware)."""

    view: View
    words: Words
    funnel: Funnel
    now: datetime
    gateway: str = ""
    details: bool = True  # whether this visitor may see leads

    @property
    def titles(self) -> dict[str, str]:
        """Return what this visitor reads for each stage."""
        return self.funnel.titles(self.words.language)

    def title(self, stage: str) -> str:
        """Return what people read for a stage, one of an older definition too."""
        return self.titles.get(stage, stage)

    def link(self, view: View) -> str:
        """Return a view's address."""
        return view.address(self.funnel.reporting.zone)

    def lead(self, lead: str) -> Markup:
        """Return a link to a lead's own page, named by the first digits of its id."""
        named = self.words("lead_link", lead=lead[:8])
        return drawing.link(self.address(lead), lead[:8], class_="lead", aria_label=named)

    def address(self, lead: str) -> str:
        """Return the address of a lead's own page, in the same language and zone."""
        query = urlencode({name: value for name, value in self._kept().items() if value})
        return f"/leads/{lead}" + (f"?{query}" if query else "")

    def _kept(self) -> dict[str, str]:
        """Return what stays the same on a lead's page."""
        zone = self.view.zone if self.view.zone != self.funnel.reporting.zone else ""
        return {"lang": self.view.lang, "zone": zone}

    def moment(self, moment: datetime | None) -> Markup:
        """Return an instant, for people and for machines; the page names its zone once."""
        if moment is None:
            return drawing.text(self.words("never"))
        shown = self.words.moment(moment, self.view.zone)
        return drawing.tag("time", shown, datetime=moment.isoformat(timespec="seconds"))

    def timed(self, name: str) -> str:
        """Return a column's head with the zone of its times."""
        return f"{name} ({self.view.zone})"


def start_of(day: date, zone: str) -> datetime:
    """Return the instant at which a day begins in a zone."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
