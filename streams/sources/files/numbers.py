"""Numbers as people write them, to decimal strings. Pure. What could be two is refused."""

from __future__ import annotations

import re
from decimal import Decimal

_GROUPS = " \u00a0\u202f\u2009'\u2019.,"  # what parts thousands somewhere in the world
_MINUS = "\u2212"
_WHOLE = re.compile(r"[0-9]+")
_GROUPED = re.compile(r"[0-9]{1,3}(?:[^0-9][0-9]{3})+")
_EXPONENT = re.compile(r"[-+]?[0-9]+([.,][0-9]+)?[eE][-+]?[0-9]+")
PLACES = Decimal(1).scaleb(-6)  # as many as their columns have
MOST_DIGITS = 24


def number(text: str, decimal: str | None = None, thousands: str | None = None) -> str:
    """Return a number as a plain decimal string, like -1234.50.

    `decimal` and `thousands` are what the mapping says. Where it says nothing, the number itself
    must: `1.234,56` does, `1.900` does not.

    Raises:
        ValueError: it is no number, or could be two.

    """
    body = text.strip().replace(_MINUS, "-")
    minus = body.startswith("-") or (body.startswith("(") and body.endswith(")"))
    body = body.removeprefix("-").removeprefix("+")
    if minus and not text.strip().startswith(("-", _MINUS)):
        body = body[1:-1]
    if _EXPONENT.fullmatch(body):
        raise ValueError("is written with an exponent, which loses digits: export it as text")
    found = decimal or _decimal(body)
    whole, _, part = body.partition(found) if found else (body, "", "")
    allowed = _GROUPS.replace(found, "") if thousands is None else thousands
    if thousands == " ":
        allowed = " \u00a0\u202f\u2009"
    if not whole and part:
        whole = "0"
    grouped = _GROUPED.fullmatch(whole)
    if grouped:
        marks = set(re.sub("[0-9]", "", whole))
        grouped = grouped if len(marks) == 1 and marks <= set(allowed) else None
    if not (_WHOLE.fullmatch(whole) or grouped) or (part and not _WHOLE.fullmatch(part)):
        raise ValueError(f"is no number{_like(decimal, thousands)}{_with_unit(body)}")
    digits = re.sub("[^0-9]", "", whole)
    if len(digits) > MOST_DIGITS:
        raise ValueError("is a number of too many digits")
    value = Decimal(f"{digits}.{part or '0'}")
    if len(part) > 6:
        value = value.quantize(PLACES)
    plain = f"{value:f}" if part else str(int(digits))
    return f"-{plain}" if minus and value else plain


def _like(decimal: str | None, thousands: str | None) -> str:
    if not decimal:
        return ""
    between = {None: "." if decimal == "," else ",", "": ""}.get(thousands, thousands)
    return f" like 1{between}234{decimal}50"


def _with_unit(body: str) -> str:
    """Return a hint where a number stands beside a currency or another unit."""
    bare = re.sub(r"^[^0-9]+|[^0-9]+$", "", body)
    return ": name what stands beside it in strip" if bare not in ("", body) else ""


def _decimal(body: str) -> str:
    """Return the decimal mark that the number itself shows, or "" if it has none.

    Raises:
        ValueError: one mark before three digits: thousands in one country, a fraction in another.

    """
    marks = [letter for letter in body if letter in ".,"]
    if not marks:
        return ""
    if len(set(marks)) == 2:
        return marks[-1]
    if len(marks) > 1:
        return ""
    whole, part = re.split("[.,]", body, maxsplit=1)
    if len(part) == 3 and 1 <= len(whole) <= 3 and not whole.startswith("0") and part.isdigit():
        hint = 'write decimal: "." or decimal: "," in the mapping'
        raise ValueError(f"may be thousands or a fraction: {hint}")
    return marks[0]
