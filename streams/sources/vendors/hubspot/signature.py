"""HubSpot's signature, version 3."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from streams.sources.proof import base64_digest, by_any, equal, recent

if TYPE_CHECKING:
    from streams.sources.vendor import Call, Secrets

_WINDOW_MS = 300_000
# What HubSpot decodes in the address before it signs: these, and nothing else (its documentation).
_DECODED = {
    "%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$",
    "%27": "'", "%28": "(", "%29": ")", "%2A": "*", "%2C": ",", "%3B": ";",
}  # fmt: skip
_ENCODED = re.compile("|".join(_DECODED), re.IGNORECASE)


def sign(secret: str, method: str, uri: str, body: bytes, timestamp: str) -> str:
    """Sign as HubSpot does: base64(HMAC-SHA256(secret, method + uri + body + timestamp))."""
    return base64_digest(
        secret, method.encode() + uri.encode(errors="replace") + body + timestamp.encode()
    )


def prove(call: Call, secrets: Secrets) -> bytes | None:
    """Check signature v3, at most 300 s old."""
    stamp, stated = (
        call.headers.get("x-hubspot-request-timestamp", ""),
        call.headers.get("x-hubspot-signature-v3", ""),
    )
    if not recent(stamp, call.now, _WINDOW_MS):
        return None
    decoded = _ENCODED.sub(lambda found: _DECODED[found[0].upper()], call.address)
    good = by_any(
        secrets("hubspot_secret"),
        lambda secret: equal(sign(secret, "POST", decoded, call.body, stamp), stated),
    )
    return call.body if good else None
