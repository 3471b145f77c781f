"""What people read, in their language: texts.yaml, and numbers, days and spans by its customs.

A text is one sentence with named places; one that counts has a form for each category of plural
that its language knows.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import yaml

if TYPE_CHECKING:
    from datetime import date, datetime

    from schemas.durations import Duration

LANGUAGES = {
    "en": "English",
    "fr": "Français",
    "it": "Italiano",
    "ru": "Русский",
    "ja": "日本語",
}
# Between thousands, and before decimals. Thin and unbroken spaces, as each language has them.
_SIGNS = {
    "en": (",", "."),
    "fr": ("\u202f", ","),
    "it": (".", ","),
    "ru": ("\u00a0", ","),
    "ja": (",", "."),
}
_BEFORE_PERCENT = {"fr": "\u202f", "ru": "\u00a0"}
_PLACE = re.compile(r"\{(\w+)\}")
_STEPS = ((86_400, "days"), (3_600, "hours"), (60, "minutes"))


@lru_cache(maxsize=1)
def texts() -> dict[str, dict[str, Any]]:
    """Return all texts: by key, by language, a sentence or its forms by category of plural."""
    path = Path(__file__).with_name("texts.yaml")
    found: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def chosen(asked: str, accepted: str) -> str:
    """Return the language asked for, else the first of an Accept-Language that there is."""
    if asked in LANGUAGES:
        return asked
    wanted: list[tuple[float, int, str]] = []
    for place, entry in enumerate(accepted.split(",")[:20]):
        name, _, rest = entry.strip().partition(";")
        weight = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", rest)
        value = float(weight[1]) if weight else 1.0
        if value > 0:
            wanted.append((-value, place, name.partition("-")[0].lower()))
    return next((name for _, _, name in sorted(wanted) if name in LANGUAGES), "en")


def category(language: str, number: int) -> str:
    """Return the category of plural that a whole number has (CLDR's names)."""
    last, tens = number % 10, number % 100
    match language:
        case "ja":
            return "other"
        case "fr":
            return "one" if number in (0, 1) else "other"
        case "ru":
            if last == 1 and tens != 11:
                return "one"
            return "few" if last in (2, 3, 4) and tens not in (12, 13, 14) else "many"
        case _:
            return "one" if number == 1 else "other"


class Words:
    """The texts of one language."""

    def __init__(self, language: str = "en") -> None:
        """`language` is one of LANGUAGES."""
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        """Return a text with its places filled. `n` decides the plural, and is written as a number.

        Raises:
            KeyError: there is no such text, or a place has no value.

        """
        form = texts()[key][self.language]
        count = values.get("n")
        if isinstance(form, dict):
            form = form[category(self.language, int(count))]  # type: ignore[call-overload]
        if isinstance(count, int):
            values["n"] = self.number(count)
        return _PLACE.sub(lambda place: str(values[place[1]]), form)

    def has(self, key: str) -> bool:
        """Return whether there is a text."""
        return key in texts()

    def why(self, cause: str) -> str:
        """Return why a lead moved, by what the fact states: an event's type, or time."""
        key = f"why_{cause.replace('.', '_').replace(' ', '_')}"
        return self(key) if self.has(key) else cause

    def number(self, value: float, digits: int = 0) -> str:
        """Return a number with so many decimals."""
        thousands, decimals = _SIGNS[self.language]
        whole, _, part = f"{abs(value):,.{digits}f}".partition(".")
        shown = whole.replace(",", thousands) + (decimals + part if part else "")
        return f"\u2212{shown}" if value < 0 and float(f"{value:.{digits}f}") != 0 else shown

    def percent(self, share: float, digits: int = 1) -> str:
        """Return a share as percent."""
        return f"{self.number(100 * share, digits)}{_BEFORE_PERCENT.get(self.language, '')}%"

    def money(self, amount: float, currency: str) -> str:
        """Return an amount with its currency's code, which is the same in every language."""
        digits = 0 if abs(amount) >= 1000 else 2
        return f"{self.number(amount, digits)}\u00a0{currency}"

    def day(self, day: date) -> str:
        """Return a day with its year."""
        name = texts()["month_names"][self.language][day.month - 1]
        return self("day_of", day=day.day, month=name, year=day.year)

    def moment(self, moment: datetime, zone: str) -> str:
        """Return a day and the time, on a clock of 24 hours, in a zone that the page names."""
        local = moment.astimezone(ZoneInfo(zone))
        return f"{self.day(local.date())} {local:%H:%M}"

    def span(self, seconds: float) -> str:
        """Return how long something took, in its largest unit that comes to two; else in minutes.

        So people read 28 days, 30 hours, 5 minutes.
        """
        for size, key in _STEPS:
            if abs(seconds) >= 2 * size or key == "minutes":
                return self(key, n=int(abs(seconds) // size))
        raise AssertionError  # the last unit takes all

    def duration(self, span: Duration) -> str:
        """Return a span of the funnel file."""
        shown = self(f"{span.unit}s", n=span.amount)
        return self("business", span=shown) if span.business else shown

    def late(self, seconds: float) -> str:
        """Return how late something is."""
        return self("late", span=self.span(seconds))
