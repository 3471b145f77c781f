"""A byte fuzzer over every vendor's bodies: `python -m tests.attack.fuzz --minutes 10 --seed 1`.

Two properties. Whatever bytes come, `normalise` gives events, letters or PayloadRejected, and
nothing else; each answer can be written as JSON. And where a body has several parts of which one
was spoiled, the good ones stand. A failure prints the bytes in Base64, so that it can be tried
again with `--body VENDOR BASE64`.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import orjson

from schemas import sources
from streams.agents.normalise import normalise
from streams.engine.logic import PayloadRejected
from streams.sources.registry import SOURCES, connection
from tests.support.bodies import BODIES

SAMPLES = Path(__file__).parent.parent / "samples"
FOLDERS = {
    "segment": "segment", "meta_lead_ads": "meta", "google_lead_form": "google",
    "hubspot": "hubspot", "salesforce_cdc": "salesforce", "salesforce_objects": "salesforce",
    "linkedin_lead_sync": "linkedin", "ga4": "ga4", "snowplow": "snowplow",
}  # fmt: skip
CONNECTION = connection(lambda _name: "", "Europe/Paris")
NOW = 1_795_000_000_000
TOKENS = [
    b"null", b"true", b"-1", b"1e999", b"9" * 400, b'""', b"[]", b"{}", b"[[[[", b'"\\ud83d"',
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\\u0000", b'"2026-13-45"', b'"0000-00-00T00:00:00Z"',
    b"1e-400", b"NaN", b"Infinity", b'"\xe2\x80\xae"', b"\t", b"\n", b'"' + b"a" * 3_000 + b'"',
    b"0.1", b'{"a":' * 60 + b"1" + b"}" * 60, b'"undefined"', b'"' + "ß".encode() * 600 + b'"',
    b"18446744073709551616", b'"-9223372036854775809"',
]  # fmt: skip
SLOWEST = 5.0  # seconds that one body may take


def seeds() -> list[tuple[str, bytes]]:
    """Return bodies to begin with, by vendor."""
    found = [
        (vendor, orjson.dumps(together(good, good)))
        for vendor, good, _, together in BODIES.values()
    ]
    for folder, vendor in FOLDERS.items():
        found += [
            (vendor, path.read_bytes())
            for path in sorted((SAMPLES / folder).iterdir())
            if path.suffix in (".json", ".tsv")
        ]
    return found


def spoiled(rng: random.Random, body: bytes, others: list[bytes]) -> bytes:
    """Change some bytes: flip, cut, repeat, put a token or a piece of another body in."""
    out = bytearray(body)
    for _ in range(rng.choice([1, 1, 2, 3, 8])):
        place = rng.randrange(len(out) + 1)
        match rng.randrange(6):
            case 0 if out:
                out[place % len(out)] = rng.randrange(256)
            case 1:
                del out[place : place + rng.choice([1, 2, 8, 64])]
            case 2:
                out[place:place] = rng.choice(TOKENS)
            case 3:
                end = place + rng.choice([1, 4, 16])
                out[place:end] = rng.choice(TOKENS)
            case 4:
                other = rng.choice(others)
                start = rng.randrange(len(other))
                out[place:place] = other[start : start + rng.choice([4, 32, 256])]
            case _:
                out[place:place] = out[place : place + rng.choice([4, 32])] * rng.choice([1, 2, 50])
    return bytes(out[:200_000])


JUNK = [
    None, True, -1, 0, 1.5, 1 << 70, "", " ", "null", "1e999", "9" * 400, "\ud83d", "2026-13-45",
    "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", [], {}, [[]],
    {"a": {"b": []}}, ["x"], {"Value": None}, "/Date(1)/", "urn:li:x:", "a@b.example",
    "+4930123456", "0", "undefined", "x" * 2_000,
]  # fmt: skip


def bent(rng: random.Random, body: bytes, others: list[bytes]) -> bytes:
    """Change one value of a body of JSON: to junk, to a piece of another body, or away."""
    try:
        whole, other = orjson.loads(body), orjson.loads(rng.choice(others))
    except orjson.JSONDecodeError:
        return spoiled(rng, body, others)
    inner = whole
    while isinstance(inner, (dict, list)) and inner:
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        key = rng.choice(keys)
        if not isinstance(inner[key], (dict, list)) or not inner[key] or rng.random() < 0.25:
            match rng.randrange(4):
                case 0:
                    del inner[key]
                case 1:
                    inner[key] = other
                case 2 if isinstance(inner, dict):
                    inner[rng.choice(["", "id", "type", "value", "x" * 300, "\x00"])] = inner.pop(
                        key
                    )
                case _:
                    inner[key] = rng.choice(JUNK)
            break
        inner = inner[key]
    return json.dumps(whole).encode()


def read(vendor: str, body: bytes):
    """Read a body as the worker does; nothing where it was refused whole."""
    headers = ((sources.SOURCE_HEADER, vendor.encode()),)
    record = SimpleNamespace(
        value=body, headers=headers, timestamp=NOW, topic="lead.raw.web", partition=0, offset=0
    )
    try:
        return normalise(record, CONNECTION)
    except PayloadRejected:
        return None


def parts_stand(rng: random.Random, others: list[bytes]) -> tuple[str, bytes, bool]:
    """Spoil a part between two good ones; return whether those stand (or the body is no JSON)."""
    vendor, good, _, together = rng.choice(list(BODIES.values()))
    mark = orjson.dumps("here stands the spoiled part")
    body = orjson.dumps(together(good, "here stands the spoiled part", good))
    whole = body.replace(mark, rng.choice([spoiled, bent])(rng, orjson.dumps(good), others))
    try:
        orjson.loads(whole)
    except orjson.JSONDecodeError:
        return vendor, whole, True
    wanted = Counter(out.value for out in read(vendor, orjson.dumps(together(good, good))).outs)
    found = read(vendor, whole)
    missing = wanted - Counter(out.value for out in found.outs) if found else wanted
    return vendor, whole, not missing


def run(seed: int, seconds: float) -> int:
    """Fuzz for so long; return how many failures there were."""
    rng, began = random.Random(seed), time.monotonic()
    pool, tried, refused, failures = seeds(), 0, 0, 0
    bodies = [body for _, body in pool]
    while time.monotonic() - began < seconds and failures < 20:
        vendor, body = rng.choice(pool)
        body = rng.choice([spoiled, bent, bent])(rng, body, bodies)
        tried += 1
        started = time.monotonic()
        try:
            found = read(vendor, body)
            refused += found is None
            whole = True
            if tried % 4 == 0:
                vendor, body, whole = parts_stand(rng, bodies)
            slow = time.monotonic() - started > SLOWEST
        except Exception:
            failures += 1
            sys.stdout.write(
                f"{traceback.format_exc()}\n  --body {vendor} {base64.b64encode(body).decode()}\n"
            )
            continue
        if not whole or slow:
            failures += 1
            what = "a good part is missing" if not whole else f"it took more than {SLOWEST:.0f} s"
            sys.stdout.write(f"{what}\n  --body {vendor} {base64.b64encode(body).decode()}\n")
    sys.stdout.write(
        f"seed {seed}: {tried} bodies, {refused} refused whole, {failures} failures, "
        f"{time.monotonic() - began:.0f} s\n"
    )
    return failures


def main() -> int:
    """Run the fuzzer, or one body once more."""
    asked = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    asked.add_argument("--minutes", type=float, default=10)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--body", nargs=2, metavar=("VENDOR", "BASE64"))
    options = asked.parse_args()
    if options.body:
        assert options.body[0] in SOURCES
        sys.stdout.write(f"{read(options.body[0], base64.b64decode(options.body[1]))}\n")
        return 0
    return 1 if run(options.seed, options.minutes * 60) else 0


if __name__ == "__main__":
    sys.exit(main())
