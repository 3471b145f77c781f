"""What compose.yaml's containers do beside a running installation: set up, import, adopt."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from streams.settings import Settings
from tests.benchmarks.preview import stricter
from tests.conftest import ROOT
from tests.integration import histories
from tests.support.deployed import DEPLOY, compose

pytestmark = pytest.mark.ci


@pytest.fixture(scope="module")
def server(stack, tmp_path_factory):
    """Return the environment of the service `tools` but for addresses: its own home, no stack."""
    home = tmp_path_factory.mktemp("volume")
    own = {name: value for name, value in os.environ.items() if not name.startswith("LEADSTREAM_")}
    reached = stack.environment()
    declared = compose()["services"]["tools"]["environment"]
    places = {
        "LEADSTREAM_HOME": str(home),
        "LEADSTREAM_FUNNEL": declared["LEADSTREAM_FUNNEL"].replace(
            "/var/lib/leadstream", str(home)
        ),
    }
    names = (
        "BROKERS",
        "CLICKHOUSE_URL",
        "CLICKHOUSE_PASSWORD",
        "CLICKHOUSE_USER",
        "IDENTITY_KEY",
        "PARTITIONS",
    )
    known = {
        f"LEADSTREAM_{name}": reached[f"LEADSTREAM_{name}"]
        for name in names
        if f"LEADSTREAM_{name}" in reached
    }
    shim = home / "bin" / "leadstream"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m streams.cli.main "$@"\n')
    shim.chmod(0o755)
    return {**own, **known, **places, "PATH": f"{shim.parent}:{own['PATH']}"}


def run(server, *arguments):
    done = subprocess.run(
        ["leadstream", *map(str, arguments)],
        env=server,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_setup_may_be_run_again_and_puts_the_first_definitions_into_the_home(server):
    environment = {name: value for name, value in server.items() if name != "LEADSTREAM_FUNNEL"}
    for _ in range(2):
        command = [
            "sh",
            str(DEPLOY / "bin" / "leadstream-setup"),
            str(ROOT / "schemas/funnels/default.yaml"),
        ]
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
    assert [path.name for path in Path(server["LEADSTREAM_FUNNEL"]).iterdir()] == ["default.yaml"]


def test_setup_refuses_definitions_that_cannot_be_used_and_leaves_nothing(server, tmp_path):
    (tmp_path / "bad.yaml").write_text("funnel: x\nstages: 7\n")
    environment = {**server, "LEADSTREAM_HOME": str(tmp_path)}
    done = subprocess.run(
        ["sh", str(DEPLOY / "bin" / "leadstream-setup"), str(tmp_path / "bad.yaml")],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode != 0
    assert not (tmp_path / "generations").exists()


def test_history_is_imported_into_an_installation_that_the_environment_names(server, tmp_path):
    histories.write(tmp_path, 20)
    assert "accepted" in run(server, "import", tmp_path / "mapping.yaml", "--data", tmp_path)
    assert not (ROOT / ".leadstream").exists()


def test_adopt_works_from_a_container_with_a_worker_of_the_generations_own_file(server, tmp_path):
    stricter(tmp_path / "stricter.yaml")
    asking = subprocess.Popen(
        ["leadstream", "adopt", str(tmp_path / "stricter.yaml")],
        env=server, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    limit = threading.Timer(180, asking.kill)
    limit.start()
    worker = None
    try:
        asked = asking.stderr.readline()
        number = re.search(r"LEADSTREAM_GENERATION=(\d+)", asked)[1]
        assert (
            f"GENERATION={number} docker compose -p leadstream-{number} "
            "-f deploy/compose.generation.yaml up -d"
        ) in asked
        worker = _worker(server, number, tmp_path)
        out, err = asking.communicate()
        assert asking.returncode == 0, err[-3000:] + (tmp_path / "log").read_text()[-2000:]
    finally:
        limit.cancel()
        asking.kill()
        if worker:
            worker.terminate()
            worker.wait(20)
    assert f"generation {number} is shown" in out
    assert f"generation {number} (shown)" in run(server, "definitions", "list")
    assert "generation 1 is shown" in run(server, "rollback")  # its worker runs on


def _worker(server, number, tmp):
    service = compose("compose.generation.yaml", GENERATION=number)["services"]["advance"]
    home = server["LEADSTREAM_HOME"]
    declared = {
        name: str(value).replace("/var/lib/leadstream", home)
        for name, value in service["environment"].items()
    }
    assert Settings.of(declared).generation == int(number)
    kept = {name: server[name] for name in ("LEADSTREAM_BROKERS", "LEADSTREAM_PARTITIONS")}
    environment = {
        **server,
        **declared,
        **kept,
        "LEADSTREAM_HOME": str(tmp / "own"),
        "LEADSTREAM_METRICS_PORT": "0",
        "LEADSTREAM_HOST": "127.0.0.1",
    }
    with (tmp / "log").open("wb") as log:
        return subprocess.Popen(
            [*service["entrypoint"][1:], *service["command"]],
            env=environment,
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
