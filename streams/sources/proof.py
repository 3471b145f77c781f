"""Parts for proving a sender. Each compares in constant time and never raises on bad input."""

from __future__ import annotations

import base64
import hmac
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .vendor import Call, Proof, Secrets

_STAMP = re.compile(r"[0-9]{1,16}")  # ASCII: `isdigit` knows digits that `int` does not


def equal(one: str, other: str) -> bool:
    """Compare two texts in constant time. Both may hold anything that a header or JSON can."""
    return hmac.compare_digest(
        one.encode(errors="surrogatepass"), other.encode(errors="surrogatepass")
    )


def hex_digest(secret: str, body: bytes, method: str = "sha256") -> str:
    """Return the HMAC of a body in hexadecimal."""
    return hmac.digest(secret.encode(), body, method).hex()


def base64_digest(secret: str, body: bytes, method: str = "sha256") -> str:
    """Return the HMAC of a body in Base64."""
    return base64.b64encode(hmac.digest(secret.encode(), body, method)).decode()


def recent(stamp: str, now: int, window_ms: int) -> bool:
    """Return whether a stamp in ms is at most so old, or ahead."""
    return bool(_STAMP.fullmatch(stamp)) and abs(now - int(stamp)) <= window_ms


def by_any(valid: tuple[str, ...], proves: Callable[[str], bool]) -> bool:
    """Return whether a currently valid secret proves a call; all are tried, in constant time."""
    proven = [proves(secret) for secret in valid]
    return any(proven)


def signed(secret_name: str, header: str, method: str = "sha256", prefix: str = "") -> Proof:
    """Make the usual proof: a header that holds the body's HMAC under the secret."""

    def proof(call: Call, secrets: Secrets) -> bytes | None:
        stated = call.headers.get(header, "")
        good = by_any(
            secrets(secret_name),
            lambda secret: equal(prefix + hex_digest(secret, call.body, method), stated),
        )
        return call.body if good else None

    return proof


def bearer_token(header: str) -> str:
    """Return the token of `Authorization: Bearer <token>`, "" where it is of another scheme.

    Schemes know no case (RFC 9110).
    """
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
