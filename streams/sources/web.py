"""What the address of a page holds: click ids, campaign parameters, the referring host."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from .values import name, text

CLICKS = ("gclid", "gbraid", "wbraid", "fbclid", "li_fat_id")
_UTM = ("utm_source", "utm_medium", "utm_campaign")
_LONGEST = 5_000  # characters of an address


def asked(query: Any, url: Any = None) -> dict[str, str]:
    """Return the parameters of a query, else of an address; of a repeated one the first."""
    try:
        given = text(query, _LONGEST) or urlsplit(text(url, _LONGEST) or "").query
        found = parse_qs(given.lstrip("?"), max_num_fields=200)
    except ValueError:
        return {}
    return {key: values[0] for key, values in found.items() if values}


def clicks(parameters: dict[str, str]) -> dict[str, str]:
    """Return the click ids that name somebody, by kind."""
    return {click: parameters[click][:250] for click in CLICKS if name(parameters.get(click))}


def host(url: Any) -> str | None:
    """Return the host of an address."""
    try:
        return urlsplit(text(url, _LONGEST) or "").hostname
    except ValueError:
        return None


def path(url: Any) -> str | None:
    """Return the path of an address."""
    try:
        return urlsplit(text(url, _LONGEST) or "").path or None
    except ValueError:
        return None


def marketing(
    click_ids: dict[str, str],
    source: Any = None,
    medium: Any = None,
    campaign: Any = None,
    *,
    referrer: Any = None,
    landing_page: Any = None,
) -> dict[str, str] | None:
    """Return an event's marketing fields, or None where it has none.

    `referrer` is an address, `landing_page` a path.
    """
    found = {
        "click": next(iter(click_ids), None),
        "utm_source": text(source),
        "utm_medium": (text(medium) or "").lower() or None,
        "utm_campaign": text(campaign),
        "referrer": host(referrer),
        "landing_page": text(landing_page),
    }
    return {field: value for field, value in found.items() if value} or None
