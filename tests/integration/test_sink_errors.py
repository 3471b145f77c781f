"""A sink whose rows ClickHouse does not take: it waits, names a migration, or sets a row aside."""

import threading
import uuid
from datetime import date
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from schemas.reading import FUNNELS
from sinks.clickhouse import errors
from sinks.clickhouse.batch import Batch
from sinks.clickhouse.errors import Kind, SchemaDrift
from sinks.clickhouse.rows import ORDER, columns_of
from sinks.clickhouse.writer import Writer
from streams import metrics
from streams.connections import clickhouse_client
from tests.support.counters import value_of

DAY = date(2026, 1, 5)


@pytest.fixture
def sink(engine):
    return engine.model_copy(update={"funnel": FUNNELS / "default.yaml"})


@pytest.fixture
def between(sink):
    """Stand before the engine, giving the next answers as `between.say` sets; return settings."""
    answers, seen = [], []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = (
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if "Content-Length" in self.headers
                else self.chunks()
            )
            writes = b"INSERT" in body[:200] or "INSERT" in self.path
            scripted = answers.pop(0) if writes and answers else None
            seen.append(self.path)
            if scripted is None:
                kept = {
                    name: value
                    for name, value in self.headers.items()
                    if name.lower() not in ("host", "transfer-encoding", "content-length")
                }
                answer = httpx.post(
                    sink.clickhouse_url + self.path, content=body, headers=kept, timeout=60
                )
                self.give(answer.status_code, dict(answer.headers), answer.content)
            elif scripted == "cut":
                self.close_connection = True
            else:
                code, text = scripted
                self.give(
                    500, {"X-ClickHouse-Exception-Code": str(code)} if code else {}, text.encode()
                )

        do_GET = do_POST  # noqa: N815 - http.server's name

        def chunks(self):
            parts = []
            while (
                size := int(self.rfile.readline() or b"0", 16)
                if self.headers.get("Transfer-Encoding")
                else 0
            ):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            if self.headers.get("Transfer-Encoding"):
                self.rfile.readline()
            return b"".join(parts)

        def give(self, status, headers, body):
            self.send_response(status)
            for name, value in headers.items():
                if name.lower().startswith("x-clickhouse"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.say, server.seen = answers.append, seen
    server.settings = sink.model_copy(
        update={"clickhouse_url": f"http://127.0.0.1:{server.server_port}"}
    )
    yield server
    server.shutdown()
    server.server_close()


def rates(*values):
    batch = Batch()
    batch.rows["rates"] = [
        [f"C{number:04}", "EUR", DAY, value, 1] for number, value in enumerate(values)
    ]
    return batch


def count(client, table="rates"):
    return client.query(f"SELECT count() FROM {table} FINAL").first_row[0]


def refused(table):
    return value_of(metrics.REFUSED.labels(table))


@pytest.mark.parametrize(
    "error",
    [
        (
            252,
            "Code: 252. DB::Exception: Too many parts (300). Merges are processing significantly "
            "slower than inserts. (TOO_MANY_PARTS)",
        ),
        (241, "Code: 241. DB::Exception: Memory limit (total) exceeded. (MEMORY_LIMIT_EXCEEDED)"),
        (
            202,
            "Code: 202. DB::Exception: Too many simultaneous queries. "
            "(TOO_MANY_SIMULTANEOUS_QUERIES)",
        ),
        (
            243,
            "Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. "
            "(NOT_ENOUGH_SPACE)",
        ),
        (242, "Code: 242. DB::Exception: Table is in readonly mode. (TABLE_IS_READ_ONLY)"),
        (999, "Code: 999. Coordination::Exception: Session expired. (KEEPER_EXCEPTION)"),
        (0, "<html>502 Bad Gateway</html>"),
        "cut",
    ],
    ids=lambda error: str(error[0]),
)
def test_a_passing_error_is_waited_out_and_counted(emptied, between, error):
    name = errors.TRANSIENT.get(error[0])
    before = value_of(metrics.SINK_RETRIES.labels(name)) if name else 0
    for _ in range(2):
        between.say(error)
    written = Writer(between.settings).write(rates(Decimal(1), Decimal(2)))
    assert (written["rates"], written.refused, count(emptied)) == (2, [], 2)
    if name:
        assert value_of(metrics.SINK_RETRIES.labels(name)) == before + 2


def test_a_row_that_clickhouse_refuses_does_not_stop_the_others(emptied, sink):
    before = refused("rates")
    values = [Decimal(number + 1) for number in range(1000)]
    bad = {7: Decimal("1e60"), 500: "a number?", 501: None, 999: Decimal("NaN")}
    for place, value in bad.items():
        values[place] = value
    batch = rates(*values)
    batch.rows["arrivals"] = [[0, 1, 1, 1]]
    written = Writer(sink).write(batch)
    assert (written["rates"], count(emptied)) == (996, 996)
    assert written["arrivals"] == count(emptied, "arrivals") == 1
    assert [(one.table, one.row) for one in written.refused] == [
        ("rates", batch.rows["rates"][place]) for place in bad
    ]
    assert all(
        "a number?" not in one.reason and "rates" in one.reason for one in written.refused
    ), "a reason quotes no value"
    assert refused("rates") == before + 4


def test_a_batch_that_the_server_refuses_is_halved_until_the_row_is_found(emptied, between):
    """Its own codes: the rows fit their types here, and not there."""
    no = (53, "Code: 53. DB::Exception: Type mismatch. (TYPE_MISMATCH)")
    for _ in range(3):  # all four, the first two, the first
        between.say(no)
    batch = rates(*(Decimal(number + 1) for number in range(4)))
    written = Writer(between.settings).write(batch)
    assert [one.row for one in written.refused] == [batch.rows["rates"][0]]
    assert written.refused[0].reason.endswith("TYPE_MISMATCH")
    assert (written["rates"], count(emptied)) == (3, 3)


def test_a_batch_that_spans_too_many_partitions_is_split(emptied, between):
    between.say(
        (
            252,
            "Code: 252. DB::Exception: Too many partitions for single INSERT block "
            "(more than 10000). (TOO_MANY_PARTS)",
        )
    )
    written = Writer(between.settings).write(rates(Decimal(1), Decimal(2)))
    assert (written["rates"], written.refused, count(emptied)) == (2, [], 2)


def test_a_passing_error_amid_the_halving_sets_nothing_aside(emptied, between):
    between.say((53, "Code: 53. DB::Exception: Type mismatch. (TYPE_MISMATCH)"))
    between.say((252, "Code: 252. DB::Exception: Too many parts (300). (TOO_MANY_PARTS)"))
    between.say("cut")
    written = Writer(between.settings).write(rates(Decimal(1), Decimal(2)))
    assert (written["rates"], written.refused, count(emptied)) == (2, [], 2)


@pytest.mark.parametrize(
    "change",
    ["RENAME COLUMN rate TO rated", "MODIFY COLUMN rate String", "DROP COLUMN rate"],
)
def test_tables_of_another_release_are_no_rows_fault(emptied, engine, change):
    client = clickhouse_client(engine)
    scratch = f"lead_preview_{uuid.uuid4().hex[:8]}"
    client.command(f"CREATE DATABASE {scratch}")
    try:
        own = engine.model_copy(update={"clickhouse_database": scratch})
        there = clickhouse_client(own)
        there.command("CREATE TABLE rates AS lead.rates")
        there.command("CREATE TABLE active_generation AS lead.active_generation")
        there.command("CREATE TABLE rollup_watermark AS lead.rollup_watermark")
        there.command(f"ALTER TABLE rates {change}")
        for values in ((Decimal(1),), (Decimal(1), "a number?")):
            with pytest.raises(SchemaDrift, match="leadstream migrate"):
                Writer(own).write(rates(*values))
        there.command("DROP TABLE rates")
        with pytest.raises(SchemaDrift, match="leadstream migrate"):
            Writer(own).write(rates(Decimal(1)))
    finally:
        client.command(f"DROP DATABASE {scratch}")


def test_a_writer_without_rights_stops_and_sets_nothing_aside(emptied, engine, between):
    before = refused("rates")
    between.say((497, "Code: 497. DB::Exception: writer: Not enough privileges. (ACCESS_DENIED)"))
    with pytest.raises(Exception, match="Not enough privileges"):
        Writer(between.settings).write(rates(Decimal(1)))
    with pytest.raises(Exception, match="AUTHENTICATION_FAILED"):
        Writer(engine.model_copy(update={"clickhouse_user": "viewer"})).write(rates(Decimal(1)))
    assert refused("rates") == before


def test_an_address_that_cannot_be_used_sets_nothing_aside(engine):
    with pytest.raises(ValueError, match="LEADSTREAM_CLICKHOUSE_URL"):
        Writer(engine.model_copy(update={"clickhouse_url": "ftp://x"})).write(rates(Decimal(1)))
    writer = Writer(engine.model_copy(update={"clickhouse_url": "ftp://x"}))
    with pytest.raises(ValueError, match="LEADSTREAM_CLICKHOUSE_URL"):
        writer.write_table("rates", rates(Decimal(1)).rows["rates"])


def test_codes_have_the_names_that_clickhouse_gives_them(emptied):
    known = {**errors.TRANSIENT, **errors.SCHEMA, **errors.VALUES}
    assert len(known) == len(errors.TRANSIENT) + len(errors.SCHEMA) + len(errors.VALUES), (
        "a code means one thing"
    )
    found = emptied.query(
        "SELECT code, errorCodeToName(code) FROM (SELECT arrayJoin({c:Array(UInt32)}) AS code)",
        parameters={"c": list(known)},
    )
    assert dict(found.result_rows) == known


def test_the_tables_have_the_columns_that_the_sink_sends(emptied):
    for table in ORDER:
        types = dict(
            emptied.query(
                "SELECT name, type FROM system.columns "
                "WHERE database = 'lead' AND table = {t:String}",
                parameters={"t": table},
            ).result_rows
        )
        assert {name: types[name] for name in columns_of(table)[0]} == dict(
            zip(*columns_of(table), strict=True)
        ), table


def test_an_unknown_error_is_nobodys_row():
    assert errors.kind_of(RuntimeError("the engine is gone")) is Kind.OTHER
    assert errors.kind_of(OverflowError("int too big to convert")) is Kind.ROWS
    assert errors.kind_of(ConnectionRefusedError()) is Kind.TRANSIENT
