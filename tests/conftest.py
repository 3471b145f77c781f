"""What tests share: where the samples lie, how to miss a tool, and one embedded stack."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.support.jobs import kafka, topics  # noqa: F401 - fixtures of a broker for small jobs

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"


def lacking(what, how):
    """Skip with a line that says how to get it; where CI has it all, a skip is a failure."""
    if os.environ.get("LEADSTREAM_NO_SKIP"):
        pytest.fail(f"{what} is missing in CI: {how}")
    pytest.skip(f"{what} is missing: {how}")


@pytest.fixture(scope="session")
def samples():
    if not (SHARED / "samples").is_dir():
        pytest.skip(
            "the vendors' samples are no part of the product: put ../shared beside the checkout"
        )
    return SHARED / "samples"


@pytest.fixture(scope="session")
def olist():
    if not (SHARED / "data" / "olist").is_dir():
        pytest.skip(
            "Olist's data is no part of the product (its licence): "
            "put ../shared beside the checkout"
        )
    return SHARED / "data" / "olist"


def tool(name, package):
    found = shutil.which(name)
    if not found:
        lacking(name, f"apt-get install {package}")
    return found


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """Run the whole embedded stack: Kafka, workers, gateway, ClickHouse's engine, live page.

    It ticks and polls while idle, so it ends with its file.
    """
    from streams.embedded.stack import Stack

    with Stack(tmp_path_factory.mktemp("stack") / "home") as running:
        yield running
        from tests.integration import invariants

        invariants.hold(*invariants.of(running))  # after all that the file did to it


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Show what a failed test's stack complained of: in CI it is gone with its home."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and stack is not None:
        report.sections.append(("the stack", complaints(stack)))
    return report


def complaints(stack):
    """Return each process as the supervisor sees it, with the last warnings of its log."""
    from streams.embedded import logs

    lines = []
    for one in list(stack.shown.values()):
        lines.append(
            f"{one.role}: {one.state}, restarts {one.restarts}, "
            f"last exit {one.last_exit} {one.reason}"
        )
        log = logs.tail(logs.path(stack.home, one.role), 2000)
        warnings = [line for line in log if "WARN" in line or "error" in line.lower()]
        lines += [f"    {line}" for line in warnings[-12:]]
    return "\n".join(lines)


@pytest.fixture
def settings(stack):
    from streams.settings import Settings

    return Settings.of(stack.environment())


@pytest.fixture
def clickhouse(settings):
    from streams.connections import clickhouse_client

    return clickhouse_client(settings)


def run_cli(*arguments, home=None, check=True, **options):
    """Run the command line as a user does; give its JSON document."""
    import subprocess
    import sys

    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("LEADSTREAM_")
    }
    command = [
        sys.executable,
        "-m",
        "streams.cli.main",
        *map(str, arguments),
        *(["--home", str(home)] if home else []),
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
        **{"timeout": 600, **options},
    )
    if check:
        assert done.returncode == 0, done.stderr[-3000:]
    return (
        done.returncode,
        json.loads(done.stdout) if "--json" in arguments and done.stdout.strip() else done.stdout,
        done.stderr,
    )
