"""Grafana's ClickHouse client (clickhouse-go over HTTP) on the embedded engine, as a viewer."""

import httpx
import pytest

from sinks.clickhouse.batch import Batch
from tests.support import clickhouse_go
from tests.support.firms import lives
from tests.support.panels import expanded, statements
from tests.support.stories import DAY, T0

START, END = int(T0), int(T0 + 70 * DAY)


@pytest.fixture
def ask(engine):
    account = ("viewer", engine.clickhouse_viewer_password.get_secret_value())

    def asked(statement, seconds=60, **settings):
        return clickhouse_go.ask(engine.clickhouse_url, account, statement, seconds, **settings)

    return asked


def rows(answer):
    assert answer.status == 200, answer.body
    return clickhouse_go.read(answer.body)


def test_requests_are_those_that_were_recorded_of_the_client():
    assert clickhouse_go.request(
        "127.0.0.1:18997", ("viewer", "secret"), clickhouse_go.HELLO, seconds=10
    ) == (
        b"POST /?client_protocol_version=54460&database=lead&default_format=Native"
        b"&max_execution_time=14 HTTP/1.1\r\n"
        b"Host: 127.0.0.1:18997\r\n"
        b"User-Agent: grafana/12.0.0 clickhouse-datasource/4.20.0 clickhouse-go/2.47.0 "
        b"(lv:go/1.26.8; os:linux)\r\n"
        b"Content-Length: 55\r\n"
        b"Accept-Encoding: gzip\r\n"
        b"Authorization: Basic dmlld2VyOnNlY3JldA==\r\n"
        b"\r\n"
        b"SELECT displayName(), version(), revision(), timezone()"
    )


def test_a_connection_begins_with_who_the_server_is_and_a_ping(ask):
    for seconds in (None, 10, 60):  # at all, as the plugin dials, and as it asks
        hello = rows(ask(clickhouse_go.HELLO, seconds))
        assert hello.types == ["String", "String", "UInt32", "String"]
        ((_, version, revision, zone),) = hello.rows
        assert version.count(".") >= 2
        assert revision >= clickhouse_go.VERSION
        assert zone
        assert rows(ask(clickhouse_go.PING, seconds)) == (["1"], ["UInt8"], [(1,)])


@pytest.fixture
def walked(firm):
    """Return a firm whose leads walked its funnel."""
    batch = Batch()
    row = {"generation": 1, "funnel_version": "1", "effective_from": 0, "digest": "d"}
    batch.definition(row | {"content": firm.funnel.model_dump_json()})
    firm.insert(batch)
    for life in lives(firm.funnel, 30, seed=7):
        firm.lead(*life.sent, until=70.0)
    firm.spend("120.50", campaign="Spring")
    firm.target("inflow", "30", end="2026-02-28", stage=firm.funnel.shape().entry)
    return firm


@pytest.mark.ci  # most of a minute
def test_the_client_reads_of_every_panel_what_the_other_client_reads(ask, walked):
    shown = 0
    for name, statement in statements().items():
        sql = expanded(statement, START, END, now=END)
        found, expected = rows(ask(sql)), walked.client.query(sql)
        assert len(found.rows) == len(expected.result_rows), name
        if not found.rows:  # the header comes with the first row
            continue
        shown += 1
        assert found.names == list(expected.column_names), name
        assert found.types == [kind.name for kind in expected.column_types], name
        plain = [place for place, kind in enumerate(found.types) if "Date" not in kind]
        assert sorted_of(found.rows, plain) == sorted_of(expected.result_rows, plain), name
    assert shown > 40, "panels with nothing to read prove nothing"


def sorted_of(found, places):
    """Return rows in one order: those that a panel puts on a par come in any."""
    return sorted(
        (
            [round(row[one], 9) if isinstance(row[one], float) else row[one] for one in places]
            for row in found
        ),
        key=repr,
    )


def test_what_the_plugins_editor_asks_is_answered(ask):
    for statement, first in (
        ("SHOW DATABASES", "lead"),
        ('SHOW TABLES FROM "lead"', "active_generation"),
        ('DESC TABLE "lead"."v_deals"', "generation"),
        ("SELECT name, type, table FROM system.columns WHERE database IN ('lead')", "dataset"),
        ('SELECT DISTINCT "stage" FROM "lead"."v_stages" WHERE "stage" IS NOT NULL LIMIT 1000', ""),
    ):
        found = rows(ask(statement))
        assert not first or found.rows[0][0] == first, statement
    assert rows(ask("SELECT version()")).types == ["String"]  # its health check of old


def test_the_limit_of_rows_that_a_data_source_may_set_is_kept(ask):
    assert rows(ask("SELECT number FROM numbers(9)", limit=2)).rows == [(0,), (1,)]
    assert len(rows(ask("SELECT number FROM numbers(9)")).rows) == 9


def test_an_error_has_the_code_and_the_text_that_the_client_parses(ask):
    for statement, status, code, name in (
        ("SELECT nope", 404, 47, "UNKNOWN_IDENTIFIER"),
        ("SELECT * FROM lead.nosuch", 404, 60, "UNKNOWN_TABLE"),
        ("SELECT content FROM lead.touches", 403, 497, "ACCESS_DENIED"),
        ("SELECT sumState(1)", 500, 48, "NOT_IMPLEMENTED"),
    ):
        answer = ask(statement)
        text = answer.body.decode()
        assert answer.status == status, text
        assert answer.headers["X-ClickHouse-Exception-Code"] == str(code)
        assert text.startswith(f"Code: {code}. DB::Exception: "), text
        assert text.rstrip().endswith(f"({name})"), text


@pytest.mark.parametrize("name", ["compress", "decompress"])
def test_compressed_blocks_are_refused_in_words_that_name_the_remedy(ask, name):
    """The client took plain text for blocks with checksums, and none of its errors named why."""
    answer = ask("SELECT 1", **{name: 1}, network_compression_method="LZ4", headers={})
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (400, "432")
    assert "set the client's compression to gzip or none" in answer.body.decode()
    assert rows(ask("SELECT 1", **{name: 0})).rows == [(1,)]


def test_a_protocol_version_that_is_no_number_is_refused(ask):
    answer = ask("SELECT 1", client_protocol_version="newest")
    assert answer.headers["X-ClickHouse-Exception-Code"] == "72"
    assert "client_protocol_version is a number" in answer.body.decode()


def test_a_time_limit_has_a_limit_itself(ask):
    """The plugin waits for 60 seconds, and its client asks for 5 more: everything was refused."""
    assert rows(ask("SELECT getSetting('max_execution_time')", 60)).rows == [(64,)]
    assert rows(ask("SELECT getSetting('max_execution_time')", None)).rows == [(60,)]
    assert ask("SELECT 1", 62).headers["X-ClickHouse-Exception-Code"] == "452"


OF_ANY_TYPE = [
    "number", "toString(number)", "repeat('é', number)", "toFixedString('ab', 3)", "NULL",
    "number = 1", "toInt128(number)", "toUInt256(number)", "toFloat32(number)", "toBFloat16(1)",
    "toDecimal32(number, 2)", "toDecimal64(number, 2)", "toDecimal128(1, 2)", "toDecimal256(1, 2)",
    "toDate(number)", "toDate32(number)", "toDateTime64(number, 3, 'Asia/Tokyo')",
    "toNullable(toDateTime(number, 'Europe/Paris'))", "toTime(number)", "toTime64(number, 3)",
    "toIntervalDay(number)", "toUUID('00000000-0000-0000-0000-000000000001')",
    "toIPv4('1.2.3.4')", "toIPv6('::1')", r"'a'::Enum8('a' = 1, 'b,(\'LowCardinality(' = 2)",
    "'a'::Enum16('a' = 1, 'b)' = 300)", "nullIf(toString(number), '1')",
    "toLowCardinality(toString(number))", "toLowCardinality(nullIf(toString(number), '1'))",
    "toLowCardinality(toFixedString('ab', 3))", "range(number)", "[range(number), [7]]",
    "arrayMap(x -> if(x = 1, NULL, toString(x)), range(number))",
    "[toLowCardinality(toString(number))]", "[]::Array(LowCardinality(String))",
    "tuple(number, toLowCardinality('a'), [toLowCardinality('b')])",
    "map(toLowCardinality('a'), range(number))", "map()", "tuple()",
    "(1, 'a')::Tuple(`a, (b` Int8, `LowCardinality` String)",
    "[(1, 'a')]::Nested(a Int8, b String)", "(1, NULL)::Nullable(Tuple(Int8, Nullable(Int8)))",
    "number::SimpleAggregateFunction(sum, UInt64)", "(1., 2.)::Point", "[[(1., 2.)]]::Polygon",
    "[[[(1., 2.)]]]::MultiPolygon",
]  # fmt: skip
INFO = bytes.fromhex("01 00 02 ff ff ff ff 00")


@pytest.mark.parametrize("value", OF_ANY_TYPE)
def test_a_column_of_any_type_ends_where_the_next_one_begins(engine, value):
    """The server finds the end of a column by its type; here it is the end of the answer."""

    def native(select, **version):
        auth = ("default", engine.clickhouse_password.get_secret_value())
        params = {"default_format": "Native", "query": f"SELECT {select}", **version}
        answer = httpx.post(engine.clickhouse_url, params=params, auth=auth)
        assert answer.status_code == 200, answer.text
        return answer.content

    of = f"identity({value}) AS x, 'the end' AS y FROM numbers(300)"
    first = native(f"x FROM (SELECT {of})")
    assert first[:5] == b"\x01\xac\x02\x01x"  # a column of 300 rows, its name
    begin = 6 + first[5] if first[5] < 128 else None
    last = b"\x01y\x06String\0" + b"\x07the end" * 300
    whole = native(f"x, y FROM (SELECT {of})", client_protocol_version=clickhouse_go.VERSION)
    head = b"\x02" + first[1:begin]
    assert whole == INFO + head + b"\0" + first[begin:] + last


def test_every_block_has_its_info(ask):
    found = rows(ask("SELECT number, toString(number) FROM numbers(200000)"))
    assert found.rows == [(number, str(number)) for number in range(200_000)]
