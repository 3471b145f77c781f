"""ClickHouse's own engine by itself, for tests without Kafka: one process a session, emptied."""

import os
import secrets
import subprocess
import sys
import time

import httpx
import pytest

from streams.embedded.home import free_port
from tests.conftest import ROOT
from tests.support.live import base, browser, market  # noqa: F401 - fixtures of the live page

SERVE = (
    "import sys; from pathlib import Path; from sinks.clickhouse.server import serve; "
    "serve(Path(sys.argv[1]), 'lead', int(sys.argv[2]), *sys.argv[3:])"
)


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    """Start an engine with all migrations applied, ended by its process id; yield its settings."""
    from sinks.clickhouse import migrate
    from streams.connections import clickhouse_client
    from streams.settings import Settings

    port, password, viewer = free_port(), secrets.token_hex(8), secrets.token_hex(8)
    command = [
        sys.executable,
        "-c",
        SERVE,
        str(tmp_path_factory.mktemp("engine") / "data"),
        str(port),
        password,
        viewer,
    ]
    # A configuration in the working folder, which is no part of ours.
    where = tmp_path_factory.mktemp("somewhere")
    (where / "config.xml").write_text(
        "<clickhouse><users_config>/nowhere</users_config></clickhouse>"
    )
    process = subprocess.Popen(command, cwd=where, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        settings = Settings(
            clickhouse_url=f"http://127.0.0.1:{port}",
            clickhouse_password=password,
            clickhouse_viewer_password=viewer,
        )
        end = time.monotonic() + 60
        while True:
            try:
                assert httpx.get(f"{settings.clickhouse_url}/ping").status_code == 200
                break
            except httpx.HTTPError:
                assert process.poll() is None, "the engine died"
                assert time.monotonic() < end, "the engine does not answer"
                time.sleep(0.1)
        migrate.apply(clickhouse_client(settings), "lead", "default")
        yield settings
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture
def emptied(engine):
    """Return a client on the engine, with no rows in any table of the sink."""
    from sinks.clickhouse.rows import ORDER
    from streams.connections import clickhouse_client

    client = clickhouse_client(engine)
    for table in ORDER:
        client.command(f"TRUNCATE TABLE {table}")
    return client


@pytest.fixture
def firm(emptied, engine):
    from tests.integration.firm import Firm

    return Firm(emptied, engine)
