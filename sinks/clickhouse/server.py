"""ClickHouse's own engine (chDB) behind ClickHouse's own HTTP interface, on loopback: what a laptop has for a server.

Sink, page, CLI and a Grafana connect to one URL exactly as in production. One process owns the data folder, because
chDB allows one. Reads run in threads of their own; an insert's data goes through a file, since chDB takes no stream.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hmac
import os
import re
import tempfile
import threading
import zlib
from pathlib import Path
from typing import Any

import chdb
import lz4.frame
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_INSERT = re.compile(r"\s*INSERT\b", re.IGNORECASE)
# An insert whose rows follow: everything up to FORMAT and its line's end is the statement, the rest is data.
_INSERT_DATA = re.compile(rb"(\s*INSERT\s+INTO\s[^\x00]*?\bFORMAT\s+\w+)\s*?(?:\r?\n|;)", re.IGNORECASE)
_READ = re.compile(r"\s*(SELECT|WITH|SHOW|DESCRIBE|DESC|EXISTS|EXPLAIN)\b", re.IGNORECASE)
_CODE = re.compile(r"Code: (\d+)")
# Parameters of the HTTP interface that are no settings of a query.
_NOT_SETTINGS = {
    "query", "database", "default_format", "query_id", "session_id", "compress", "decompress", "wait_end_of_query",
    "client_protocol_version", "send_progress_in_http_headers", "http_headers_progress_interval_ms", "user", "password",
    "role", "enable_http_compression", "cancel_http_readonly_queries_on_client_close", "quota_key", "session_timeout",
    "session_check", "max_execution_time", "buffer_size",
}  # fmt: skip
VIEWER = "viewer"


class Engine:
    """chDB on one folder; a connection a thread, because one may serve only one."""

    def __init__(self, folder: Path, database: str) -> None:
        """Open or make the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._database = folder, database
        self._local = threading.local()
        self._connection().query(f"CREATE DATABASE IF NOT EXISTS {database}")

    def _connection(self, database: str = "") -> Any:
        """Give this thread's connection, on a database; asking chDB to change it costs a query, so only when it differs."""
        local = self._local
        if not hasattr(local, "connection"):
            local.connection, local.database = chdb.connect(str(self._folder)), ""
        if database and local.database != database:
            local.connection.query(f"USE {database}")
            local.database = database
        return local.connection

    def query(self, sql: str, parameters: dict[str, str], output: str, settings: dict[str, str], database: str) -> bytes:
        """Run one statement; give its output in the asked format."""
        connection = self._connection(database or self._database)
        if settings and _READ.match(sql) and not re.search(r"\bSETTINGS\b", sql, re.IGNORECASE):
            clause = " SETTINGS " + ", ".join(f"{name} = '{value}'" for name, value in settings.items()) + " "
            found = _FORMAT.search(sql)
            sql = sql[: found.start()] + clause + sql[found.start() :] if found else sql + clause
        return bytes(connection.query(sql, output, params=parameters).bytes())

    def insert(self, statement: str, data: bytes, settings: dict[str, str], database: str) -> None:
        """Insert rows that came in the body, in the statement's format."""
        found = _FORMAT.search(statement)
        assert found is not None
        connection = self._connection(database or self._database)
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(data)
        try:
            clause = " SETTINGS " + ", ".join(f"{name} = '{value}'" for name, value in settings.items()) if settings else ""
            head = statement[: found.start()]
            connection.query(f"{head} FROM INFILE '{file.name}'{clause} FORMAT {found[1]}", "TabSeparated")
        finally:
            os.unlink(file.name)  # noqa: PTH108


def application(engine: Engine, password: str) -> Starlette:
    """Make the HTTP interface. `default` may all with the password; `viewer` with the same one may only read."""

    def user_of(request: Request) -> str | None:
        user = request.headers.get("x-clickhouse-user") or request.query_params.get("user") or ""
        key = request.headers.get("x-clickhouse-key") or request.query_params.get("password") or ""
        basic = request.headers.get("authorization", "")
        if basic.lower().startswith("basic "):
            user, _, key = base64.b64decode(basic[6:]).decode().partition(":")
        known = user in ("default", VIEWER) and hmac.compare_digest(key.encode(), password.encode())
        return user if known else None

    async def handle(request: Request) -> Response:
        asked = dict(request.query_params)
        if request.method == "GET" and not asked.get("query"):
            return PlainTextResponse("Ok.\n")
        user = user_of(request)
        if user is None:
            return _failure("Code: 516. DB::Exception: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)", 403)
        try:
            body = _plain(await request.body(), request.headers.get("content-encoding", ""))
        except ValueError as error:
            return _failure(f"Code: 432. DB::Exception: {error}. (UNKNOWN_COMPRESSION_METHOD)", 400)
        settings = {n: v for n, v in asked.items() if n not in _NOT_SETTINGS and not n.startswith("param_")}
        parameters = {n[6:]: v for n, v in asked.items() if n.startswith("param_")}
        database = asked.get("database") or request.headers.get("x-clickhouse-database", "")
        sql = asked.get("query", "")
        text = sql or body[:10_000].decode(errors="replace")
        if user == VIEWER and not _READ.match(text):
            return _failure("Code: 164. DB::Exception: viewer may only read. (READONLY)", 403)
        try:
            if _INSERT.match(text):
                whole = sql.encode() + b"\n" + body if sql else body
                insert = _INSERT_DATA.match(whole)
                if insert and len(whole) > insert.end():
                    await asyncio.to_thread(engine.insert, insert[1].decode(), whole[insert.end() :], settings, database)
                    return Response(headers={"X-ClickHouse-Summary": "{}"})
            whole_sql = f"{sql} {body.decode()}" if sql else body.decode()
            found = _FORMAT.search(whole_sql)
            output = found[1] if found else asked.get("default_format") or request.headers.get("x-clickhouse-format") or "TabSeparated"
            result = await asyncio.to_thread(engine.query, whole_sql, parameters, output, settings, database)
        except Exception as error:  # noqa: BLE001 - chDB raises RuntimeError and others; the wire wants ClickHouse's words
            return _failure(str(error), 500)
        headers = {
            "X-ClickHouse-Format": output,
            "X-ClickHouse-Summary": "{}",
            "X-ClickHouse-Timezone": "UTC",
            "X-ClickHouse-Server-Display-Name": "leadstream",
        }
        return Response(result, headers=headers)

    async def ping(_request: Request) -> Response:
        return PlainTextResponse("Ok.\n")

    return Starlette(routes=[Route("/", handle, methods=["GET", "POST"]), Route("/ping", ping)])


def _lz4(body: bytes) -> bytes:
    """Undo lz4 of any number of frames: clickhouse-connect makes one a block, and a decoder of one loses the rest."""
    out = []
    while body:
        decoder = lz4.frame.LZ4FrameDecompressor()
        out.append(decoder.decompress(body))
        if not decoder.eof:
            raise ValueError("the lz4 body ends within a frame")
        body = decoder.unused_data or b""
    return b"".join(out)


def _plain(body: bytes, encoding: str) -> bytes:
    """Undo a request's Content-Encoding; clickhouse-connect sends lz4, Go clients gzip or zstd."""
    match encoding.lower():
        case "" | "identity":
            return body
        case "lz4":
            return _lz4(body)
        case "gzip":
            return gzip.decompress(body)
        case "deflate":
            return zlib.decompress(body)
        case other:
            raise ValueError(f"content encoding {other!r} is none of lz4, gzip, deflate")


def _failure(text: str, status: int) -> Response:
    start = text.find("Code: ")
    text = text[start:] if start >= 0 else text
    found = _CODE.match(text)
    return PlainTextResponse(text, status_code=status, headers={"X-ClickHouse-Exception-Code": found[1] if found else "1000"})


def serve(folder: Path, database: str, port: int, password: str) -> None:
    """Serve until told to stop (SIGTERM, SIGINT)."""
    app = application(Engine(folder, database), password)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
