"""Supervision's parts by themselves: homes, pids, logs, pauses, answers, a ticker that hangs."""

import contextlib
import fcntl
import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import psutil
import pytest
import typer
from typer.testing import CliRunner

from schemas.topics import TOPICS
from streams import health
from streams.agents import ticker
from streams.cli import doctor as doctor_command
from streams.embedded import answers, children, home, logs, pids, stack, stopped
from streams.embedded.process import FIRST_ANSWER_SECONDS, Memory, Process
from streams.embedded.watch import Watch
from streams.engine.worker import EXIT_STOPPED
from streams.operate import admin
from streams.probe import Probe
from streams.settings import WORKERS, Settings, split
from tests.conftest import ROOT


def until(condition, what, limit=20):
    end = time.monotonic() + limit
    while not (found := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.02)
    return found


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def sleeper():
    """Start a process that nobody may harm."""
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


# ---------------------------------------------------- children end with their supervisor
SUPERVISOR = """
import os, subprocess, sys, threading, time
from pathlib import Path
from streams.embedded.children import Children, program
home = Path(sys.argv[1])
children = Children(home)
plain = (
    "import os, sys; sys.path.insert(0, os.getcwd()); "
    "from streams.embedded import leash; leash.follow(); "
    "print('up', flush=True); import time; time.sleep(600)"
)
environment = dict(os.environ)
out = open(home / "out", "ab")
def begin(role, command):
    pids.append(children.call(children.start, role, command, environment, out, out).pid)
pids = []
# A thread that ends at once.
one = threading.Thread(target=begin, args=("ours", [sys.executable, "-c", plain]))
one.start(); one.join()
begin("foreign", program(["/bin/sleep", "600"]))
(home / "pids").write_text(" ".join(map(str, pids)))
time.sleep(600)
"""


@pytest.mark.parametrize("portable", [False, True], ids=["kernel", "pipe"])
def test_children_outlive_the_thread_that_asked_for_them_and_end_with_a_supervisor_that_is_killed(
    tmp_path, portable
):
    environment = {**os.environ, **({"LEADSTREAM_NO_PDEATHSIG": "1"} if portable else {})}
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path)], cwd=ROOT, env=environment
    )
    try:
        until(
            lambda: (tmp_path / "pids").exists() and "up" in (tmp_path / "out").read_text(),
            "two children",
        )
        both = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        until(lambda: psutil.Process(both[1]).name() == "sleep", "the foreign program")
        if portable:
            until(lambda: psutil.Process(both[1]).children(), "the guard of the foreign program")
        family = [
            *both,
            *(child.pid for pid in both for child in psutil.Process(pid).children(recursive=True)),
        ]
        assert not any(gone(pid) for pid in family)
        supervisor.kill()
        until(lambda: all(gone(pid) for pid in family), f"the end of {family}")
    finally:
        supervisor.kill()
        supervisor.wait()


def test_a_role_whose_process_lives_is_not_started_a_second_time(tmp_path):
    ours = children.Children(tmp_path)
    try:
        command = ["/bin/sleep", "600"]
        first = ours.call(ours.start, "broker", command, {}, subprocess.DEVNULL, subprocess.DEVNULL)
        with pytest.raises(home.StackError, match="still lives"):
            ours.call(ours.start, "broker", command, {}, subprocess.DEVNULL, subprocess.DEVNULL)
        first.kill()
        first.wait()
        second = ours.call(
            ours.start, "broker", command, {}, subprocess.DEVNULL, subprocess.DEVNULL
        )
        second.kill()
        second.wait()
    finally:
        ours.close()


def survivor(folder, role, **recorded):
    """Start a process that holds its pid file as a stack's do, without a leash."""
    (folder / "run").mkdir(exist_ok=True)
    with (folder / "run" / f"{role}.pid").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(
            ["sleep", "600"], pass_fds=[lock.fileno()], start_new_session=True
        )
        json.dump({"pid": process.pid, "started": pids.started(process.pid), **recorded}, lock)
    return process


def test_what_a_dead_supervisor_left_is_ended_and_reported_even_if_it_is_stopped(tmp_path):
    left = [survivor(tmp_path, role) for role in ("broker", "advance@2")]
    left[0].send_signal(signal.SIGSTOP)
    messages = []
    children.end_survivors(tmp_path, messages.append)
    assert all(gone(process.pid) for process in left)
    assert [text.split(" (")[0] for text in messages] == ["ending advance@2", "ending broker"]
    assert list((tmp_path / "run").iterdir()) == []


def test_a_pid_that_somebody_else_has_today_is_never_ended(tmp_path, sleeper, monkeypatch):
    monkeypatch.setattr(children, "FREE_SECONDS", 0.2)
    (tmp_path / "run").mkdir()
    # Nobody holds it.
    (tmp_path / "run" / "gateway.pid").write_text(
        json.dumps({"pid": sleeper.pid, "started": pids.started(sleeper.pid)})
    )
    children.end_survivors(tmp_path, pytest.fail)
    held = survivor(tmp_path, "broker", pid=sleeper.pid, started=pids.started(sleeper.pid) - 100)
    try:
        with pytest.raises(home.StackError, match="a process of broker still lives"):
            children.end_survivors(tmp_path, pytest.fail)
    finally:
        held.kill()
        held.wait()
    assert sleeper.poll() is None


def test_a_broker_that_nobody_recorded_is_found_by_its_lock_and_its_command(tmp_path):
    logs_folder = tmp_path / "kafka" / "logs"
    logs_folder.mkdir(parents=True)
    (logs_folder / ".lock").touch()
    hold = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_EX); "
        "print('held', flush=True); time.sleep(600)"
    )
    command = [
        sys.executable,
        "-c",
        hold,
        str(logs_folder / ".lock"),
        str(tmp_path / "kafka" / "server.properties"),
    ]
    broker = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert broker.stdout.readline() == b"held\n"
    messages = []
    children.end_survivors(tmp_path, messages.append)
    assert gone(broker.pid)
    assert messages == [
        f"ending broker (pid {broker.pid}), which a supervisor that died left behind"
    ]


# ---------------------------------------------------------------- homes
DATA = ("kafka/logs/meta.properties", "clickhouse/metadata")


def with_data(folder, name):
    (folder / name).parent.mkdir(parents=True)
    (folder / name).touch()


def test_every_process_that_a_stack_starts_is_found_by_its_command(tmp_path):
    everything = Settings(hubspot_token="t", notify_book=tmp_path / "book.yaml")
    roles = stack.wanted(tmp_path, everything)
    commands = {"worker" if split(role)[0] in WORKERS else role for role in roles}
    assert {*commands, "clickhouse"} == {*children.OURS}


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize(
    "text",
    [None, "", '{"identity_key": "12', "[]", '{"identity_key": ""}', '{"ingest_token": "x"}'],
)
def test_a_home_with_data_never_gets_a_new_identity_key(tmp_path, data, text):
    with_data(tmp_path, data)
    path = tmp_path / "secrets.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(home.StackError, match="restore that file from your backup"):
        home.load_secrets(tmp_path)
    assert (path.read_text() if path.exists() else None) == text


def test_secrets_are_made_once_and_a_broken_file_of_a_home_without_data_is_made_again_with_a_word(
    tmp_path,
):
    first = home.load_secrets(tmp_path, pytest.fail)
    assert home.load_secrets(tmp_path, pytest.fail) == first
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    (tmp_path / "secrets.json").write_text('{"iden')
    messages = []
    assert home.load_secrets(tmp_path, messages.append)["identity_key"] != first["identity_key"]
    assert "was broken and is made again" in messages[0]


def test_a_secret_of_a_later_version_is_added_and_the_others_stay(tmp_path):
    first = home.load_secrets(tmp_path)
    with_data(tmp_path, DATA[0])
    (tmp_path / "secrets.json").write_text(
        json.dumps({name: value for name, value in first.items() if name != "hubspot_secret"})
    )
    messages = []
    second = home.load_secrets(tmp_path, messages.append)
    assert {name for name in first if first[name] != second[name]} == {"hubspot_secret"}
    assert messages == [f"made the secrets that {tmp_path / 'secrets.json'} lacks: hubspot_secret"]


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"broker": "x"}', '{"broker": 99999999}'])
def test_broken_ports_are_made_again(tmp_path, text):
    (tmp_path / "ports.json").write_text(text)
    ports = home.choose_ports(tmp_path, {})
    assert json.loads((tmp_path / "ports.json").read_text()) == ports
    assert len(set(ports.values())) == len(ports)


def test_a_home_keeps_its_ports_and_says_which_one_is_taken(tmp_path):
    first = home.choose_ports(tmp_path, {}, pytest.fail)
    assert home.choose_ports(tmp_path, {}, pytest.fail) == first
    messages = []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first["gateway"]))
        taken.listen()
        second = home.choose_ports(tmp_path, {}, messages.append)
    assert second["gateway"] != first["gateway"]
    assert messages == [f"port {first['gateway']} is taken: gateway gets {second['gateway']}"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"pid": 1, "environment": {}, "processes": []}']
)
def test_a_broken_state_file_reads_as_no_stack(tmp_path, text):
    (tmp_path / "stack.json").write_text(text)
    assert home.read(tmp_path) is None


def shown(pid, started, *processes):
    return json.dumps(
        {"pid": pid, "started": started, "environment": {}, "processes": list(processes)}
    )


def test_a_pid_that_is_used_again_is_not_taken_for_the_stack_or_a_process_of_it(tmp_path, sleeper):
    began = pids.started(sleeper.pid)
    (tmp_path / "stack.json").write_text(shown(sleeper.pid, began - 100))
    assert home.read(tmp_path) is None
    process = {"role": "live", "pid": sleeper.pid, "state": "running"}
    own = shown(
        os.getpid(),
        pids.started(os.getpid()),
        {**process, "started": began},
        {**process, "started": began - 100},
    )
    (tmp_path / "stack.json").write_text(own)
    assert [one["state"] for one in home.read(tmp_path)["processes"]] == ["running", "dead"]


def test_a_reader_waits_for_a_living_supervisor_to_write_the_state_again(tmp_path):
    (tmp_path / "stack.json").write_text("{")
    lock = home.take_lock(tmp_path)
    writer = threading.Timer(
        0.3, home.write, (tmp_path / "stack.json", shown(os.getpid(), pids.started(os.getpid())))
    )
    writer.start()
    assert home.read(tmp_path)["pid"] == os.getpid()
    lock.close()


def test_a_second_stack_on_a_home_is_refused(tmp_path):
    with home.take_lock(tmp_path), pytest.raises(home.StackError, match="already: stop it"):
        home.take_lock(tmp_path)
    home.take_lock(tmp_path).close()


def test_the_address_that_vendors_know_is_the_operators_word(tmp_path, monkeypatch):
    """`up` overwrote it with its own, so behind a tunnel each signature of HubSpot's was wrong."""
    from streams.embedded.stack import Stack

    monkeypatch.setenv("LEADSTREAM_PUBLIC_URL", "https://leads.example")
    stack = Stack(tmp_path / "home")
    try:
        found = stack.environment()
        assert found["LEADSTREAM_PUBLIC_URL"] == "https://leads.example"
        assert found["LEADSTREAM_GATEWAY_URL"].startswith("http://127.0.0.1:")
    finally:
        stack.stop()


def test_a_wide_home_is_tightened_and_what_is_not_ours_in_that_folder_is_left(tmp_path):
    folder = tmp_path / "home"
    for name in ("kafka/logs/x", "generations/1/default.yaml", "logs/broker.log", "mine/notes"):
        with_data(folder, name)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    home.make_private(folder)
    wide = {
        str(path.relative_to(folder))
        for path in (folder, *folder.rglob("*"))
        if path.stat().st_mode & 0o077
    }
    assert wide == {"mine", "mine/notes"}


@pytest.mark.parametrize("file", ["1/default.yaml", "2/default.yaml", "2/live-from.json"])
@pytest.mark.parametrize("text", [None, "", "{"])
def test_a_broken_generation_is_refused_and_says_restore(tmp_path, file, text):
    home.choose_funnel(tmp_path, "default")
    one, two = (tmp_path / "generations" / number for number in "12")
    two.mkdir()
    (two / "default.yaml").write_bytes((one / "default.yaml").read_bytes())
    (two / "live-from.json").write_text('{"0": 5}')
    home.check_generations(tmp_path)
    path = tmp_path / "generations" / file
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(home.StackError, match=f"generation {file[0]} can't be read"):
        home.check_generations(tmp_path)


def test_a_generation_that_an_earlier_build_adopted_is_read_by_its_files_former_name(tmp_path):
    """A server's compose file names one of the two, whichever build wrote the folder."""
    home.choose_funnel(tmp_path, "default")
    one, two = (tmp_path / "generations" / number for number in "12")
    two.mkdir()
    (two / "default.yaml").write_bytes((one / "default.yaml").read_bytes())
    for written, named in (("birth.json", "live-from.json"), ("live-from.json", "birth.json")):
        (two / written).write_text('{"0": 5}')
        home.check_generations(tmp_path)
        assert Settings(live_from_file=two / named).adoption_offsets() == {0: 5}
        (two / written).unlink()


def test_a_home_with_data_and_without_its_definitions_is_refused(tmp_path):
    with_data(tmp_path, DATA[1])
    with pytest.raises(home.StackError, match="restore"):
        home.choose_funnel(tmp_path, "default")


# ---------------------------------------------------------------- logs and reasons
def test_a_log_is_rotated_under_a_process_that_goes_on_and_stays_bounded(tmp_path):
    path = tmp_path / "logs" / "x.log"
    write = "import sys\nfor line in sys.stdin: print(line.strip() * 10, flush=True)"
    with logs.opened(tmp_path, "x") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", write], stdin=subprocess.PIPE, stdout=log, text=True
        )
    lines = [f"line-{number:04};" for number in range(40)]
    for line in lines:
        process.stdin.write(line + "\n")
        process.stdin.flush()
        until(lambda line=line: line * 10 in path.read_text(), "the line")
        logs.rotate(path, 1000, 2)
    process.stdin.close()
    process.wait()
    files = sorted((tmp_path / "logs").iterdir())
    assert [file.name for file in files] == ["x.log", "x.log.1", "x.log.2"]
    assert all(file.stat().st_size <= 1100 for file in files)
    text = "".join(file.read_text() for file in reversed(files))
    kept = lines[-text.count("\n") :]
    # The newest, in order, none twice, none lost.
    assert text == "".join(line * 10 + "\n" for line in kept)
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)


def test_a_flood_between_two_looks_does_not_break_the_bound(tmp_path):
    with logs.opened(tmp_path, "x") as log:
        log.write(b"x" * 50_000)
    assert logs.rotate(logs.path(tmp_path, "x"), 1000, 1)
    assert (tmp_path / "logs" / "x.log.1").stat().st_size == 2000


def test_why_a_role_stopped_is_read_from_its_file_else_from_its_log(tmp_path):
    assert stopped.reason(tmp_path, "advance@2")[0].startswith("no reason is known")
    with logs.opened(tmp_path, "advance@2") as log:
        log.write(
            b"2026-01-01 10:00:00,000 CRITICAL leadstream.engine advance stops: put the file back\n"
            b"2026-01-01 10:00:00,001 INFO x bye\n"
        )
    assert stopped.reason(tmp_path, "advance@2") == (
        "advance stops: put the file back",
        f"leadstream resume advance@2 --home {tmp_path}",
    )
    (tmp_path / "stopped").mkdir()
    (tmp_path / "stopped" / "advance@2.json").write_text(
        '{"reason": "a hole", "command": "leadstream holes accept", "at": 1}'
    )
    assert stopped.reason(tmp_path, "advance@2") == ("a hole", "leadstream holes accept")
    stopped.forget(tmp_path, "advance@2")
    assert stopped.reason(tmp_path, "advance@2")[0] == "advance stops: put the file back"


def test_the_supervisor_knows_the_exit_code_of_a_worker_that_needs_somebody():
    assert os.EX_CONFIG == EXIT_STOPPED


# ---------------------------------------------------------------- pauses and patience
def test_pauses_double_up_to_a_bound_and_are_small_again_after_long_health():
    memory = Memory()
    pauses = []
    for _ in range(10):
        memory.ended(100.0, longest=30.0)
        pauses.append(round(memory.start_at - 100.0, 1))
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]
    memory.begins(200.0)
    memory.heard(210.0, 3.0, alive=True, ready=True, forgotten=60.0)
    memory.heard(269.0, 3.0, alive=True, ready=True, forgotten=60.0)
    assert memory.crashes == 10
    memory.heard(270.0, 3.0, alive=True, ready=True, forgotten=60.0)
    assert memory.crashes == 0


def test_what_hangs_is_known_by_its_silence_and_a_server_in_recovery_never_hangs():
    worker, server = Memory(), Memory()
    for one in (worker, server):
        one.heard(0.0, 50.0, alive=False, ready=False, forgotten=60.0)
    assert not worker.hangs(10.0, server=False)  # it starts, on a busy machine
    for one in (worker, server):
        one.heard(0.0, FIRST_ANSWER_SECONDS, alive=False, ready=False, forgotten=60.0)
    assert worker.hangs(10.0, server=False)
    assert not server.hangs(10.0, server=True)
    for one in (worker, server):
        one.heard(0.0, 3.0, alive=True, ready=True, forgotten=60.0)
        one.heard(0.0, 11.0, alive=False, ready=False, forgotten=60.0)
        assert one.hangs(10.0, server=one is server)
        one.heard(0.0, 3.0, alive=True, ready=False, forgotten=60.0)
        assert not one.hangs(10.0, server=one is server)


class Killed:
    """A process that notes what it was sent."""

    def __init__(self):
        self.sent = []

    def send_signal(self, sign):
        self.sent.append(sign)

    def wait(self, seconds):
        raise subprocess.TimeoutExpired("x", seconds)

    def kill(self):
        self.sent.append(signal.SIGKILL)


@pytest.fixture
def watched(tmp_path):
    """Watch over a broker and a ticker; return the watch and a way to let them answer."""
    messages, memories = [], {"broker": Memory(), "ticker": Memory()}
    processes = {role: Killed() for role in memories}
    shown = {role: Process(role, 1, "starting", "", log="/x.log") for role in memories}
    stack = SimpleNamespace(
        home=tmp_path,
        say=messages.append,
        memory=memories.__getitem__,
        processes=processes,
        shown=shown,
    )
    watch = Watch(stack, Settings(supervise_ticker=10.0))

    def hear(seconds, broker, ticker):
        if memories["broker"].ready_since is not None and broker.ready:
            memories["broker"].ready_since -= seconds
        found = {"broker": broker, "ticker": ticker}
        for role, answer in found.items():
            watch.hear(role, answer, seconds)
        watch.kill_if_it_hangs("ticker", found)
        return processes["ticker"].sent

    return hear, shown, messages


WELL, UNHEARD = (
    answers.Answer(alive=True, ready=True),
    answers.Answer(alive=True, reason="no tick was acknowledged"),
)


def test_a_silent_ticker_is_killed_while_the_broker_answers_and_not_while_it_is_away(
    watched,
):
    hear, shown, messages = watched
    assert hear(1, WELL, WELL) == []
    assert shown["ticker"].state == "running"
    for _ in range(20):
        assert hear(3, answers.SILENT, UNHEARD) == []  # the broker is away
    assert shown["ticker"].state == "not ready"
    assert hear(3, WELL, UNHEARD) == []  # it just came back
    for _ in range(3):
        hear(3, WELL, UNHEARD)
    assert hear(3, WELL, UNHEARD)[:2] == [signal.SIGABRT, signal.SIGKILL]
    assert "while the broker answers; see /x.log" in messages[0]


def test_a_ticker_that_hangs_is_killed_whatever_the_broker_does(watched):
    hear, _, messages = watched
    hear(1, WELL, WELL)
    for _ in range(3):
        assert hear(3, answers.SILENT, answers.SILENT) == []
    assert hear(3, answers.SILENT, answers.SILENT) == [signal.SIGABRT, signal.SIGKILL]
    assert messages == ["ticker is killed: it did not answer for 12 s; see /x.log"]


# ---------------------------------------------------------------- answers
@contextlib.contextmanager
def frozen():
    """Open a port that takes connections and never answers, as a stopped process does."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode()


def test_a_process_tells_that_it_lives_that_it_waits_and_that_it_hangs():
    waits = ["its state is being restored"]
    probe, port = Probe(lambda: waits[0], fresh_seconds=0.5), home.free_port()
    probe.serve(port)
    question = {"x": answers.Question(port, "/readyz")}
    try:
        with frozen() as silent:
            asked = {
                **question,
                "frozen": answers.Question(silent, "/readyz"),
                "kafka": answers.Question(silent),
                "gone": answers.Question(1),
            }
            probe.beat()
            answered = answers.ask(asked, 0.3)
        assert answered["x"] == answers.Answer(alive=True, ready=False, reason=waits[0])
        assert {answered[name] for name in ("frozen", "kafka", "gone")} == {answers.SILENT}
        waits[0] = ""
        probe.beat()
        assert answers.ask(question)["x"] == answers.Answer(alive=True, ready=True)
        assert get(port, "/healthz")[0] == 200
        assert "leadstream_records_total" in get(port, "/metrics")[1]
        assert get(port, "/other")[0] == 404
        until(probe.hangs, "a beat that is old")
        assert get(port, "/healthz")[0] == 503
        assert not answers.ask(question)["x"].alive
    finally:
        probe.close()


def test_a_refusal_is_an_answer_and_garbage_is_none():
    assert answers.of_http(b"HTTP/1.1 422 Unprocessable\r\n\r\n{}") == answers.Answer(
        alive=True, ready=True
    )
    assert answers.of_http(b"HTTP/1.1 500 Oh\r\n\r\nboom") == answers.Answer(
        alive=True, reason="not ready"
    )
    assert answers.of_http(b"SSH-2.0\r\n") == answers.SILENT


# ---------------------------------------------------------------- the ticker
class Future:
    def __init__(self, acknowledges):
        self.acknowledges = acknowledges

    def add_callback(self, note):
        if self.acknowledges:
            note(None)


class Client:
    """A client of Kafka that is, by `how`, well, silent (never acknowledges), stuck or failing."""

    made = ()

    def __init__(self, how, never):
        self.how, self.never = how, never

    def send(self, _topic, _value, partition):
        if self.how == "stuck":
            self.never.wait()
        if self.how == "failing":
            raise OSError("no broker")
        return Future(self.how == "well")

    def close(self, timeout):
        if self.how == "silent":
            self.never.wait()  # kafka-python's joins its sender


@pytest.fixture
def ticking(monkeypatch):
    """Run a ticker over clients that behave as told, the last one for ever."""
    monkeypatch.setattr(ticker, "EVERY_SECONDS", 0.02)
    never, stop, made, ended = threading.Event(), threading.Event(), [], []
    acknowledged = ticker.Acknowledged(2)

    def begin(*manners):
        def make():
            made.append(manners[min(len(made), len(manners) - 1)])
            return Client(made[-1], never)

        def run():
            try:
                ticker.run(make, acknowledged, 2, stop, 0.2)
            except ticker.Stuck as error:
                ended.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    yield begin, acknowledged, made, ended
    stop.set()
    never.set()


@pytest.mark.parametrize("how", ["silent", "stuck", "failing"])
def test_a_ticker_whose_client_hangs_takes_a_new_one_and_time_goes_on(ticking, how):
    begin, acknowledged, made, _ = ticking
    begin("well", how, how, "well")
    until(lambda: len(acknowledged.ever) == 2 * len({"web", "ads", "crm"}), "ticks")
    begin_again = made.count("well")
    assert begin_again == 1
    until(lambda: acknowledged.silence() < 0.1, "ticks")


@pytest.mark.parametrize("how", ["silent", "stuck", "failing"])
def test_a_ticker_that_begins_badly_recovers(ticking, how):
    begin, acknowledged, made, _ = ticking
    begin(how, how, "well")
    assert acknowledged.waits_for(9).endswith("has acknowledged no tick yet")
    until(
        lambda: made == [how, how, "well"] and not acknowledged.waits_for(0.2),
        "ticks by the third client",
    )


def test_a_ticker_whose_clients_never_even_end_ends_itself(ticking):
    begin, _, made, ended = ticking
    thread = begin("stuck")
    thread.join(20)
    assert str(ended[0]) == f"{ticker.GIVEN_UP + 1} producers hang and do not end"
    assert len(made) == ticker.GIVEN_UP + 1


def test_one_partition_that_is_silent_is_named():
    acknowledged = ticker.Acknowledged(2)
    for topic, partition in list(acknowledged.last):
        acknowledged.note(topic, partition)
    assert acknowledged.waits_for(5) == ""
    acknowledged.last["lead.raw.ads", 1] -= 7
    assert acknowledged.waits_for(5) == "lead.raw.ads[1] has acknowledged no tick for 7 s"


# ---------------------------------------------------------------- topics and checks
def found(topic, **changes):
    return admin.Found(**{"partitions": 4, "replicas": 1, "settings": topic.settings(), **changes})


def test_a_topic_as_declared_differs_in_nothing():
    assert [
        difference for topic in TOPICS for difference in admin.compare(topic, found(topic), 4, 1)
    ] == []


def test_each_kind_of_difference_is_named_with_whose_move_it_is():
    topic = TOPICS[0]
    settings = {**topic.settings(), "retention.ms": "5", "flush.ms": "7"}
    wrong = found(
        topic,
        partitions=3,
        replicas=2,
        settings=settings,
        overrides=frozenset({"flush.ms", "retention.ms"}),
    )
    differences = admin.compare(topic, wrong, 4, 1)
    assert [one.kind for one in differences] == [admin.STANDS, admin.STANDS, admin.SET, admin.NOTE]
    assert [one.what.split(":")[0] for one in differences] == [
        "3 partitions, declared 4",
        "2 replicas, declared 1",
        "retention.ms",
        "flush.ms=7 is set and not declared",
    ]
    assert [one.kind for one in admin.compare(topic, None, 4, 1)] == [admin.MAKE]


def test_what_kafka_python_answers_is_read_by_topic():
    answer = {
        "topic": {
            "lead.events": {"retention.ms": {"value": "5", "config_source": "DYNAMIC_TOPIC_CONFIG"}}
        }
    }
    assert admin.by_topic(answer)["lead.events"]["retention.ms"]["value"] == "5"


def test_a_check_that_hangs_or_breaks_does_not_keep_the_others_from_speaking():
    never = threading.Event()

    def fails(_settings):
        raise health.Failing("two leads are lost")

    checks = [
        health.Check("well", lambda _settings: "fine"),
        health.Check("hangs", lambda _settings: str(never.wait())),
        health.Check("breaks", lambda _settings: str(1 // 0)),
        health.Check("fails", fails),
    ]
    findings = health.examine(None, checks, seconds=0.2)
    never.set()
    assert [(one.check, one.ok, one.detail) for one in findings] == [
        ("well", True, "fine"),
        ("hangs", False, "no answer within 0 s"),
        ("breaks", False, "ZeroDivisionError: integer division or modulo by zero"),
        ("fails", False, "two leads are lost"),
    ]


def doctor(monkeypatch, *differences, workers="each has a process"):
    """Run the doctor on a server; return its exit code and its findings by name."""
    monkeypatch.setenv("LEADSTREAM_BROKERS", "127.0.0.1:1")
    monkeypatch.setenv("LEADSTREAM_HOME", "/nonexistent")
    monkeypatch.setattr(admin, "apply", lambda _settings, dry: list(differences) if dry else None)
    monkeypatch.setattr(health, "CHECKS", [health.Check("kafka topics", health.topics)])

    def check(_settings):
        if isinstance(workers, Exception):
            raise workers
        return workers

    monkeypatch.setattr(health, "workers", check)
    app = typer.Typer()
    app.registered_commands += doctor_command.app.registered_commands
    ran = CliRunner().invoke(app, ["--json"])
    found = json.loads(ran.stdout)
    return ran.exit_code, {one["check"]: one for one in found}


def test_a_doctor_is_content_with_topics_as_declared_also_where_somebody_added_a_setting(
    monkeypatch,
):
    assert doctor(monkeypatch)[0] == 0
    added = admin.Difference("lead.events", "flush.ms=7 is set and not declared", admin.NOTE)
    code, found = doctor(monkeypatch, added)
    assert (code, found["kafka topics"]["ok"]) == (0, True)
    assert "flush.ms=7 is set and not declared" in found["kafka topics"]["detail"]


@pytest.mark.parametrize("kind", [admin.MAKE, admin.SET, admin.STANDS])
def test_a_doctor_fails_on_what_differs(monkeypatch, kind):
    differences = [admin.Difference(f"lead.t{n}", "retention.ms: 5 -> 6", kind) for n in range(7)]
    code, found = doctor(monkeypatch, *differences)
    assert (code, found["kafka topics"]["ok"]) == (1, False)
    assert found["kafka topics"]["detail"].startswith("7 differences: lead.t0: retention.ms")
    assert "and 2 more" in found["kafka topics"]["detail"]


def test_a_doctor_fails_on_what_is_dead(monkeypatch):
    dead = health.Failing("nobody does the work of resolve")
    code, found = doctor(monkeypatch, workers=dead)
    assert (code, found["workers"]["ok"]) == (1, False)


def test_a_group_that_nobody_belongs_to_is_a_dead_worker(monkeypatch):
    answer = {
        "a": {"group_state": "Stable", "members": [{"member_id": "m"}]},
        "b": {"group_state": "Empty", "members": []},
    }
    client = SimpleNamespace(describe_groups=lambda groups: answer, close=lambda: None)
    monkeypatch.setattr(admin.connections, "admin", lambda *_, **__: client)
    assert admin.without_members(None, ["a", "b", "c"]) == ["b", "c"]


def test_time_that_stands_fails():
    assert health.fresh(2.0) == "2.0 s old"
    for age in (None, 11.0):
        with pytest.raises(health.Failing, match="watermark"):
            health.fresh(age)


def test_every_process_that_does_not_run_is_named_with_its_reason_and_its_command():
    base = {
        "role": "x",
        "state": "running",
        "restarts": 0,
        "last_exit": None,
        "reason": "",
        "command": "",
        "log": "/x.log",
    }
    assert health.processes([base]) == "all run"
    wrong = [
        {**base, "state": "stopped", "reason": "a hole", "command": "leadstream holes accept x"},
        {**base, "state": "restarting", "restarts": 12, "last_exit": 70},
        {**base, "state": "dead"},
    ]
    with pytest.raises(health.Failing) as caught:
        health.processes(wrong)
    assert str(caught.value) == (
        "x is stopped: a hole (then: leadstream holes accept x); "
        "x is restarting, 12 times, last exit 70, see /x.log; x is dead"
    )
