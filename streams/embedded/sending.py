"""How each vendor proves what it sends, the other side of its file: for simulator and tests."""

from __future__ import annotations

import base64
from typing import NamedTuple

import orjson

from streams.sources.proof import hex_digest
from streams.sources.vendors.hubspot.signature import sign


class Sent(NamedTuple):
    """A signed body: its bytes, its headers, and what stands in the query of its address."""

    body: bytes
    headers: dict[str, str]
    query: dict[str, str]


def signed(vendor: str, secret: str, body: bytes, address: str = "", now: int = 0) -> Sent:
    """Sign a body as a vendor does; `now` is in ms. Whatever signs nothing sends a bearer token.

    Raises:
        ValueError: Google's key goes into a JSON object, and the body is none.

    """
    match vendor:
        case "segment":
            return _by_header(body, "X-Signature", hex_digest(secret, body, "sha1"))
        case "meta":
            return _by_header(body, "X-Hub-Signature-256", "sha256=" + hex_digest(secret, body))
        case "linkedin":
            stated = hex_digest(secret, b"hmacsha256=" + body)
            return _by_header(body, "X-LI-Signature", stated)
        case "hubspot":
            stamp = str(now)
            stated = sign(secret, "POST", address, body, stamp)
            headers = {"X-HubSpot-Signature-v3": stated, "X-HubSpot-Request-Timestamp": stamp}
            return Sent(body, headers, {})
        case "calendly":
            stamp = str(now // 1000)
            stated = hex_digest(secret, stamp.encode() + b"." + body)
            return _by_header(body, "Calendly-Webhook-Signature", f"t={stamp},v1={stated}")
        case "pipedrive":
            login = base64.b64encode(secret.encode()).decode()
            return _by_header(body, "Authorization", f"Basic {login}")
        case "dynamics":
            return Sent(body, {}, {"code": secret})
        case "ga4":
            return Sent(body, {}, {"api_secret": secret})
        case "google":
            return Sent(orjson.dumps({**orjson.loads(body), "google_key": secret}), {}, {})
        case _:
            return _by_header(body, "Authorization", f"Bearer {secret}")


def _by_header(body: bytes, name: str, value: str) -> Sent:
    return Sent(body, {name: value}, {})
