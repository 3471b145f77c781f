"""ClickHouse's HTTP interface: who speaks, what was asked, within bounds; errors in its words."""

from __future__ import annotations

import asyncio
import base64
import email
import email.policy
import hmac
import logging
import math
import os
import re
import zlib
from typing import TYPE_CHECKING, Any

import lz4.frame
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from .engine import VIEWER, Answer, Asked, Engine
from .refusal import Refusal, readable

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from pathlib import Path

log = logging.getLogger("leadstream.clickhouse")
OWNER = "default"
LARGEST = {OWNER: 256_000_000, VIEWER: 1_000_000}  # bytes of a body, as it came and unpacked
STOP_SECONDS = 5  # for requests that run when the process is told to stop
BODY_SECONDS = 60.0  # for a body to come in
_WORD = re.compile(r"[A-Za-z0-9_]+")
# Parameters of the HTTP interface that are no settings of a query, or have no meaning with one
# engine and no session.
_NOT_SETTINGS = {
    "query", "database", "default_format", "query_id", "session_id", "compress", "decompress",
    "wait_end_of_query", "client_protocol_version", "send_progress_in_http_headers",
    "http_headers_progress_interval_ms", "user", "password", "role", "enable_http_compression",
    "cancel_http_readonly_queries_on_client_close", "quota_key", "session_timeout",
    "session_check", "max_execution_time", "buffer_size", "log_comment",
}  # fmt: skip


def application(engine: Engine, passwords: Mapping[str, str]) -> Starlette:
    """Make the HTTP interface for `default`, which owns all, and `viewer`, which reads figures.

    A user without a password can't come in.
    """

    async def handle(request: Request) -> Response:
        if request.method == "GET" and not request.query_params.get("query"):
            return PlainTextResponse("Ok.\n")
        try:
            user = _user(request, passwords)
            asked = _asked(request, await _body(request, LARGEST[user]))
            answer = await _answer(
                request, engine.view(asked) if user == VIEWER else engine.own(asked)
            )
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it
        except (Refusal, RuntimeError) as error:  # chDB raises RuntimeError with ClickHouse's text
            return _failure(error)
        except ValueError as error:
            return _failure(Refusal(36, "BAD_ARGUMENTS", str(error)))
        except Exception:
            log.exception("a request failed")
            return _failure(Refusal(1000, "POCO_EXCEPTION", "The engine failed: its log says how"))
        headers = {
            "X-ClickHouse-Format": answer.format,
            "X-ClickHouse-Summary": "{}",
            "X-ClickHouse-Timezone": "UTC",
            "X-ClickHouse-Server-Display-Name": "leadstream",
        }
        return Response(answer.content, headers=headers)

    async def ping(_request: Request) -> Response:
        return PlainTextResponse("Ok.\n")

    return Starlette(routes=[Route("/", handle, methods=["GET", "POST"]), Route("/ping", ping)])


def _user(request: Request, passwords: Mapping[str, str]) -> str:
    user = request.headers.get("x-clickhouse-user") or request.query_params.get("user") or ""
    key = request.headers.get("x-clickhouse-key") or request.query_params.get("password") or ""
    kind, _, credentials = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            user, _, key = (
                base64.b64decode(credentials.strip(), validate=True).decode().partition(":")
            )
        except ValueError:
            user = ""
    wanted = passwords.get(user, "")
    if not wanted or not hmac.compare_digest(key.encode(), wanted.encode()):
        raise Refusal(
            516,
            "AUTHENTICATION_FAILED",
            "Authentication failed: password is incorrect, or there is no user with such name",
        )
    return user


async def _body(request: Request, largest: int) -> bytes:
    """Read a body within bounds, and undo its Content-Encoding."""
    too_large = Refusal(307, "TOO_MANY_BYTES", f"The body is larger than {largest} bytes")
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > largest:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        raise Refusal(
            160, "TOO_SLOW", f"The body did not come in within {BODY_SECONDS:.0f} s"
        ) from None
    encoding = request.headers.get("content-encoding", "").lower()
    try:
        body = _plain(b"".join(parts), encoding, largest + 1)
    except (ValueError, OSError, EOFError, RuntimeError, zlib.error) as error:
        raise Refusal(
            117, "INCORRECT_DATA", f"The body can't be read as {encoding}: {error}"
        ) from None
    if len(body) > largest:
        raise too_large
    return body


def _plain(body: bytes, encoding: str, most: int) -> bytes:
    """Undo a Content-Encoding, up to so many bytes; Python clients send lz4, Go clients gzip."""
    match encoding:
        case "" | "identity":
            return body
        case "lz4":
            return _lz4(body, most)
        case "gzip":
            return _inflated(body, zlib.decompressobj(16 + zlib.MAX_WBITS), most)
        case "deflate":
            return _inflated(body, zlib.decompressobj(), most)
        case other:
            raise Refusal(
                432,
                "UNKNOWN_COMPRESSION_METHOD",
                f"Content encoding {other[:40]!r} is none of lz4, gzip, deflate",
            )


def _lz4(body: bytes, most: int) -> bytes:
    """Undo lz4 of any number of frames: clickhouse-connect makes one for each block."""
    out, size = [], 0
    while body and size < most:
        decoder = lz4.frame.LZ4FrameDecompressor()
        out.append(decoder.decompress(body, most - size))
        size += len(out[-1])
        if not decoder.eof and size < most:
            raise ValueError("it ends within a frame")
        body = decoder.unused_data or b""
    return b"".join(out)


def _inflated(body: bytes, decoder: zlib._Decompress, most: int) -> bytes:
    out = decoder.decompress(body, most)
    if not decoder.eof and len(out) < most:
        raise ValueError("it ends too early")
    return out


def _form(kind: str, body: bytes) -> dict[str, str]:
    """Read the fields of a form: a client sends long parameters so, with the query among them.

    Raises:
        Refusal: a field has no name, or is a file, which would be a table of its own.

    """
    head = b"Content-Type: " + kind.encode("latin-1", "replace") + b"\r\n\r\n"
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    fields: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if not isinstance(name, str) or part.get_filename():
            raise Refusal(
                36, "BAD_ARGUMENTS", "A form has the query and its parameters, and no files"
            )
        value = part.get_payload(decode=True)
        fields[name] = value.decode("utf-8") if isinstance(value, bytes) else ""
    return fields


def _without_blocks(fields: Mapping[str, str]) -> None:
    for name in ("compress", "decompress"):
        if fields.get(name, "0") not in ("", "0", "false"):
            text = (
                f"{name}={fields[name][:9]} is about ClickHouse's own compressed blocks (LZ4, "
                "ZSTD), which this server neither writes nor reads: set the client's compression "
                "to gzip or none"
            )
            raise Refusal(432, "UNKNOWN_COMPRESSION_METHOD", text)


def _asked(request: Request, body: bytes) -> Asked:
    fields = dict(request.query_params)
    kind = request.headers.get("content-type", "")
    if kind.lower().startswith("multipart/form-data"):
        fields, body = {**fields, **_form(kind, body)}, b""
    _without_blocks(fields)
    settings = {
        name: value
        for name, value in fields.items()
        if name not in _NOT_SETTINGS and not name.startswith("param_")
    }
    parameters = {
        name.removeprefix("param_"): value
        for name, value in fields.items()
        if name.startswith("param_")
    }
    for name in (*settings, *parameters):
        if not _WORD.fullmatch(name):
            raise Refusal(
                115, "UNKNOWN_SETTING", f"{name[:40]!r} can't name a setting or a parameter"
            )
    output = (
        fields.get("default_format") or request.headers.get("x-clickhouse-format") or "TabSeparated"
    )
    if not _WORD.fullmatch(output):
        raise Refusal(73, "UNKNOWN_FORMAT", f"Unknown format {output[:40]!r}")
    database = fields.get("database") or request.headers.get("x-clickhouse-database", "")
    seconds, version = fields.get("max_execution_time"), fields.get("client_protocol_version", "0")
    if not version.isdecimal():
        raise Refusal(
            72, "CANNOT_PARSE_NUMBER", f"client_protocol_version is a number, not {version[:40]!r}"
        )
    return Asked(
        fields.get("query", ""),
        body,
        parameters,
        settings,
        database,
        output,
        _seconds(seconds) if seconds else None,
        int(version[:9]),
    )


def _seconds(text: str) -> float | None:
    """Return a time limit, None for 0: without one."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise Refusal(
            72, "CANNOT_PARSE_NUMBER", f"max_execution_time is seconds, not {text[:40]!r}"
        )
    return seconds or None


async def _answer(request: Request, work: Coroutine[Any, Any, Answer]) -> Answer:
    """Wait for an answer as long as the client does; what it leaves behind is killed."""
    running = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({running, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise ClientDisconnect
        return running.result()
    finally:
        running.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _failure(error: Exception) -> Response:
    code, text, status = readable(str(error))
    return PlainTextResponse(
        text, status_code=status, headers={"X-ClickHouse-Exception-Code": str(code)}
    )


def serve(folder: Path, database: str, port: int, password: str, viewer_password: str = "") -> None:
    """Serve until told to stop (SIGTERM, SIGINT). Without a password of its own there is no viewer.

    Raises:
        ValueError: there is no password, or a viewer would have the owner's.

    """
    if not password:
        raise ValueError(
            "LEADSTREAM_CLICKHOUSE_PASSWORD is missing: without it anybody here could write"
        )
    if password == viewer_password:
        raise ValueError(
            "LEADSTREAM_CLICKHOUSE_VIEWER_PASSWORD is the owner's: a viewer needs one of its own"
        )
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # Where it is imported, chDB opens an engine by any config.xml that it finds there.
    os.chdir(folder)
    engine = Engine(folder, database)
    uvicorn.run(
        application(engine, {OWNER: password, VIEWER: viewer_password}),
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    engine.close()
