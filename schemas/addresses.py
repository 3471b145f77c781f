"""Addresses of records, as sources state them: shown, linked and exported only if a browser may open them."""

from __future__ import annotations

from urllib.parse import urlsplit

LONGEST = 500


def web(text: str | None) -> str:
    """Return the address if it is http(s) with a host and no credentials, else nothing: `javascript:` is no record."""
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
