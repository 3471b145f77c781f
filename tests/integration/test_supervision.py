"""`leadstream up` as a process: what it shows, what it mends, and that its end leaves nothing.

One stack for all tests of it, in their order; the last of them kill it, so they come last.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from schemas import topics
from streams import health
from streams.embedded import broker, home
from streams.intake import arrival
from streams.settings import Settings
from tests.conftest import ROOT, run_cli
from tests.support.jobs import until

pytestmark = pytest.mark.ci
IMPATIENT = {
    "LEADSTREAM_TICKER_PATIENCE": "2",
    "LEADSTREAM_SUPERVISE_WORKER": "6",
    "LEADSTREAM_SUPERVISE_TICKER": "30",
    "LEADSTREAM_RESTART_LONGEST": "3",
    "LEADSTREAM_LOG_BYTES": "4000",
}


class Up:
    """`leadstream up` in a process of its own."""

    def __init__(self, folder):
        self.home, self._output = folder, folder.with_suffix(".output")
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("LEADSTREAM_")
        } | IMPATIENT
        with self._output.open("wb") as out:
            command = [sys.executable, "-m", "streams.cli.main", "up", "--home", str(folder)]
            self.process = subprocess.Popen(
                command, stdout=out, stderr=out, env=environment, cwd=ROOT, start_new_session=True
            )

    def output(self):
        return self._output.read_text().replace("\n", " ")

    def says(self, text):
        until(lambda: text in self.output() or self.process.poll() is not None, text)
        assert text in self.output()

    def shown(self):
        return {one["role"]: one for one in home.read(self.home)["processes"]}

    def state(self, role):
        return self.shown()[role]["state"]

    def all_run(self):
        return {one["state"] for one in self.shown().values()} == {"running"}

    def supervisor(self, path):
        port = json.loads((self.home / "ports.json").read_text())["supervisor"]
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=60)

    def settings(self):
        return Settings.of(home.read(self.home)["environment"])

    def family(self):
        return psutil.Process(self.process.pid).children(recursive=True)


def nothing_is_left(family):
    """Wait until each has ended: by pid and start time, as psutil compares."""

    def left():
        return [
            process
            for process in family
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        ]

    until(lambda: not left(), f"the end of {left()}")


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    running = Up(tmp_path_factory.mktemp("up") / "home")
    try:
        running.says("gateway    http")
        until(running.all_run, "all processes")
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def failing(up):
    """Return the doctor's failing checks; in this process, since a command costs a second."""
    shown = home.read(up.home)
    settings = Settings.of(shown["environment"])
    own = health.Check("processes", lambda _settings: health.processes(shown["processes"]))
    return {
        one.check: one.detail
        for one in health.examine(settings, [own, *health.CHECKS])
        if not one.ok
    }


def test_a_stack_that_is_well_says_so_everywhere(up):
    until(lambda: up.supervisor("/readyz").status_code == 200, "readiness")
    found = until(
        lambda: (ran := run_cli("doctor", "--json", home=up.home, check=False))[0] == 0 and ran[1],
        "a doctor that is content",
    )
    assert {one["check"] for one in found} == {
        "processes",
        *(check.name for check in health.CHECKS),
    }
    assert set(up.shown()) == {"broker", "clickhouse", "gateway", "live", "ticker", *topics.READS}
    for role in ("advance", "ticker"):
        port = json.loads((up.home / "ports.json").read_text())[f"metrics-{role}"]
        assert [
            httpx.get(f"http://127.0.0.1:{port}{path}").status_code
            for path in ("/healthz", "/readyz", "/metrics")
        ] == [200] * 3
    metrics = up.supervisor("/metrics").text
    assert 'leadstream_process_state{role="advance",state="running"} 1.0' in metrics
    assert 'leadstream_check_failed{check="watermark"} 0.0' in metrics
    assert "leadstream_topic_differences 0.0" in metrics


def test_without_a_supervisor_a_worker_that_is_dead_is_seen_by_its_group(up):
    settings = up.settings()
    assert health.workers(settings) == "each has a process"
    others = settings.model_copy(update={"partitions": 7})  # whose groups nobody ever joined
    with pytest.raises(health.Failing, match=r"nobody does the work of normalise, .*advance"):
        health.workers(others)


def test_nobody_else_may_read_a_home(up):
    files = [
        path for path in (up.home, *up.home.rglob("*")) if path.exists() and not path.is_symlink()
    ]
    assert len(files) > 100
    assert {
        str(path): oct(path.stat().st_mode) for path in files if path.stat().st_mode & 0o077
    } == {}


def test_a_second_stack_on_the_home_is_refused_and_breaks_nothing(up):
    before = (up.home / "stack.json").read_text(), (up.home / "ports.json").read_text()
    code, _, printed = run_cli("up", home=up.home, check=False, timeout=60)
    assert (code, "already" in printed) == (1, True)
    assert ((up.home / "stack.json").read_text(), (up.home / "ports.json").read_text()) == before


def test_applied_topics_differ_in_nothing_and_one_altered_by_hand_fails_the_doctor_until_applied(
    up,
):
    assert run_cli("topics", "apply", home=up.home)[1].strip() == "nothing to do"
    admin = KafkaAdminClient(bootstrap_servers=up.settings().brokers)
    resource = ConfigResource(
        ConfigResourceType.TOPIC,
        topics.EVENTS,
        configs={"retention.ms": "60000", "flush.ms": "7000"},
    )
    admin.alter_configs([resource])
    admin.close()
    found = until(lambda: failing(up), "a difference")
    assert list(found) == ["kafka topics"]
    assert found["kafka topics"].startswith(
        f"1 differences: {topics.EVENTS}: retention.ms: 60000 -> "
    )
    code, _, printed = run_cli("doctor", home=up.home, check=False)
    assert (code, "something is wrong" in printed) == (1, True)
    printed = run_cli("topics", "apply", home=up.home)[1]
    assert f"{topics.EVENTS}: retention.ms: 60000 -> " in printed
    printed = run_cli("topics", "apply", "--dry-run", home=up.home)[1]
    assert (
        printed == f"note: {topics.EVENTS}: flush.ms=7000 is set and not declared\nno difference\n"
    )
    assert failing(up) == {}


def test_a_state_file_that_somebody_broke_is_written_again(up):
    (up.home / "stack.json").write_text("{")
    assert up.all_run()
    (up.home / "stack.json").unlink()
    until(lambda: (up.home / "stack.json").exists(), "the state file")


def ticks(up):
    return sum(arrival.ends(up.settings(), topics.RAW_WEB).values())


def test_time_goes_on_after_a_broker_froze_for_long_and_its_ticker_is_not_restarted(
    up,
):
    frozen, before = psutil.Process(up.shown()["broker"]["pid"]), up.shown()["ticker"]["pid"]
    replaced = f"http://{up.shown()['ticker']['address']}/metrics"
    frozen.suspend()
    try:
        until(
            lambda: "leadstream_ticker_producers_replaced_total 2.0" in httpx.get(replaced).text,
            "two producers that were given up",
        )
        until(lambda: up.state("ticker") == "not ready", "a ticker that says that it is not heard")
        assert "ticker is not ready: lead.raw." in failing(up)["processes"]
        until(lambda: "watermark" in failing(up), "time that is seen to stand")
    finally:
        frozen.resume()
    known = until(lambda: ticks(up), "the broker")
    until(lambda: ticks(up) > known + 4, "ticks", limit=10)
    until(up.all_run, "all processes")
    assert up.shown()["ticker"]["pid"] == before
    until(lambda: not failing(up), "health")


def test_processes_that_hang_are_killed_and_started_again(up):
    before = up.shown()
    for role in ("resolve", "gateway"):
        psutil.Process(before[role]["pid"]).suspend()
    for role in ("resolve", "gateway"):
        until(lambda role=role: up.shown()[role]["pid"] != before[role]["pid"], f"another {role}")
        assert f"{role} is killed: it did not answer for " in up.output()
    until(up.all_run, "all processes")
    restarted = {role: one["restarts"] for role, one in up.shown().items() if one["restarts"]}
    assert restarted == {"resolve": 1, "gateway": 1}
    assert 'leadstream_process_restarts_total{role="resolve"} 1.0' in up.supervisor("/metrics").text


def test_a_process_that_keeps_ending_is_shown_with_its_count_and_its_last_exit(up):
    process = up.shown()["live"]

    def kill_again():
        one = up.shown()["live"]
        if one["state"] == "restarting" and one["restarts"] >= 4:
            return one
        if one["state"] != "restarting":
            with contextlib.suppress(ProcessLookupError):
                os.kill(one["pid"], signal.SIGKILL)
        return None

    found = until(kill_again, "four restarts")
    assert found["last_exit"] == -signal.SIGKILL
    assert (
        health.describe(found)
        == f"live is restarting, {found['restarts']} times, last exit -9, see {process['log']}"
    )
    until(up.all_run, "all processes")


def test_a_worker_that_stopped_is_shown_with_its_reason_and_is_resumed_by_a_command(up):
    path = up.home / "generations" / "1" / "default.yaml"
    good = path.read_text()
    path.write_text(good.replace("excluded: [duplicate, spam]", "excluded: [spam]"))
    try:
        os.kill(up.shown()["advance"]["pid"], signal.SIGTERM)
        until(lambda: up.state("advance") == "stopped", "a worker that stops")
        stopped = up.shown()["advance"]
        assert stopped["last_exit"] == 78
        assert "put the file back" in stopped["reason"]
        assert stopped["command"] == f"leadstream resume advance --home {up.home}"
        printed = run_cli("status", home=up.home)[1].replace("\n", " ")
        assert "advance is stopped: " in printed
        assert stopped["command"] in printed
        assert "put the file back" in up.output()
        assert "put the file back" in failing(up)["processes"]
        unready = up.supervisor("/readyz")
        assert (unready.status_code, "put the file back" in unready.json()["reason"]) == (503, True)
        code, _, printed = run_cli("resume", "advance", home=up.home, check=False)
        assert (
            code,
            "advance stopped again, the reason still holds: " in printed.replace("\n", " "),
        ) == (1, True)
    finally:
        path.write_text(good)
    assert run_cli("resume", "advance", home=up.home)[1].strip() == "advance runs"
    assert (
        run_cli("resume", "advance", home=up.home, check=False)[2].strip()
        == "advance did not stop: it is running"
    )
    until(lambda: not failing(up), "health")


def test_logs_were_rotated(up):
    files = [path for path in (up.home / "logs").iterdir() if path.name.startswith("advance.log")]
    assert {path.name for path in files} == {"advance.log", "advance.log.1", "advance.log.2"}
    assert all(path.stat().st_size <= 2 * 4000 for path in files if path.name != "advance.log")


def test_nothing_is_left_of_a_stack_whose_supervisor_is_killed(up):
    family = up.family()
    assert len(family) >= len(up.shown())
    up.process.kill()
    up.process.wait()
    nothing_is_left(family)


def test_a_broker_that_survived_is_ended_before_a_second_one_and_a_closed_terminal_leaves_nothing(
    up,
):
    ports = json.loads((up.home / "ports.json").read_text())
    settings = Settings(brokers=f"127.0.0.1:{ports['broker']}")
    with Path(os.devnull).open("ab") as log:
        # As one without a leash.
        survivor = broker.start(up.home / "kafka", ports["broker"], ports["controller"], log)
    try:
        until(lambda: broker_answers(ports["broker"]), "the survivor")
        before = sum(arrival.ends(settings, topics.RAW_WEB).values())
        again = Up(up.home)
        again.says(f"ending broker (pid {survivor.pid})")
        assert survivor.wait(30) == 128 + signal.SIGTERM
    finally:
        survivor.kill()
        survivor.wait()
    # So topics and tables were there, on the same ports.
    again.says("workers, gateway, live page")
    assert json.loads((up.home / "ports.json").read_text()) == ports
    assert sum(arrival.ends(settings, topics.RAW_WEB).values()) >= before > 0
    family = until(again.family, "processes")
    again.process.send_signal(signal.SIGHUP)
    assert again.process.wait(60) == 0
    nothing_is_left(family)
    assert not (up.home / "stack.json").exists()


def broker_answers(port):
    from streams.embedded import answers

    return answers.ask({"broker": answers.Question(port)})["broker"].ready


def test_a_stack_interrupted_at_its_start_leaves_nothing_and_a_failing_one_gives_where_and_why(
    up,
):
    again = Up(up.home)
    again.says("Apache Kafka")
    family = until(again.family, "processes")
    again.process.send_signal(signal.SIGINT)
    assert again.process.wait(60) == 0, again.output()
    nothing_is_left(family)
    (up.home / "kafka" / "logs" / "meta.properties").write_text("broken")
    third = Up(up.home)
    assert third.process.wait(90) == 1
    assert "broker ended with 1; the end of its log, " in third.output()
    assert "node ID not found" in third.output()


def test_a_home_that_lost_its_identity_key_does_not_start(up):
    (up.home / "secrets.json").write_text("")
    time_of = (up.home / "kafka" / "server.properties").stat().st_mtime
    code, _, printed = run_cli("up", home=up.home, check=False, timeout=60)
    assert (code, "restore that file from your backup" in printed.replace("\n", " ")) == (1, True)
    assert (up.home / "kafka" / "server.properties").stat().st_mtime == time_of
    assert time.time() > time_of
