"""Ask all processes at once, within a bound, whether they answer.

A process that is frozen still takes connections, so a port that accepts proves little. Each is
asked something that its working part must answer: Kafka's request handlers a request for versions,
everything else a path over HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import TYPE_CHECKING, NamedTuple

import orjson

from streams.probe import HANGS

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_BYTES = 65_536
_CLIENT = b"leadstream-supervisor"
# ApiVersions, version 0: length, key 18, version, correlation id, client's name
_VERSIONS = struct.pack(f">hhih{len(_CLIENT)}s", 18, 0, 1, len(_CLIENT), _CLIENT)
KAFKA = ""  # the path of a question that is Kafka's


class Question(NamedTuple):
    """What to ask: a path over HTTP, or Kafka."""

    port: int
    path: str = KAFKA


class Answer(NamedTuple):
    """`alive`: its working part answered. `ready`: it does its work, else `reason` is why not."""

    alive: bool
    ready: bool = False
    reason: str = ""


SILENT = Answer(alive=False, reason="does not answer")


def ask(questions: Mapping[str, Question], seconds: float = 2.0) -> dict[str, Answer]:
    """Ask all; what has not answered by then is silent."""

    async def together() -> list[Answer]:
        return await asyncio.gather(
            *(_answer(question, seconds) for question in questions.values())
        )

    return dict(zip(questions, asyncio.run(together()), strict=True))


async def _answer(question: Question, seconds: float) -> Answer:
    writer = None
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection("127.0.0.1", question.port)
            if question.path == KAFKA:
                writer.write(struct.pack(">i", len(_VERSIONS)) + _VERSIONS)
                await reader.readexactly(8)
                return Answer(alive=True, ready=True)
            head = f"GET {question.path} HTTP/1.0\r\nHost: 127.0.0.1:{question.port}\r\n\r\n"
            writer.write(head.encode())
            response = b""
            while (more := await reader.read(_MOST_BYTES)) and len(response) < _MOST_BYTES:
                response += more
            return of_http(response)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return SILENT
    finally:
        if writer:
            with contextlib.suppress(OSError):
                writer.transport.abort()


def of_http(response: bytes) -> Answer:
    """Read an answer: a refusal is a sign of life, unless it reports a hang (streams/probe.py)."""
    head, _, body = response.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/"):
        return SILENT
    if not words[1].startswith(b"5"):
        return Answer(alive=True, ready=True)
    try:
        report = orjson.loads(body)
        return Answer(alive=report["status"] != HANGS, reason=str(report["reason"])[:300])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return Answer(alive=True, reason="not ready")
