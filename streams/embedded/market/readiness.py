"""When somebody is ready for sales, as the firm agreed on it: so many points for what people do."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from .hours import local

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .posts import Meaning

# Kinds of a rejection: points begin anew, or nobody looks any more.
NOT_READY, NO_FIT = "not-ready", "no-fit"
READY, MOST_OF_PAGES = 50, 25  # points; those that a day's pages may bring
POINTS = {
    "page_view": 5, "email_click": 10, "event_attended": 20, "form": 30,
    "demo_form": 50, "contact_form": 50, "ad_lead_form": 50, "meeting_booked": 50,
}  # fmt: skip


def ready_at(meanings: Iterable[Meaning]) -> int | None:
    """Return when a person first had the points (ms); None: never."""
    points, pages = 0, Counter[Any]()
    for one in sorted(meanings, key=lambda one: one.at):
        if one.kind == NO_FIT:
            return None
        if one.kind == NOT_READY:
            points = 0
        worth = POINTS.get(one.kind, 0)
        if one.kind == "page_view":
            day = local(one.at).date()
            worth = min(worth, MOST_OF_PAGES - pages[day])
            pages[day] += worth
        points += worth
        if points >= READY:
            return one.at
    return None
