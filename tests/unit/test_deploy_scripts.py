"""The programs of our image: one waits where a restart can't help, one checks for an answer."""

import http.server
import os
import signal
import subprocess
import sys
import threading

import pytest

from tests.conftest import ROOT

BIN = ROOT / "deploy" / "bin"


def held(*words, **variables):
    command = ["sh", str(BIN / "hold-on-78"), *words]
    return subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
        start_new_session=True,
    )


@pytest.fixture
def limit():
    """Kill a process that does not end by itself within so many seconds."""
    timers = []

    def of(process, seconds=20):
        timers.append(threading.Timer(seconds, lambda: os.killpg(process.pid, signal.SIGKILL)))
        timers[-1].start()
        return process

    yield of
    for timer in timers:
        timer.cancel()


@pytest.mark.parametrize("code", [0, 1, 70, 75])
def test_an_end_that_a_restart_may_mend_is_passed_on(code, limit):
    process = limit(held("sh", "-c", f"exit {code}"))
    process.communicate()
    assert process.returncode == code


def test_78_is_held_with_its_reason_and_the_command_that_goes_on(limit):
    process = limit(held("sh", "-c", "echo a hole in lead.touches >&2; exit 78", "advance"))
    lines = [process.stderr.readline() for _ in range(3)]
    assert lines[0] == "a hole in lead.touches\n"
    assert "78" in lines[1]
    assert "docker compose restart advance" in lines[2]
    assert process.poll() is None
    process.terminate()
    process.communicate()
    assert process.returncode == 0


def test_a_stop_reaches_the_worker_and_waits_until_it_has_finished(limit):
    code = (
        "import signal, sys, time; "
        "signal.signal(15, lambda *_: (print('finished', flush=True), sys.exit(0))); "
        "print('ready', flush=True); time.sleep(60)"
    )
    process = limit(held(sys.executable, "-c", code))
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    out, _ = process.communicate()
    assert (out, process.returncode) == ("finished\n", 0)


def test_a_generation_that_was_dropped_is_not_folded_again(limit, tmp_path):
    (tmp_path / "dropped").touch()
    process = limit(
        held("sh", "-c", "echo ran", LEADSTREAM_FUNNEL=str(tmp_path), LEADSTREAM_GENERATION="2")
    )
    assert "generation 2 was dropped" in process.stderr.readline()
    process.terminate()
    out, _ = process.communicate()
    assert out == ""


def test_a_dropped_generation_holds_nobody_but_its_own_worker(limit, tmp_path):
    (tmp_path / "dropped").touch()
    process = limit(held("sh", "-c", "echo ran", LEADSTREAM_FUNNEL=str(tmp_path)))
    out, _ = process.communicate()
    assert (out, process.returncode) == ("ran\n", 0)


class Answer(http.server.BaseHTTPRequestHandler):
    well = ("/metrics",)

    def do_GET(self):
        self.send_response(200 if self.path in self.well else 503)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def port():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def healthy(*words, **variables):
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("LEADSTREAM_")
    }
    variables.setdefault("HOLD_PID_FILE", "/nowhere")
    done = subprocess.run(
        [sys.executable, str(BIN / "leadstream-healthy"), *words],
        env={**environment, **variables},
        capture_output=True,
        timeout=30,
    )
    return done.returncode == 0


def test_a_process_is_healthy_when_it_answers_well(port):
    assert healthy(f"127.0.0.1:{port}/metrics")
    assert not healthy(f"127.0.0.1:{port}/readyz")
    assert healthy(f"127.0.0.1:{port}")
    assert healthy(LEADSTREAM_PORT=str(port))


def test_a_process_that_is_gone_is_not_healthy(port):
    import socket

    with socket.socket() as taken:  # bound, and never listening
        taken.bind(("127.0.0.1", 0))
        assert not healthy(f"127.0.0.1:{taken.getsockname()[1]}/metrics")
    assert not healthy()


def test_a_process_that_hangs_for_a_minute_is_ended_so_that_docker_starts_it_again(
    port, limit, tmp_path
):
    file = tmp_path / "hold.pid"
    process = limit(held("sleep", "60", HOLD_PID_FILE=str(file)))
    while not file.exists() or not file.read_text():
        assert process.poll() is None
    asked = {"HOLD_PID_FILE": str(file), "HANGS_SECONDS": "60"}
    assert not healthy(f"127.0.0.1:{port}/readyz", **asked)  # hangs, and that is new
    assert process.poll() is None
    long_ago = (tmp_path / "hold.hangs").stat().st_mtime - 61
    os.utime(tmp_path / "hold.hangs", (long_ago, long_ago))
    assert not healthy(f"127.0.0.1:{port}/readyz", **asked)
    process.communicate()
    assert process.returncode == 137


def test_a_process_that_only_waits_is_left_alone(port, limit, tmp_path, monkeypatch):
    monkeypatch.setattr(Answer, "well", ("/healthz",))
    file = tmp_path / "hold.pid"
    process = limit(held("sleep", "60", HOLD_PID_FILE=str(file)))
    while not file.exists() or not file.read_text():
        assert process.poll() is None
    assert not healthy(f"127.0.0.1:{port}/readyz", HOLD_PID_FILE=str(file), HANGS_SECONDS="0")
    assert process.poll() is None
    process.terminate()
    process.communicate()
