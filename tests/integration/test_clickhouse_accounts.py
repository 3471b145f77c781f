"""Access to ClickHouse: what a viewer may, what ends when nobody waits, what a flood can't stop."""

import base64
import concurrent.futures
import contextlib
import gzip
import json
import socket
import subprocess
import sys
import threading
import time
import zlib
from urllib.parse import quote

import clickhouse_connect
import httpx
import lz4.frame
import pytest

from schemas.reading import FUNNELS, load
from sinks.clickhouse import grants, kpis
from streams.connections import clickhouse_client
from streams.settings import Settings
from tests.conftest import ROOT
from tests.support.panels import expanded, statements

pytestmark = pytest.mark.ci  # a minute and a half
SECRET = "a-person@example.com"
SLOW = "SELECT max(sipHash64(a.number, b.number)) FROM numbers(1000000) AS a, numbers(1000000) AS b"


class Account:
    """A user's requests, without a client that would tidy what goes through."""

    def __init__(self, settings, user):
        password = (
            settings.clickhouse_password
            if user == "default"
            else settings.clickhouse_viewer_password
        )
        self.url, self.auth = settings.clickhouse_url, (user, password.get_secret_value())

    def ask(self, sql="", content=None, headers=None, method="POST", **parameters):
        params = {"database": "lead", **parameters} | (
            {"query": sql} if content is not None and sql else {}
        )
        body = sql.encode() if content is None else content
        return httpx.request(
            method,
            self.url,
            params=params,
            content=body,
            auth=self.auth,
            headers=headers,
            timeout=90,
        )

    def code(self, *arguments, **options):
        return int(self.ask(*arguments, **options).headers.get("X-ClickHouse-Exception-Code", 0))


@pytest.fixture(scope="module")
def owner(engine):
    account = Account(engine, "default")
    client = clickhouse_client(engine)
    client.command("TRUNCATE TABLE touches")
    client.command("TRUNCATE TABLE dead_letters")
    names, types = ["event_id", "content"], ["String", "String"]
    client.insert("touches", [["1", SECRET]], column_names=names, column_type_names=types)
    client.insert(
        "dead_letters", [["1", SECRET]], column_names=["id", "reason"], column_type_names=types
    )
    assert account.code("CREATE DATABASE IF NOT EXISTS lead_preview_kept") == 0
    account.ask(
        "CREATE TABLE IF NOT EXISTS lead_preview_kept.kept (a String) ENGINE = MergeTree ORDER BY a"
    )
    account.ask(f"INSERT INTO lead_preview_kept.kept VALUES ('{SECRET}')")
    yield account
    account.ask("DROP DATABASE lead_preview_kept")


@pytest.fixture(scope="module")
def viewer(engine, owner):
    return Account(engine, "viewer")


def until(true, what, seconds=30):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """Write a file that nobody but the test's own process should read."""
    path = tmp_path_factory.mktemp("secret") / "file.csv"
    path.write_text(f"{SECRET}\n")
    return path


HOSTILE = [
    # several statements, and other kinds of statements
    "SELECT 1; SELECT 2",
    "SELECT 1; SET ROLE leadstream_writing",
    "SELECT 1; DROP TABLE spend",
    "/* SELECT */ DROP TABLE spend",
    "-- SELECT\nTRUNCATE TABLE spend",
    "SELECT 1 /*;*/ ; -- ;\n TRUNCATE TABLE spend",
    "WITH x AS (SELECT 1) INSERT INTO surveys (survey) SELECT 'x'",
    "WITH 1 AS x SELECT x PARALLEL WITH TRUNCATE TABLE spend",
    "INSERT INTO spend (campaign) VALUES ('x')",
    'INSERT INTO spend (campaign) FORMAT JSONEachRow\n{{"campaign": "x"}}\n',
    "CREATE TABLE mine (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE mine (a Int8)",
    "CREATE OR REPLACE VIEW v_deals AS SELECT * FROM touches",
    "CREATE FUNCTION f AS (x) -> x",
    "ALTER TABLE spend DELETE WHERE 1",
    "DELETE FROM spend WHERE 1",
    "OPTIMIZE TABLE spend FINAL",
    "RENAME TABLE spend TO gone",
    "SET ROLE leadstream_writing",
    "SET ROLE ALL",
    "SET ROLE DEFAULT",
    "SET readonly = 0",
    "SET max_execution_time = 0",
    "SET DEFAULT ROLE ALL TO default",
    "EXECUTE AS default SELECT 1",
    "USE system",
    "GRANT ALL ON *.* TO viewer",
    "CREATE USER me IDENTIFIED BY 'x'",
    "KILL QUERY WHERE 1",
    "SYSTEM SHUTDOWN",
    "SYSTEM DROP MARK CACHE",
    "BACKUP DATABASE lead TO File('/tmp/stolen')",
    "ATTACH TABLE stolen",
    "DETACH TABLE spend",
    "EXPLAIN SELECT (SELECT any(content) FROM touches)",
    "EXPLAIN SELECT (SELECT any(query) FROM system.processes)",
    "EXPLAIN AST INSERT INTO spend VALUES (1)",
    "SHOW CREATE TABLE touches",
    "SHOW PROCESSLIST",
    "SHOW GRANTS",
    "SHOW USERS",
    "SHOW ACCESS",
    "CHECK TABLE spend",
    # files, addresses, other processes
    "SELECT * FROM file('{file}', 'CSV', 'a String')",
    "SELECT * FROM file('{file}')",
    "SELECT * FROM `file`('{file}', 'LineAsString')",
    "SELECT file('{file}')",
    "SELECT `file`('{file}')",
    "SELECT /**/file/**/('{file}')",
    "SELECT arrayMap(x -> file(x), ['{file}'])",
    "SELECT arrayMap(file, ['{file}'])",
    "SELECT * APPLY(file) FROM (SELECT '{file}')",
    "WITH file('{file}') AS x SELECT x",
    "SELECT 1 FROM v_deals WHERE file('{file}') = ''",
    "DESCRIBE TABLE file('{file}')",
    "DESCRIBE (SELECT * FROM file('{file}', 'CSV'))",
    "SELECT '{secret}' INTO OUTFILE '{file}.out'",
    "SELECT '{secret}' INTO/**/OUTFILE '{file}.out' FORMAT CSV",
    "SELECT '{secret}' INTO OUTFILE '{file}.out' TRUNCATE AND STDOUT",
    "SHOW TABLES INTO OUTFILE '{file}.out'",
    "SELECT * FROM url('{url}', 'LineAsString')",
    "SELECT * FROM urlCluster('default', '{url}', 'LineAsString')",
    "SELECT * FROM s3('{url}/x', 'LineAsString')",
    "SELECT * FROM remote('127.0.0.1', lead.touches)",
    "SELECT * FROM remote('127.0.0.1:1', 'lead', 'touches', 'default', 'x')",
    "SELECT * FROM cluster('default', lead.touches)",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM sqlite('{file}', 'a')",
    "SELECT * FROM executable('cat {file}', 'LineAsString', 'a String')",
    "SELECT * FROM python('open')",
    "SELECT * FROM filesystem('/etc')",
    "SELECT * FROM input('a String')",
    "SELECT * FROM dictionary('x')",
    "SELECT dictGet('x', 'y', 1)",
    "SELECT joinGet('lead.x', 'y', 1)",
    "SELECT aiGenerate('x', 'y')",
    "SELECT catboostEvaluate('{file}', 1)",
    "SELECT regionToName(toUInt32(1))",
    # what is not a figure
    "SELECT * FROM touches",
    "SELECT * FROM lead.touches",
    'SELECT * FROM "lead"."touches"',
    "SELECT * FROM touches FINAL",
    "SELECT event_id, origin FROM touches",
    "SELECT count() FROM touches WHERE content LIKE '%a%'",
    "SELECT kind FROM touches ORDER BY content",
    "SELECT COLUMNS('.*') FROM touches",
    "SELECT 1 FROM v_deals WHERE 'x' IN (SELECT content FROM touches)",
    "SELECT content FROM touches AS v_deals",
    "WITH t AS (SELECT * FROM touches) SELECT * FROM t",
    "SELECT (SELECT any(content) FROM touches)",
    "SELECT * FROM view(SELECT * FROM touches)",
    "SELECT * FROM merge('lead', '^touches$')",
    "SELECT * FROM merge('.*', '.*')",
    "SELECT * FROM loop(touches) LIMIT 1",
    "SELECT * FROM viewExplain('EXPLAIN', '', (SELECT * FROM touches))",
    "SELECT * FROM (EXPLAIN SELECT (SELECT any(content) FROM touches))",
    "SELECT * FROM mergeTreeIndex('lead', 'touches')",
    "SELECT * FROM eval('SELECT * FROM lead.touches')",
    "SELECT * FROM fact_revisions",
    "SELECT * FROM aliases",
    "SELECT reason FROM dead_letters",
    "SELECT * FROM dead_letters",
    "SELECT * FROM schema_migrations",
    "SELECT hasColumnInTable('lead', 'touches', 'content')",
    "SELECT * FROM lead_preview_kept.kept",
    "SELECT * FROM {{x:Identifier}}",
    # the engine itself
    "SELECT query FROM system.processes",
    "SELECT query FROM `system`.`processes`",
    'SELECT 1 WHERE ("a") IN "system"."processes"',
    "SELECT * FROM merge('system', '^processes$')",
    "SELECT * FROM system.server_settings",
    "SELECT * FROM system.disks",
    "SELECT * FROM system.users",
    "SELECT * FROM system.parts",
    "SELECT * FROM system.query_log",
    "SELECT * FROM system.user_directories",
    "SELECT getServerSetting('path')",
    "SELECT hostName()",
    "SELECT FQDN()",
    "SELECT fullHostName()",
    "SELECT hostname()",
    "SELECT serverUUID()",
    "SELECT getOSKernelVersion()",
    "SELECT getMacro('x')",
    "SELECT filesystemAvailable()",
    "SELECT sleep(1)",
    "SELECT sleepEachRow(1) FROM numbers(100)",
    "SELECT logTrace('x')",
    "SELECT generateSerialID('x')",
    "SELECT showCertificate()",
    "SELECT addressToLine(0)",
    # settings in the statement
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS profile = 'default'",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT * FROM (SELECT 1 SETTINGS max_memory_usage = 0)",
    "SELECT 1 SETTINGS dialect = 'prql'",
    "SELECT 1 SETTINGS log_comment = 'x'",
    "SELECT 1 SETTINGS additional_table_filters = {{'lead.spend': '1'}}",
    "SELECT 1 SETTINGS param_x = 'touches'",
    "SELECT 1 FORMAT Template SETTINGS format_template_row = '{file}'",
    "SELECT 1 SETTINGS output_format_schema = '{file}.out'",
    # what no parser takes
    "",
    ";",
    "SELECT",
    "(" * 20_000,
    "SELECT " + "(" * 3_000 + "1" + ")" * 3_000,
    "SELECT '" + "x" * 200_000 + "'",
    "SELECT 1 FORMAT Nope",
]  # fmt: skip


def test_a_viewer_can_read_figures_and_nothing_else(viewer, owner, marked):
    address = socket.socket()
    address.bind(("127.0.0.1", 0))
    address.listen()
    places = {
        "file": marked,
        "url": f"http://127.0.0.1:{address.getsockname()[1]}",
        "secret": SECRET,
    }
    before = figures_of(owner)
    let_in = []
    with address, concurrent.futures.ThreadPoolExecutor(4) as pool:
        statements = [one.format(**places) for one in HOSTILE]
        for statement, answer in zip(
            statements,
            pool.map(lambda one: viewer.ask(one, param_x="touches"), statements),
            strict=True,
        ):
            code = answer.headers.get("X-ClickHouse-Exception-Code")
            if (
                not code
                or answer.status_code < 400
                or SECRET in answer.text.replace(statement, "")
                or "Traceback" in answer.text
            ):
                let_in.append((statement[:100], answer.status_code, answer.text[:200]))
        address.setblocking(False)
        with pytest.raises(BlockingIOError):
            address.accept()  # nobody called
    assert let_in == []
    assert figures_of(owner) == before
    assert [path.name for path in marked.parent.iterdir()] == [marked.name]
    assert viewer.ask("SELECT currentRoles()").text == "['leadstream_reading']\n"


def figures_of(owner):
    tables = owner.ask(
        "SELECT name, create_table_query FROM system.tables "
        "WHERE database = 'lead' ORDER BY name FORMAT JSONCompact"
    ).json()["data"]
    return tables, owner.ask("SELECT count() FROM touches").text, owner.ask("SHOW DATABASES").text


SETTINGS = [
    {"a = 1, readonly": "0"},
    {"max_threads = 1 FORMAT Null; DROP TABLE spend --": "1"},
    {"readonly": "0"},
    {"role": "leadstream_writing", "readonly": "0"},
    {"profile": "default"},
    {"dialect": "prql"},
    {"max_memory_usage": "0"},
    {"max_result_bytes": "0"},
    {"max_execution_time": "100000"},
    {"max_execution_time": "-1"},
    {"max_execution_time": "nan"},
    {"max_execution_time": "1; SET ROLE ALL"},
    {"allow_ddl": "1"},
    {"session_timezone": "x', readonly = '0"},
    {"session_timezone": "x\\', readonly = \\'0"},
    {"additional_table_filters": "{'lead.spend': '1'}"},
    {"format_schema": "/etc/passwd"},
    {"output_format_schema": "/tmp/x"},
    {"default_format": "CSV SETTINGS readonly=0"},
    {"default_format": "CSV\r\nX-Evil: 1"},
    {"database": "system"},
    {"database": "lead`; SET ROLE ALL; USE `lead"},
    {"database": "nope"},
    {"param_a b": "1"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_viewers_settings_change_how_an_answer_looks_and_nothing_else(viewer, settings):
    answer = viewer.ask("SELECT getSetting('readonly') FROM v_deals", **settings)
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text)
    assert (
        viewer.ask(
            "SELECT getSetting('readonly'), getSetting('max_threads') > 0, currentRoles()"
        ).text
        == "2\t1\t['leadstream_reading']\n"
    )


def test_parameters_are_values_whatever_stands_in_them(viewer):
    for value in ("O'Hara", "'; DROP TABLE spend --", "\\", "{a:String}", "a\tb\nc", "' OR 1 -- "):
        written = value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
        answer = viewer.ask("SELECT {a:String} AS given FORMAT JSON", param_a=written)
        assert answer.json()["data"] == [{"given": value}]


def test_parameters_that_are_too_long_for_an_address_come_as_a_form(engine, viewer):
    """Some hundred aliases made every figure fail: clickhouse-connect sends them as a form."""
    client = clickhouse_client(engine)
    names = [f"campaign-{number}" for number in range(2_000)]
    found = client.query(
        "SELECT length({names:Array(String)}), {one:String}",
        parameters={"names": names, "one": "it's"},
    )
    assert found.result_rows == [(2_000, "it's")]
    answer = httpx.post(
        viewer.url,
        files={"a": ("a.csv", b"1")},
        params={"database": "lead"},
        auth=viewer.auth,
        timeout=30,
    )
    assert answer.headers["X-ClickHouse-Exception-Code"] == "36"
    form = {"query": (None, "SELECT * FROM file('/etc/passwd')")}
    assert (
        httpx.post(
            viewer.url, files=form, params={"database": "lead"}, auth=viewer.auth, timeout=30
        ).status_code
        >= 400
    )


def test_the_owners_settings_and_database_are_names_and_values(owner):
    assert (
        owner.code("SELECT 1", **{"max_threads = 1 FORMAT Null; DROP TABLE spend --": "1"}) == 115
    )
    assert owner.code("SELECT 1", database="lead`; DROP TABLE spend; --") == 36
    assert (
        owner.ask("SELECT getSetting('session_timezone')", session_timezone="Europe/Paris").text
        == "Europe/Paris\n"
    )
    assert owner.ask("SELECT getSetting('session_timezone')").text == "\n", (
        "a setting of one request holds for one"
    )
    assert owner.code("SELECT 1; SELECT 2") == 62
    assert owner.code("SELECT 1 INTO OUTFILE '/tmp/never'") == 48
    for statement in ("SET max_result_rows = 1", "USE system", "SET ROLE leadstream_reading"):
        assert owner.ask(statement).status_code == 200
        assert [owner.ask("SELECT count() FROM touches").text for _ in range(8)] == ["1\n"] * 8


def test_every_kpi_and_panel_works_for_a_viewer(engine, viewer):
    client = clickhouse_client(
        engine.model_copy(
            update={
                "clickhouse_user": "viewer",
                "clickhouse_password": engine.clickhouse_viewer_password,
            }
        )
    )
    now = int(time.time() * 1000)
    kpis.ask(client, kpis.question(load(FUNNELS / "default.yaml"), 0, now, now, "source"))
    for sql in statements().values():
        client.query(expanded(sql))
    readable = {name for (name,) in client.query("SHOW TABLES").result_rows}
    assert readable == {*grants.readable(), *grants.COLUMNS}
    for table in grants.readable():
        client.query(f"SELECT * FROM {table} LIMIT 1")
    for table, columns in grants.COLUMNS.items():
        client.query(f"SELECT {', '.join(columns)} FROM {table} FINAL")


def test_clients_that_others_wrote_can_look_around(viewer):
    """What clickhouse-connect asks is asked above; clickhouse-go and Grafana's plugin ask this."""
    for statement in (
        "SELECT displayName(), version(), revision(), timezone()",
        "SHOW DATABASES",
        'SHOW TABLES FROM "lead"',
        'DESC TABLE "lead"."v_deals"',
        "DESCRIBE TABLE v_deals FORMAT JSON",
        "SELECT name, description FROM system.functions LIMIT 5",
        "SELECT name, type FROM system.columns WHERE database = 'lead' AND table = 'v_deals'",
        "EXISTS TABLE lead.v_deals",
        "SELECT 1",
        "SELECT * FROM generate_series(1, 3)",
        "WITH RECURSIVE n AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM n WHERE a < 5) "
        "SELECT sum(a) FROM n",
        "SELECT CASE WHEN 1 THEN 'a' ELSE 'b' END, toDate('2026-01-01'), countIf(1), "
        "quantiles(0.5, 0.9)(1)",
    ):
        assert viewer.ask(statement).status_code == 200, statement
    assert viewer.ask("SHOW DATABASES").text == "lead\nsystem\n"


def test_nobody_comes_in_without_the_right_password(engine, owner):
    url, key = engine.clickhouse_url, owner.auth[1]
    for headers in (
        {},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic"},
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe").decode()},
        {"Authorization": f"Bearer {key}"},
        {"X-ClickHouse-User": "default"},
        {"X-ClickHouse-User": "viewer", "X-ClickHouse-Key": key},
        {"X-ClickHouse-User": "leadstream_writer", "X-ClickHouse-Key": key},
        {
            "X-ClickHouse-User": "default",
            "X-ClickHouse-Key": engine.clickhouse_viewer_password.get_secret_value(),
        },
    ):
        answer = httpx.post(url, content=b"SELECT 1", headers=headers)
        failure = (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"])
        assert failure == (403, "516"), headers


def test_a_body_that_cannot_be_read_is_the_senders_mistake(owner, viewer):
    bomb = gzip.compress(b" " * 30_000_000)
    for account, encoding, body in (
        (owner, "lz4", b"nonsense"),
        (owner, "lz4", lz4.frame.compress(b"SELECT 1")[:-6]),
        (owner, "gzip", b"nonsense"),
        (owner, "gzip", gzip.compress(b"SELECT 1")[:-9]),
        (owner, "deflate", b"nonsense"),
        (owner, "br", b"x"),
        (owner, "", b"\xff\xfe"),
        (viewer, "gzip", bomb),
        (viewer, "deflate", zlib.compress(b" " * 30_000_000)),
        (viewer, "lz4", lz4.frame.compress(b" " * 30_000_000)),
        (viewer, "", b" " * 2_000_000),
    ):
        answer = account.ask(content=body, headers={"Content-Encoding": encoding})
        assert 400 <= answer.status_code < 500, (encoding, answer.status_code, answer.text)
        assert "Traceback" not in answer.text


def running(owner):
    return int(
        owner.ask(
            "SELECT count() FROM system.processes "
            "WHERE query LIKE '%sipHash64(a.%' AND query NOT LIKE '%processes%'"
        ).text
    )


def test_a_time_limit_is_kept(owner, viewer):
    assert owner.code(SLOW, max_execution_time=1) == 159
    assert viewer.code(SLOW, max_execution_time=1) == 159
    assert viewer.code("SELECT length(arrayMap(x -> x, range(1000000000)))") in (69, 128, 241), (
        "memory has a limit too"
    )
    assert viewer.code("SELECT repeat('x', 1000000) FROM numbers(1000)") in (241, 396), (
        "and the answer"
    )


def test_a_query_ends_with_its_client(owner, viewer):
    """Eight of them, abandoned, kept everybody waiting for ever."""
    for account in (viewer, owner):
        sockets = [abandoned(account) for _ in range(4)]
        until(lambda: running(owner) == 4, "the queries to run")
        for one in sockets:
            one.close()
        until(lambda: running(owner) == 0, "the queries to end")
        assert account.ask("SELECT 1").text == "1\n"


def abandoned(account):
    host, _, port = account.url.removeprefix("http://").partition(":")
    credentials = base64.b64encode(":".join(account.auth).encode()).decode()
    one = socket.create_connection((host, int(port)))
    one.sendall(
        f"GET /?query={quote(SLOW)} HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Basic {credentials}\r\n\r\n".encode()
    )
    return one


def test_a_flood_of_viewers_gets_a_clear_no_and_stops_nobody_else(owner, viewer):
    sockets = [abandoned(viewer) for _ in range(40)]
    try:
        until(lambda: running(owner) == 4, "the lane to be full")
        answer = viewer.ask("SELECT 1")
        assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (503, "202")
        assert "lane viewers" in answer.text
        row = json.dumps({"campaign": "through"}).encode()
        assert (
            owner.ask(
                "INSERT INTO spend (campaign) FORMAT JSONEachRow\n" + row.decode()
            ).status_code
            == 200
        )
        assert owner.ask("SELECT count() FROM spend WHERE campaign = 'through'").text != "0\n"
        assert running(owner) == 4, "the flood was there all the time"
    finally:
        for one in sockets:
            one.close()
    until(lambda: running(owner) == 0 and viewer.code("SELECT 1") == 0, "the flood to end")
    owner.ask("TRUNCATE TABLE spend")


def test_an_engine_ends_though_a_query_runs(tmp_path):
    from streams.embedded.home import free_port
    from tests.integration.conftest import SERVE

    port = free_port()
    command = [sys.executable, "-c", SERVE, str(tmp_path / "data"), str(port), "owner", "viewer"]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        settings = Settings(
            clickhouse_url=f"http://127.0.0.1:{port}",
            clickhouse_password="owner",
            clickhouse_viewer_password="viewer",
        )
        owner = Account(settings, "default")
        until(lambda: answers(port), "the engine to answer")
        with abandoned(owner):
            until(lambda: running(owner) == 1, "the query to run")
            process.terminate()
            process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode in (0, -15)


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.3):
        return True
    return False


def test_connect_says_what_the_engine_says(engine):
    with pytest.raises(clickhouse_connect.driver.exceptions.DatabaseError) as caught:
        clickhouse_client(engine.model_copy(update={"clickhouse_user": "viewer"}))
    assert caught.value.code == 516


def test_threads_that_ask_at_once_get_their_own_settings(owner):
    zones = ["Europe/Paris", "Asia/Tokyo", "America/New_York", "UTC"]
    wrong = []

    def ask(zone):
        sql = "SELECT timezone(), getSetting('session_timezone')"
        answers = [owner.ask(sql, session_timezone=zone).text for _ in range(10)]
        wrong.extend((zone, one) for one in answers if one != f"{zone}\t{zone}\n")

    threads = [threading.Thread(target=ask, args=(zone,)) for zone in zones]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
