"""The embedded stack: servers, workers, gateway and live page as supervised processes of one home.

A dead process is started again; Ctrl-C, SIGTERM and SIGHUP end all, and so does any other end of
the supervisor (leash.py); a second start goes on from the data folder. Two stacks on one folder are
refused. What runs is written to `stack.json`, which `status` and every other command read.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from streams.settings import WORKERS, Settings, live_from, roles, split
from streams.sources.registry import retrievable

from . import answers, broker, logs, pids, stopped
from .children import Children, end_survivors, program
from .home import (
    StackError,
    check_generations,
    choose_funnel,
    choose_ports,
    free_port,
    load_secrets,
    make_private,
    take_lock,
    write,
)
from .process import Memory, Process
from .watch import Watch, in_order

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

STOP_SECONDS = 15.0
# What `up` and `demo` would like; a taken one gives another.
PORTS = {"live": 8380, "gateway": 8381, "clickhouse": 8382}
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_TAIL_LINES = 8
_SECOND_SIGNAL_SECONDS = 1.0


def wanted(home: Path, settings: Settings) -> tuple[str, ...]:
    """Return a home's roles beside its servers.

    A retriever runs once a vendor's token is set, the notifier once its book is named.
    """
    asking = ("retriever",) if retrievable(settings.secret) else ()
    notifying = ("notifier",) if settings.notify_book.name else ()
    return ("gateway", "live", *roles(home), "ticker", *asking, *notifying)


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
        """Take the home's lock. `say` gets each step; `ports` are what a new home would like.

        Raises:
            StackError: another stack or another funnel runs on this home, or part of it is lost.

        """
        self.home, self._say, self.partitions = home.resolve(), say, partitions
        make_private(self.home)
        self._lock = take_lock(self.home)
        try:
            self.secrets = load_secrets(self.home, self.say)
            self.funnel = choose_funnel(self.home, funnel)
            check_generations(self.home)
            end_survivors(self.home, self.say)
            self.ports = choose_ports(self.home, ports or {}, self.say)
        except BaseException:
            self._lock.close()
            raise
        self.ending = threading.Event()
        self._children = Children(self.home)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.shown: dict[str, Process] = {}
        self._memories: dict[str, Memory] = {}
        self._written: tuple[str, int] = ("", 0)
        self._watch = Watch(self, Settings())
        self._handlers: dict[int, Any] = {}
        self._signalled = 0.0
        self._stopped, self._began = False, pids.started(os.getpid())

    def say(self, text: str) -> None:
        """Report to whoever started the stack; a terminal that was closed must not end it."""
        with contextlib.suppress(OSError, ValueError):
            self._say(text)

    def environment(self) -> dict[str, str]:
        """Return the variables under which every process and command works on this home."""
        gateway, live = (f"http://127.0.0.1:{self.ports[one]}" for one in ("gateway", "live"))
        book = os.environ.get("LEADSTREAM_NOTIFY_BOOK")
        values = {
            **{name.upper(): value for name, value in self.secrets.items()},
            "HOME": str(self.home),
            "BROKERS": f"127.0.0.1:{self.ports['broker']}",
            "CLICKHOUSE_URL": f"http://127.0.0.1:{self.ports['clickhouse']}",
            "GATEWAY_URL": gateway,
            "PUBLIC_URL": os.environ.get("LEADSTREAM_PUBLIC_URL")
            or gateway,  # behind a proxy or a tunnel, whoever starts us knows it
            "LIVE_URL": os.environ.get("LEADSTREAM_LIVE_URL") or live,
            "NOTIFY_BOOK": str(Path(book).resolve()) if book else "",
            "FUNNEL": str(self.funnel),
            "PARTITIONS": str(self.partitions),
        }
        return {f"LEADSTREAM_{name}": value for name, value in values.items()}

    # ---------------------------------------------------------------- life
    def start(self) -> None:
        """Start everything and wait until it answers; the watch begins.

        Raises:
            StackError: a process ended or does not answer; the text has the end of its log.

        """
        self._listen()
        self.say("Apache Kafka")
        broker.jars()  # may need the network the first time: here it can be interrupted
        self.spawn("broker")
        self.spawn("clickhouse")
        self._wait({"broker": 90.0, "clickhouse": 90.0})
        self.say("topics and tables")
        self._commands(["topics", "apply"], ["migrate"])
        self.say("workers, gateway, live page")
        workers = [role for role in roles(self.home) if role in WORKERS]
        for role in wanted(self.home, Settings()):
            self.spawn(role)
        self._wait(dict.fromkeys(("gateway", "live", *workers), 90.0))
        self._watch.start()

    def _listen(self) -> None:
        for sign in SIGNALS:
            # Only the main thread may; a test runs the stack in another.
            with contextlib.suppress(ValueError):
                if sign == signal.SIGHUP and signal.getsignal(sign) == signal.SIG_IGN:
                    continue  # nohup
                self._handlers[sign] = signal.signal(sign, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """End by an exception, once: a second Ctrl-C must not leave processes behind."""
        now = time.monotonic()
        if self.ending.is_set() or now - self._signalled < _SECOND_SIGNAL_SECONDS:
            return
        self._signalled = now
        raise KeyboardInterrupt

    def stop(self) -> None:
        """End every process, workers before what they write to; kill what does not end in time."""
        self.ending.set()
        if self._stopped:
            return
        self._stopped = True
        self._children.call(lambda: None)  # what was being started is known now
        self._watch.stop()
        for layer in in_order(list(self.processes)):
            self._end([self.processes[role] for role in layer if role in self.processes])
        self._children.close()
        (self.home / "stack.json").unlink(missing_ok=True)
        self._lock.close()
        for sign, handler in self._handlers.items():
            signal.signal(sign, handler)

    @staticmethod
    def _end(ending: list[subprocess.Popen[bytes]]) -> None:
        for process in ending:
            if process.poll() is None:
                process.terminate()
                process.send_signal(signal.SIGCONT)  # one that is stopped would not hear it
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

    # ---------------------------------------------------------------- one process
    def spawn(self, role: str) -> None:
        """Start a role's process; what is remembered of the role stays."""
        self._children.call(self._spawn, role)

    def _spawn(self, role: str) -> None:
        if self.ending.is_set():
            return
        stopped.forget(self.home, role)
        with logs.opened(self.home, role) as log:
            if role == "broker":
                process = broker.start(
                    self.home / "kafka",
                    self.ports["broker"],
                    self.ports["controller"],
                    log,
                    self._java,
                )
            else:
                arguments = ["worker", split(role)[0]] if split(role)[0] in WORKERS else [role]
                environment = {**os.environ, **self.environment(), **self.own_environment(role)}
                command = [sys.executable, "-m", "streams.cli.main", *arguments]
                process = self._children.start(role, command, environment, log, log)
        self.processes[role] = process
        before = self.shown.get(role)
        port = self.ports.get(role) or self.ports.get(f"metrics-{role}") or 0
        address, log_path = f"127.0.0.1:{port}" if port else "", str(logs.path(self.home, role))
        restarts, last_exit = (before.restarts, before.last_exit) if before else (0, None)
        began = pids.started(process.pid)
        self.shown[role] = Process(
            role, process.pid, "starting", address, restarts, began, last_exit, log=log_path
        )
        self.memory(role).begins(time.monotonic())
        self.show()

    def _java(
        self, role: str, command: list[str], environment: dict[str, str], log: Any
    ) -> subprocess.Popen[bytes]:
        return self._children.start(role, program(command), environment, log, log)

    def own_environment(self, role: str) -> dict[str, str]:
        """Return the variables of one role beside those of the home."""
        own: dict[str, str] = {}
        generation = split(role)[1]
        if generation:
            self.ports.setdefault(f"metrics-{role}", free_port())
            folder = self.home / "generations" / generation
            own |= {
                "GENERATION": generation,
                "FUNNEL": str(folder),
                "LIVE_FROM_FILE": str(live_from(folder)),
            }
        own |= {
            "PORT": str(self.ports.get(role, 0)),
            "METRICS_PORT": str(self.ports.get(f"metrics-{role}", 0)),
        }
        return {f"LEADSTREAM_{name}": value for name, value in own.items()}

    def drop(self, role: str) -> None:
        """End a role for good."""
        self._end([self.processes.pop(role)])
        del self.shown[role]
        self._memories.pop(role, None)
        self.show()

    def memory(self, role: str) -> Memory:
        """Return what is remembered of a role."""
        return self._memories.setdefault(role, Memory())

    def _commands(self, *commands: list[str]) -> None:
        """Run some of our commands on this home side by side; raise with a failed one's message."""
        environment = {**os.environ, **self.environment()}

        def begin(arguments: list[str]) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "streams.cli.main", *arguments]
            return self._children.start("", command, environment, subprocess.PIPE, subprocess.PIPE)

        running: list[subprocess.Popen[bytes]] = []
        try:
            for arguments in commands:
                self._children.call(lambda arguments=arguments: running.append(begin(arguments)))
            for arguments, process in zip(commands, running, strict=True):
                out, err = (text.decode(errors="replace").strip() for text in process.communicate())
                if process.returncode:
                    raise StackError(f"leadstream {' '.join(arguments)} failed: {err or out}")
        finally:
            self._children.call(lambda: None)
            for process in running:
                if process.poll() is None:
                    process.kill()
                process.wait()
                for pipe in (process.stdout, process.stderr):
                    if pipe:
                        pipe.close()

    # ---------------------------------------------------------------- what is known
    def show(self) -> None:
        """Write stack.json if something changed, or somebody broke the file."""
        path = self.home / "stack.json"
        shown = {
            "pid": os.getpid(),
            "started": self._began,
            "address": f"127.0.0.1:{self.ports['supervisor']}",
            "environment": self.environment(),
            "processes": [asdict(process) for process in self.shown.values()],
        }
        text = json.dumps(shown, indent=1)
        size = path.stat().st_size if path.exists() else -1
        if (text, size) != self._written:
            write(path, text)
            self._written = (text, path.stat().st_size)

    def _wait(self, patience: dict[str, float]) -> None:
        """Wait until roles are ready. A stopped worker is no failure: its cure needs the stack."""
        began, left = time.monotonic(), dict(patience)
        while left and not self.ending.is_set():
            for role, answer in answers.ask(
                {role: self._watch.question(role) for role in left}
            ).items():
                self._watch.hear(role, answer)
                code = self.processes[role].poll()
                if answer.ready or (code == os.EX_CONFIG and split(role)[0] in WORKERS):
                    del left[role]
                elif code is not None:
                    raise StackError(self._failed(role, f"ended with {code}"))
                elif time.monotonic() - began > left[role]:
                    why = f" ({answer.reason})" if answer.reason else ""
                    raise StackError(
                        self._failed(role, f"is not ready after {left[role]:.0f} s{why}")
                    )
            if left:
                self.ending.wait(0.1)

    def _failed(self, role: str, how: str) -> str:
        path = logs.path(self.home, role)
        # Without Java's trace.
        lines = [line for line in logs.tail(path, 200) if not line.startswith("\tat ")]
        tail = "\n".join(f"    {line}" for line in lines[-_TAIL_LINES:])
        return f"{role} {how}; the end of its log, {path}:\n{tail}"
