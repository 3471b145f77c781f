"""Reading a body from a stranger: within bounds of size, time and memory, in one encoding.

gzip is the one encoding that is taken. It is inflated no further than a body may be long, so a
bomb costs what any body costs. What is stored is always the plain body: a reader of the raw topic
must not have to know how it came.
"""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from streams import metrics

from .problems import ProblemError

if TYPE_CHECKING:
    from fastapi import Request

    from streams.settings import Settings

ACCEPTED_ENCODINGS = "gzip, identity"
MEMBERS = 16  # of one gzip stream; each costs a decompressor
_GZIP = zlib.MAX_WBITS | 16


@dataclass(frozen=True)
class Body:
    """A body as it was sent and as it reads. They differ where it was compressed."""

    wire: bytes
    plain: bytes


class Buffers:
    """Counts the bytes of all bodies that are being read or published."""

    def __init__(self, settings: Settings) -> None:
        """Start with none held."""
        self.settings = settings
        self.held = 0

    def take(self, size: int) -> None:
        """Count bytes as held.

        Raises:
            ProblemError: all bodies together would be too many bytes.

        """
        if self.held + size > self.settings.max_buffered_bytes:
            metrics.TURNED_AWAY.labels("buffered_bytes").inc()
            raise ProblemError(
                503, "the gateway holds too many bytes; send it again", {"Retry-After": "2"}
            )
        self.held += size

    async def read(self, request: Request, taken: list[int]) -> Body:
        """Return a body, read and decoded; `taken` gets the sizes that `take` counted.

        Raises:
            ProblemError: 408, 413, 415, 400 or 503, each with what the sender can do.

        """
        encoding = _encoding(request.headers.getlist("content-encoding"))
        most = self.settings.max_body_bytes
        if _stated_length(request.headers.get("content-length")) > most:
            raise _too_large(most)
        wire = bytearray()
        try:
            async with asyncio.timeout(self.settings.body_seconds):
                async for chunk in request.stream():
                    if len(wire) + len(chunk) > most:
                        raise _too_large(most)
                    self.take(len(chunk))
                    taken.append(len(chunk))
                    wire += chunk
        except TimeoutError as error:
            seconds = f"{self.settings.body_seconds:g}"
            raise ProblemError(
                408, f"the body did not arrive within {seconds} s; send it again, or in parts"
            ) from error
        except ClientDisconnect as error:  # nobody is there to read an answer
            raise ProblemError(400, "the connection ended before the body did") from error
        raw = bytes(wire)
        if encoding == "identity":
            return Body(raw, raw)
        plain = gunzip(raw, most)
        self.take(len(plain))
        taken.append(len(plain))
        return Body(raw, plain)

    def give_back(self, taken: list[int]) -> None:
        """Count bytes as no longer held."""
        self.held -= sum(taken)
        taken.clear()


def gunzip(data: bytes, most: int) -> bytes:
    """Return what a gzip stream holds, at most `most` bytes.

    Raises:
        ProblemError: 413 where it holds more, 400 where it is no whole gzip stream.

    """
    plain = bytearray()
    for _ in range(MEMBERS):
        inflater = zlib.decompressobj(_GZIP)
        try:
            plain += inflater.decompress(data, most + 1 - len(plain))
        except zlib.error as error:
            raise ProblemError(400, "the body is no gzip stream, as its encoding says") from error
        if len(plain) > most:
            raise _too_large(most, "decoded ")
        if not inflater.eof:
            raise ProblemError(400, "the gzip stream ends too early; send all of it")
        data = inflater.unused_data
        if not data:
            return bytes(plain)
    raise ProblemError(400, f"the gzip stream has more than {MEMBERS} members; send one")


def _encoding(header_values: list[str]) -> str:
    """Return `gzip` or `identity`.

    Raises:
        ProblemError: the body is encoded otherwise, or more than once.

    """
    codings = [one.strip().lower() for one in ",".join(header_values).split(",") if one.strip()]
    codings = [one.removeprefix("x-") for one in codings if one != "identity"]
    if not codings:
        return "identity"
    if codings == ["gzip"]:
        return "gzip"
    raise ProblemError(
        415,
        f"a body is taken as it is or compressed once by gzip ({ACCEPTED_ENCODINGS})",
        {"Accept-Encoding": ACCEPTED_ENCODINGS},
    )


def _stated_length(content_length: str | None) -> int:
    """Return the stated length, 0 where none is stated.

    Raises:
        ProblemError: it is no number. Only ASCII digits are: `int` would read others too.

    """
    if not content_length:
        return 0
    if not (content_length.isascii() and content_length.isdigit()):
        raise ProblemError(400, "Content-Length is no number")
    return int(content_length[:20])  # longer is larger than anything that is taken


def _too_large(most: int, which: str = "") -> ProblemError:
    return ProblemError(413, f"the {which}body is larger than {most} bytes; send it in parts")
