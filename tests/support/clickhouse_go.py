"""clickhouse-go over HTTP without Go: its requests byte for byte, and what it reads of an answer.

Recorded of clickhouse-go 2.47 and 2.51 as Grafana's ClickHouse plugin 4.20 sets it up.
"""

import base64
import http.client
import socket
import struct
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

VERSION = 54460  # the protocol's version that the client reads
HELLO = "SELECT displayName(), version(), revision(), timezone()"
PING = "SELECT 1"
AGENT = "grafana/12.0.0 clickhouse-datasource/4.20.0 clickhouse-go/2.47.0 (lv:go/1.26.8; os:linux)"
PLAIN = {"Accept-Encoding": "gzip"}  # as the plugin sets it up


def request(host, account, statement, seconds=None, headers=PLAIN, **settings):
    """Return a request's bytes. The client asks for `seconds` (time limit) and 5 more."""
    body = statement.encode()
    fields = {
        "client_protocol_version": str(VERSION),
        "database": "lead",
        "default_format": "Native",
    } | {name: str(value) for name, value in settings.items()}
    if seconds is not None:
        fields["max_execution_time"] = str(seconds + 4)  # some of its last second has gone
    head = [
        f"POST /?{urlencode(sorted(fields.items()))} HTTP/1.1",
        f"Host: {host}",
        f"User-Agent: {AGENT}",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
        f"Authorization: Basic {base64.b64encode(':'.join(account).encode()).decode()}",
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Answered(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def ask(url, account, statement, seconds=None, **settings):
    """Send one request and read its answer."""
    host = urlsplit(url).netloc
    name, _, port = host.partition(":")
    with socket.create_connection((name, int(port)), timeout=90) as connection:
        connection.sendall(request(host, account, statement, seconds, **settings))
        response = http.client.HTTPResponse(connection, method="POST")
        response.begin()
        return Answered(response.status, response.headers, response.read())


class Columns(NamedTuple):
    names: list
    types: list
    rows: list


def read(body):
    """Read an answer in Native as the client does at its protocol version.

    Raises:
        AssertionError: it is not in that form.

    """
    reader, found = Reader(body), Columns([], [], [])
    while not reader.ended():
        reader.block_info()
        width, rows = reader.number(), reader.number()
        columns = []
        found.names.clear()
        found.types.clear()
        for _ in range(width):
            found.names.append(reader.text())
            found.types.append(reader.text())
            assert reader.take(1) == b"\0", "the client knows no custom serialization"
            columns.append(reader.column(found.types[-1], rows) if rows else [])
        found.rows.extend(zip(*columns, strict=True))
    return found


class Reader:
    """The format's parts, one after the other."""

    def __init__(self, body):
        self.body, self.at = body, 0

    def ended(self):
        return self.at == len(self.body)

    def take(self, size):
        part = self.body[self.at : self.at + size]
        assert len(part) == size, "unexpected EOF"
        self.at += size
        return part

    def number(self):
        number, shift = 0, 0
        while (byte := self.take(1)[0]) > 127:
            number |= (byte & 127) << shift
            shift += 7
        return number | byte << shift

    def text(self):
        return self.take(self.number()).decode()

    def block_info(self):
        assert self.number() == 1
        assert self.take(1) == b"\0", "no row of overflown groups"
        assert self.number() == 2
        assert struct.unpack("<i", self.take(4)) == (-1,), "no bucket"
        assert self.number() == 0

    def column(self, kind, rows):
        """Read the values of a column; dates and times as numbers."""
        if kind.startswith("LowCardinality("):
            assert self.take(8) == struct.pack("<Q", 1), "the dictionary's version"
            return self.dictionary(kind.removeprefix("LowCardinality(")[:-1], rows)
        if kind.startswith("Nullable("):
            nulls = self.take(rows)
            values = self.column(kind.removeprefix("Nullable(")[:-1], rows)
            return [None if null else value for null, value in zip(nulls, values, strict=True)]
        if kind == "String":
            return [self.text() for _ in range(rows)]
        letter = LETTERS[kind.partition("(")[0]]
        layout = struct.Struct(f"<{rows}{letter}")
        return list(layout.unpack(self.take(layout.size)))

    def dictionary(self, kind, rows):
        of_places = "BHIQ"[struct.unpack("<Q", self.take(8))[0] & 3]
        keys = self.column(kind, struct.unpack("<Q", self.take(8))[0])
        assert struct.unpack("<Q", self.take(8)) == (rows,)
        layout = struct.Struct(f"<{rows}{of_places}")
        return [keys[place] for place in layout.unpack(self.take(layout.size))]


LETTERS = {
    "Date": "H", "DateTime": "I", "DateTime64": "q", "Float64": "d", "Int64": "q", "UInt8": "B",
    "UInt16": "H", "UInt32": "I", "UInt64": "Q",
}  # fmt: skip
