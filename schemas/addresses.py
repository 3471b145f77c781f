"""Addresses of records, as sources state them.

An address is shown, linked and exported only if a browser may open it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

LONGEST = 500


def web(text: str | None) -> str:
    """Return the address if it is http(s) with a host and no credentials; an empty text otherwise.

    An address of another scheme, like `javascript:`, names no record.
    """
    if not text or len(text) > LONGEST or not text.isprintable() or set(" \\") & set(text):
        return ""
    try:
        url = urlsplit(text)
        usable = (
            url.scheme in ("http", "https")
            and bool(url.hostname)
            and "@" not in url.netloc
            and url.port != 0
        )
    except ValueError:  # a port that is no number, half a bracket
        return ""
    return text if usable else ""
