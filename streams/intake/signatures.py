"""The vendors' own signatures and handshakes. Each compares in constant time, without a reason.

Sources: HubSpot request validation v3, Meta webhooks (X-Hub-Signature-256), Segment webhooks
(X-Signature), Google lead form (google_key in the body). What a stranger sends may be any text and
any bytes: nothing here raises.
"""

from __future__ import annotations

import base64
import hmac
import json
import re

HUBSPOT_WINDOW_MS = 300_000
# What HubSpot decodes in the address before it signs: these, and nothing else (its documentation).
_HUBSPOT_DECODED = {
    "%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$",
    "%27": "'", "%28": "(", "%29": ")", "%2A": "*", "%2C": ",", "%3B": ";",
}  # fmt: skip
_ENCODED = re.compile("|".join(_HUBSPOT_DECODED), re.IGNORECASE)
_STAMP = re.compile(r"[0-9]{1,16}")  # ASCII: `isdigit` knows digits that `int` does not
_SPACE = re.compile(r"[ \t\n\r]*")


def equal(one: str, other: str) -> bool:
    """Compare two texts in constant time. Both may hold anything that a header or JSON can."""
    return hmac.compare_digest(
        one.encode(errors="surrogatepass"), other.encode(errors="surrogatepass")
    )


def hubspot_v3(
    secret: str, method: str, uri: str, body: bytes, timestamp: str, signature: str, now: int
) -> bool:
    """Check base64(HMAC-SHA256(secret, method + uri + body + timestamp)), at most 300 s old.

    `timestamp` and `now` are in ms.
    """
    if not _STAMP.fullmatch(timestamp) or abs(now - int(timestamp)) > HUBSPOT_WINDOW_MS:
        return False
    decoded = _ENCODED.sub(lambda found: _HUBSPOT_DECODED[found[0].upper()], uri)
    return equal(hubspot_sign(secret, method, decoded, body, timestamp), signature)


def hubspot_sign(secret: str, method: str, uri: str, body: bytes, timestamp: str) -> str:
    """Sign as HubSpot does."""
    text = method.encode() + uri.encode() + body + timestamp.encode()
    return base64.b64encode(hmac.digest(secret.encode(), text, "sha256")).decode()


def meta(secret: str, body: bytes, signature: str) -> bool:
    """Check `sha256=` + hex HMAC-SHA256 over the raw bytes."""
    return equal(meta_sign(secret, body), signature)


def meta_sign(secret: str, body: bytes) -> str:
    """Sign as Meta does."""
    return "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()


def segment(secret: str, body: bytes, signature: str) -> bool:
    """Check hex HMAC-SHA1 over the raw bytes."""
    return equal(segment_sign(secret, body), signature)


def segment_sign(secret: str, body: bytes) -> str:
    """Sign as Segment does."""
    return hmac.digest(secret.encode(), body, "sha1").hex()


def google_key(key: str, body: bytes) -> tuple[bool, bytes]:
    """Compare google_key and cut it out: it must never be stored.

    Return whether it is good, and the body without it. All other bytes stay as they came, also
    where they are no JSON that every reader takes (half an emoji, a number of a thousand digits):
    the adapter judges those, and a replay after a fix finds them.
    """
    try:
        text = body.decode("utf-8-sig")
        found, rest = _cut(text, "google_key")
    except (ValueError, RecursionError):  # no JSON, or nested too deep to be a lead
        return False, b""
    said = found[-1] if found else None
    good = isinstance(said, str) and bool(key) and equal(said, key)
    return good, rest.encode() if good else b""


def _cut(text: str, name: str) -> tuple[list[object], str]:
    """Return the values of a member of a JSON object, and the text without that member.

    Raises:
        ValueError: the text is no JSON object.

    """
    scan = json.JSONDecoder(parse_int=str, parse_float=str, strict=False)
    members: list[tuple[str, object, int, int]] = []  # name, value, where it begins and ends
    place = _after(text, 0)
    _expect(text, place, "{")
    place = _after(text, place + 1)
    while text[place : place + 1] != "}" or members:
        start = place
        _expect(text, start, '"')
        key, place = scan.raw_decode(text, start)
        place = _after(text, place)
        _expect(text, place, ":")
        value, end = scan.raw_decode(text, _after(text, place + 1))
        members.append((key, value, start, end))
        place = _after(text, end)
        if text[place : place + 1] != ",":
            break
        place = _after(text, place + 1)
    _expect(text, place, "}")
    if _after(text, place + 1) != len(text):
        raise ValueError("more than one value")
    kept, before = "", 0  # `before` is where the member before ends: what parts the two is kept too
    for key, _, start, end in members:
        if key != name:
            kept += text[before if kept else start : end]
        before = end
    head = text[: members[0][2]] if members else ""
    return [value for key, value, _, _ in members if key == name], head + kept + text[before:]


def _expect(text: str, place: int, mark: str) -> None:
    if text[place : place + 1] != mark:
        raise ValueError(f"no {mark} at {place}")


def _after(text: str, place: int) -> int:
    """Return where white space ends."""
    found = _SPACE.match(text, place)
    return found.end() if found else place


def bearer_token(header: str) -> str:
    """Return the token of `Authorization: Bearer <token>`, "" where it is of another scheme.

    Schemes know no case (RFC 9110).
    """
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def bearer(token: str, header: str) -> bool:
    """Check `Authorization: Bearer <token>`; no configured token means a closed door."""
    return bool(token) and equal(token, bearer_token(header))
