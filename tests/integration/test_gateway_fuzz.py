"""What nobody thought of: schemathesis over the gateway, and mutated bytes before authentication.

The long forms: `python -m tests.attack.gateway --minutes 10 --kafka`, and
LEADSTREAM_FUZZ_SECONDS=300 for this file, which takes a minute in all.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.attack import gateway
from tests.conftest import ROOT
from tests.support.gateway_process import Server

pytestmark = pytest.mark.ci
SECONDS = int(os.environ.get("LEADSTREAM_FUZZ_SECONDS", "40"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("gateway"), "-m", "tests.attack.server")
    yield running
    running.end()
    assert "Traceback" not in running.log


def test_schemathesis_finds_no_5xx_and_nothing_that_the_openapi_does_not_say(server, tmp_path):
    command = [
        Path(sys.executable).with_name("st"),
        "--config-file",
        str(ROOT / "tests/attack/schemathesis.toml"),
        "run",
        f"{server.base}/openapi.json",
    ]
    options = [
        "--checks",
        "all",
        "--max-time",
        str(SECONDS),
        "--suppress-health-check",
        "all",
        "--no-color",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, *options],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=SECONDS + 120,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_mutated_bytes_before_authentication_break_nothing_and_take_no_memory(server):
    assert not gateway.attack(server.port, server.process.pid, SECONDS / 2, seed=7)
