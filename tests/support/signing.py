"""Signing as vendors do, and asking a vendor's proof about one call."""

from streams.embedded.sending import signed
from streams.sources.proof import hex_digest
from streams.sources.registry import SOURCES
from streams.sources.vendor import Call
from streams.sources.vendors.hubspot.signature import sign


def segment(secret, body):
    return hex_digest(secret, body, "sha1")


hubspot_sign = sign


def proven(vendor, secret, body, headers=(), address="", now=0, query=()):
    """Return what would be stored of a body, or None; `secret` is valid, be it one or several."""
    secrets = (secret,) if isinstance(secret, str) else tuple(secret)
    call = Call(
        address,
        {name.lower(): value for name, value in dict(headers).items()},
        dict(query),
        body,
        now,
    )
    return SOURCES[vendor].routes[0].proof(call, lambda _name: tuple(filter(None, secrets)))


def sent(vendor, secret, body, address="", now=0):
    """Sign a body with a secret and return its proof; `valid` are the gateway's secrets."""
    made = signed(vendor, secret, body, address, now)
    return lambda valid, later=now, stored=made.body: proven(
        vendor, valid, stored, made.headers, address, later, made.query
    )
