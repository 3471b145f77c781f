"""The embedded stack: broker, workers, gateway, ClickHouse, sink and live page as supervised processes of one home.

A dead process is started again; Ctrl-C and SIGTERM end all; a second start goes on from the data folder. Two stacks on
one folder are refused. What runs is written to `stack.json`, from which `status` and every other command read.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from streams.engine.worker import EXIT_STOPPED
from streams.settings import WORKERS, roles, split

from . import broker
from .home import StackError, choose_funnel, choose_ports, free_port, load_secrets, take_lock

if TYPE_CHECKING:
    from collections.abc import Callable

STOP_SECONDS = 15.0
PORTS = {"live": 8380, "gateway": 8381, "clickhouse": 8382}  # what `up` and `demo` would like; a taken one gives another


@dataclass
class Process:
    """One supervised process as `status` shows it."""

    role: str
    pid: int
    state: str  # starting, running, restarting, stopped
    address: str
    restarts: int = 0


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.3):
        return True
    return False


class Stack:
    """Starts, watches and ends the processes of one home."""

    def __init__(
        self,
        home: Path,
        funnel: str | None = None,
        partitions: int = 4,
        ports: dict[str, int] | None = None,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """`say` is told each step; `ports` are those that a new home would like. Takes the home's lock.

        Raises:
            StackError: another stack runs on this home, or the home runs another funnel.

        """
        self.home, self.say, self.partitions = home.resolve(), say, partitions
        self.home.mkdir(parents=True, exist_ok=True)
        self._lock = take_lock(self.home)
        self.funnel = choose_funnel(self.home, funnel)
        self.secrets = load_secrets(self.home)
        self.ports = choose_ports(self.home, ports or {})
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._shown: dict[str, Process] = {}
        self._logs: dict[str, IO[bytes]] = {}
        self._ending = threading.Event()
        self._watch: threading.Thread | None = None

    def environment(self) -> dict[str, str]:
        """Give the variables under which every process, and every other command, works on this home."""
        values = {
            **{name.upper(): value for name, value in self.secrets.items()},
            "HOME": str(self.home),
            "BROKERS": f"127.0.0.1:{self.ports['broker']}",
            "CLICKHOUSE_URL": f"http://127.0.0.1:{self.ports['clickhouse']}",
            "PUBLIC_URL": f"http://127.0.0.1:{self.ports['gateway']}",
            "FUNNEL": str(self.funnel),
            "PARTITIONS": str(self.partitions),
        }
        return {f"LEADSTREAM_{name}": value for name, value in values.items()}

    # ---------------------------------------------------------------- life
    def start(self) -> None:
        """Start everything and wait until it answers; the watch begins."""
        for sign in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError):  # only the main thread may; a test runs the stack in another
                signal.signal(sign, self._on_signal)
        self.say("Apache Kafka")
        self._spawn("broker")
        self._spawn("clickhouse")
        self._wait_port("broker", 90)
        self._wait_port("clickhouse", 60)
        self.say("topics and tables")
        self.command("topics", "apply")
        self.command("migrate")
        self.say("workers, gateway, live page")
        for role in ("gateway", "live", "ticker", *roles(self.home)):
            self._spawn(role)
        self._wait_port("gateway", 60)
        self._wait_port("live", 60)
        for worker in (role for role in roles(self.home) if role in WORKERS):
            self._wait_port(worker, 90, f"metrics-{worker}")
        self._watch = threading.Thread(target=self._supervise, daemon=True)
        self._watch.start()

    def _own(self, role: str) -> dict[str, str]:
        """Give the variables of one role beside those of the home."""
        own, generation = {}, split(role)[1]
        if generation:
            self.ports.setdefault(f"metrics-{role}", free_port())
            folder = self.home / "generations" / generation
            own = {"GENERATION": generation, "FUNNEL": str(folder), "BIRTH": str(folder / "birth.json")}
        own |= {"PORT": str(self.ports.get(role, 0)), "METRICS_PORT": str(self.ports.get(f"metrics-{role}", 0))}
        return {f"LEADSTREAM_{name}": value for name, value in own.items()}

    def command(self, *arguments: str) -> None:
        """Run one of our own commands on this home, and raise what it says when it fails."""
        environment = {**os.environ, **self.environment()}
        done = subprocess.run(
            [sys.executable, "-m", "streams.cli.main", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StackError(f"leadstream {' '.join(arguments)} failed: {done.stderr.strip() or done.stdout.strip()}")

    def _spawn(self, role: str, restarts: int = 0) -> None:
        log = self._log(role)
        if role == "broker":
            process = broker.start(self.home / "kafka", self.ports["broker"], self.ports["controller"], log)
        else:
            arguments = {
                "gateway": ["gateway"],
                "clickhouse": ["clickhouse"],
                "live": ["live"],
                "ticker": ["ticker"],
            }.get(role, ["worker", split(role)[0]])
            environment = {**os.environ, **self.environment(), **self._own(role)}
            process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli.main", *arguments],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes[role] = process
        port = self.ports.get(role) or self.ports.get(f"metrics-{role}") or 0
        self._shown[role] = Process(role, process.pid, "running", f"127.0.0.1:{port}" if port else "", restarts)
        self._write()

    def _log(self, role: str) -> IO[bytes]:
        if role not in self._logs:
            folder = self.home / "logs"
            folder.mkdir(exist_ok=True)
            self._logs[role] = (folder / f"{role}.log").open("ab")
        return self._logs[role]

    def _write(self) -> None:
        shown = {
            "pid": os.getpid(),
            "environment": self.environment(),
            "processes": [asdict(process) for process in self._shown.values()],
        }
        path = self.home / "stack.json"
        fresh = path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(shown, file, indent=1)
        fresh.replace(path)

    def _wait_port(self, role: str, seconds: float, port: str = "") -> None:
        """Wait until a process answers, on its own port or (a worker) on that of its metrics, opened when it is ready."""
        log = self.home / "logs" / f"{role}.log"
        end = time.monotonic() + seconds
        while not _answers(self.ports[port or role]):
            code = self._processes[role].poll()
            if code is not None:
                raise StackError(f"{role} ended with {code}; see {log}")
            if time.monotonic() > end:
                raise StackError(f"{role} does not answer after {seconds:.0f} s; see {log}")
            self._ending.wait(0.1)

    def _supervise(self) -> None:
        while not self._ending.wait(0.5):
            try:
                self._look_after()
            except (OSError, StackError) as error:  # a full disk, say: the watch goes on, since nobody else would start what dies
                self.say(f"the watch met {error}")

    def _look_after(self) -> None:
        wanted = roles(self.home)
        for asked in self.home.glob("start-advance@*"):
            role = asked.name.removeprefix("start-")
            if role not in self._processes:
                asked.unlink()
                if role in wanted:
                    self._spawn(role)
        for role in [role for role in self._processes if role.startswith("advance") and role not in wanted]:
            self._end([self._processes.pop(role)])  # its generation was dropped
            del self._shown[role]
            self._write()
        for role, process in list(self._processes.items()):
            code = process.poll()
            if code is None or self._ending.is_set():
                continue
            asked = self.home / f"start-{role}"
            if code == EXIT_STOPPED and not asked.exists():
                if self._shown[role].state != "stopped":
                    self._shown[role].state = "stopped"
                    self.say(f"{role} stopped and needs somebody: see {self.home / 'logs' / f'{role}.log'}")
                    self._write()
                continue
            asked.unlink(missing_ok=True)
            restarts = self._shown[role].restarts + 1
            self._ending.wait(min(5.0, 0.2 * restarts))
            if not self._ending.is_set():
                self._spawn(role, restarts)

    def _on_signal(self, _number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    def stop(self) -> None:
        """End every process, workers before what they write to; kill what does not end in time."""
        for sign in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError):  # a second Ctrl-C must not leave half of the processes behind
                signal.signal(sign, signal.SIG_IGN)
        self._ending.set()
        if self._watch:
            self._watch.join(10)
        workers = (*WORKERS, *(role for role in self._processes if "@" in role))
        for layer in (("ticker", "live", "gateway"), workers, ("clickhouse",), ("broker",)):
            ending = [self._processes[role] for role in layer if role in self._processes]
            self._end(ending)
        for log in self._logs.values():
            log.close()
        (self.home / "stack.json").unlink(missing_ok=True)
        self._lock.close()

    @staticmethod
    def _end(ending: list[subprocess.Popen[bytes]]) -> None:
        for process in ending:
            if process.poll() is None:
                process.terminate()
        end = time.monotonic() + STOP_SECONDS
        for process in ending:
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)

    def __enter__(self) -> Self:
        """Start; what was started ends when that fails."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        """End all."""
        self.stop()
