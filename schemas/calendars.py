"""Whose days figures are cut by, and when a team works."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from holidays import list_supported_countries
from pydantic import BeforeValidator, Field, field_validator

from schemas.money import Currency
from schemas.strict import Strict

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HOURS = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)")


def _zone(name: object) -> object:
    try:
        ZoneInfo(str(name))
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no IANA time zone: write one like Europe/Paris") from error
    return name


Zone = Annotated[str, BeforeValidator(_zone)]


class Reporting(Strict):
    """Whose days, weeks and years the figures are cut by."""

    zone: Zone
    week_start: Literal["monday", "sunday"] = "monday"
    fiscal_year_start: Annotated[
        str, Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")
    ] = "01-01"  # month-day
    currency: Currency = "EUR"


class Calendar(Strict):
    """When a team works: all `hours` that begin on one of `days`, in the wall time of `zone`.

    Several hours leave pauses between them, overlapping ones count once, `22:00-06:00` ends on the
    next day (also when that is no working day), `00:00-24:00` is the whole day. `holidays` is an
    ISO 3166 country (holidays library, its nationwide days in the years it knows); `closed` are own
    days. Nothing begins on either.
    """

    zone: Zone
    days: tuple[str, ...]
    hours: tuple[str, ...]
    holidays: str | None = None
    closed: tuple[date, ...] = ()

    @field_validator("days")
    @classmethod
    def _weekdays(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [day for day in value if day not in WEEKDAYS]
        if wrong or not value:
            raise ValueError(
                f"no weekday: {', '.join(wrong) or 'none given'}; write monday to sunday"
            )
        return value

    @field_validator("hours")
    @classmethod
    def _open_at_all(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [text for text in value if not _HOURS.fullmatch(text)]
        if wrong:
            raise ValueError(
                f"no hours: {', '.join(map(repr, wrong))}; "
                "write two times from 00:00 to 24:00, like '09:00-18:00'"
            )
        # Clocks of a calendar that is never open would never end.
        if all(text[:5] == text[6:] for text in value):
            raise ValueError(
                "a calendar that is never open; "
                "write hours like '09:00-18:00', the whole day is '00:00-24:00'"
            )
        return value

    @field_validator("holidays", mode="before")
    @classmethod
    def _country(cls, value: object) -> object:
        if value is False:
            raise ValueError("YAML reads NO as false; write 'NO' in quotes")
        if isinstance(value, str) and value not in list_supported_countries():
            raise ValueError(
                f"the holidays of {value!r} are not known; write an ISO 3166 country like FR"
            )
        return value


class Team(Strict):
    """Whose calendar a stage's clocks run in.

    A team `of` others is where their work overlaps: each of them owns its stages too.
    """

    calendar: str
    of: tuple[str, ...] = ()
