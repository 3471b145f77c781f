"""Times as people and programs write them, to milliseconds since the epoch. Pure.

A format is one of strptime's patterns, or a name: `iso`, `epoch_s`, `epoch_ms`, `epoch_us`,
`epoch_ns`, `serial` (days of a spreadsheet), `number` (any of these, told apart by size). Seconds
and their fraction are optional in each. Whatever can be read in two ways is refused.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_ZERO = date(1899, 12, 30)  # of spreadsheets, from March 1900 on
_MS = timedelta(milliseconds=1)
_DAY_MS = 86_400_000
_PER_MS = {
    "epoch_s": Decimal("0.001"),
    "epoch_ms": Decimal(1),
    "epoch_us": Decimal(1_000),
    "epoch_ns": Decimal(1_000_000),
}
NUMBERS = (*_PER_MS, "serial", "number")
_SPOKEN = {
    "iso": "2026-01-31T09:00:00Z",
    "epoch_s": "seconds since 1970",
    "epoch_ms": "milliseconds since 1970",
    "epoch_us": "microseconds since 1970",
    "epoch_ns": "nanoseconds since 1970",
    "serial": "a spreadsheet's days, like 46053.375",
    "number": "a number since 1970 (seconds to nanoseconds), or a spreadsheet's days",
}
# Sizes that no other unit has between 1950 and 2120: which of them a number is follows from it.
_SIZES = (
    ("serial", 18_000, 81_000),
    ("epoch_s", 10**8, 5 * 10**9),
    ("epoch_ms", 10**11, 5 * 10**12),
    ("epoch_us", 10**14, 5 * 10**15),
    ("epoch_ns", 10**17, 5 * 10**18),
)
_DIRECTIVES = "aAbBdHIjmMpSfyYzGuVUWw%"
_ISO_FORMAT = re.compile(r"%Y-%m-%d([T ]%H:%M(:%S(\.%f)?)?(%z|Z)?)?")
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d?\d:\d\d(:\d\d([.,]\d{1,12})?)? ?(Z|z|[+-]\d\d(:?\d\d)?)?)?", re.ASCII
)
_NUMBER = re.compile(r"[0-9]{1,19}([.,][0-9]{1,20})?")
_FRACTION = re.compile(r"(\d:\d\d:\d\d)[.,](\d{1,6})\d*", re.ASCII)


def checked_format(text: str) -> str:
    """Check a format.

    Raises:
        ValueError: with what to write instead.

    """
    if text == "%s":
        return "number"
    if text in _SPOKEN:
        return text
    names = re.findall(r"%(.?)", text, re.DOTALL)
    hint = f"write one like %d.%m.%Y %H:%M, or {', '.join(_SPOKEN)}"
    if "Z" in names:
        raise ValueError(f"{text!r}: names of zones are not read; write %z for +01:00, and `zone`")
    if wrong := [name for name in names if name not in _DIRECTIVES or not name]:
        raise ValueError(f"{text!r} is no format of times, %{wrong[0]} means nothing: {hint}")
    day = "j" in names or (("d" in names) and bool({"m", "b", "B"} & {*names}))
    if not (day and {"Y", "y"} & {*names}) and not {"G", "V", "u"} <= {*names}:
        raise ValueError(f"{text!r} leaves the day open, it needs year, month and day: {hint}")
    if ("I" in names) != ("p" in names):
        raise ValueError(f"{text!r}: %I and %p go together; write %H for hours from 00 to 23")
    if len(set(names) - {"%"}) != len([name for name in names if name != "%"]):
        raise ValueError(f"{text!r} is no format of times, a part stands twice: {hint}")
    return text


Format = Annotated[str, AfterValidator(checked_format)]


def needs_zone(formats: tuple[str, ...]) -> bool:
    """Return whether one of the formats does not say in which zone it is."""
    return any(
        text not in _PER_MS and "%z" not in text and not text.endswith("Z") for text in formats
    )


def says_utc(text: str) -> bool:
    """Return whether the format ends in letters that mean UTC and that strptime would not heed."""
    return bool(re.search(r"(?<!%)\b(UTC|GMT)$", text)) or (
        text.endswith("Z") and not _ISO_FORMAT.fullmatch(text)
    )


def spoken(formats: tuple[str, ...]) -> str:
    """Return the names of formats for people."""
    return " or ".join(_SPOKEN.get(text, text) for text in formats)


@lru_cache(maxsize=65_536)
def moment(text: str, formats: tuple[str, ...], zone: str | None) -> int:
    """Return the instant (ms) that a text names.

    Raises:
        ValueError: it is no time like that, or two formats read two different ones.

    """
    found = {at for one in formats if (at := _read(text, one, zone)) is not None}
    if len(found) == 1:
        return found.pop()
    if found:
        raise ValueError(f"can be read as two times, by {spoken(formats)}: keep one format")
    raise ValueError(f"is no time like {spoken(formats)}")


def _read(text: str, form: str, zone: str | None) -> int | None:
    try:
        if form in NUMBERS:
            return _number(text, form, zone)
        if form == "iso" or _ISO_FORMAT.fullmatch(form):
            return _placed(_iso(text), zone) if _ISO.fullmatch(text) else None
        return _placed(_pattern(text, form), zone)
    except (ValueError, OverflowError):
        return None


def _iso(text: str) -> datetime:
    text = re.sub(r"(?<=[T ])(\d)(?=:)", r"0\1", text)  # 6:49, as a spreadsheet saves it
    return datetime.fromisoformat(text.replace(" Z", "Z").replace("z", "Z").replace(" +", "+"))


def _pattern(text: str, form: str) -> datetime:
    """Read by strptime; seconds and their fraction may be there or not."""
    form = form.replace(".%f", "").replace(",%f", "")
    part = timedelta()
    cut = _FRACTION.search(text)
    if cut:
        text = f"{text[: cut.end(1)]}{text[cut.end() :]}"
        part = timedelta(microseconds=int(cut[2].ljust(6, "0")))
    try:
        return datetime.strptime(text, form) + part  # noqa: DTZ007 - the mapping says the zone
    except ValueError:
        other = form.replace(":%S", "") if ":%S" in form else form.replace(":%M", ":%M:%S")
        return datetime.strptime(text, other) + part  # noqa: DTZ007


def _placed(when: datetime, zone: str | None) -> int:
    if when.tzinfo is None:
        when = when.replace(tzinfo=ZoneInfo(zone or "UTC"))
    return (when - EPOCH) // _MS


def _number(text: str, form: str, zone: str | None) -> int | None:
    if not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text.replace(",", "."))
    if form == "number":
        form = next((name for name, low, high in _SIZES if low <= number < high), "")
    if form in _PER_MS:
        return int(number / _PER_MS[form])
    if form != "serial" or number >= 3_000_000:
        return None
    ms = round(number * _DAY_MS)
    whole = datetime.combine(_DAY_ZERO, datetime.min.time()) + timedelta(milliseconds=ms)
    return _placed(whole, zone)
