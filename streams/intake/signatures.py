"""The vendors' own signatures and handshakes. Each compares in constant time and says nothing about why it failed.

Sources: HubSpot request validation v3, Meta webhooks (X-Hub-Signature-256), Segment webhooks (X-Signature),
Google lead form (google_key in the body).
"""

from __future__ import annotations

import base64
import hmac
from typing import Any
from urllib.parse import unquote

import orjson

HUBSPOT_WINDOW_MS = 300_000


def hubspot_v3(secret: str, method: str, uri: str, body: bytes, timestamp: str, signature: str, now: int) -> bool:
    """Check base64(HMAC-SHA256(secret, method + uri + body + timestamp)); older than 300 s is refused. `now` in ms."""
    if not timestamp.isdigit() or abs(now - int(timestamp)) > HUBSPOT_WINDOW_MS:
        return False
    text = method.encode() + unquote(uri).encode() + body + timestamp.encode()
    made = base64.b64encode(hmac.digest(secret.encode(), text, "sha256"))
    return hmac.compare_digest(made, signature.encode())


def hubspot_sign(secret: str, method: str, uri: str, body: bytes, timestamp: str) -> str:
    """Sign as HubSpot does."""
    text = method.encode() + uri.encode() + body + timestamp.encode()
    return base64.b64encode(hmac.digest(secret.encode(), text, "sha256")).decode()


def meta(secret: str, body: bytes, signature: str) -> bool:
    """Check `sha256=` + hex HMAC-SHA256 over the raw bytes."""
    return hmac.compare_digest(meta_sign(secret, body).encode(), signature.encode())


def meta_sign(secret: str, body: bytes) -> str:
    """Sign as Meta does."""
    return "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()


def segment(secret: str, body: bytes, signature: str) -> bool:
    """Check hex HMAC-SHA1 over the raw bytes."""
    return hmac.compare_digest(segment_sign(secret, body).encode(), signature.encode())


def segment_sign(secret: str, body: bytes) -> str:
    """Sign as Segment does."""
    return hmac.digest(secret.encode(), body, "sha1").hex()


def google_key(key: str, body: bytes) -> tuple[bool, bytes]:
    """Compare google_key and take it out: it must never be stored. Gives (good, the body without it)."""
    try:
        said: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False, b""
    if not isinstance(said, dict):
        return False, b""
    found = str(said.pop("google_key", ""))
    return hmac.compare_digest(found.encode(), key.encode()), orjson.dumps(said)


def bearer(token: str, header: str) -> bool:
    """Check `Authorization: Bearer <token>`; no configured token means a closed door."""
    return bool(token) and hmac.compare_digest(f"Bearer {token}".encode(), header.encode())
