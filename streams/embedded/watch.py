"""The watch over a stack's processes: it starts again what ends, kills what hangs, shows all.

Exit 78 means that a start would not help: the role is shown as stopped, with its reason and the
command that goes on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from streams import health, metrics
from streams.probe import Probe
from streams.settings import PER_GENERATION, WORKERS, Settings, roles, split

from . import answers, logs, stopped
from .answers import Answer, Question
from .process import STATES

if TYPE_CHECKING:
    from .stack import Stack

LOOK_SECONDS = 0.5
ASK_SECONDS, ASK_SOON_SECONDS = 3.0, 1.0  # when all run; while one does not
CACHE_SECONDS = 5.0
SERVERS = ("broker", "clickhouse")
# 404 and 422 are answers too: of the live page a path is asked that needs no ClickHouse
_PATHS = {
    "broker": answers.KAFKA,
    "clickhouse": "/ping",
    "gateway": "/healthz",
    "live": "/api/leads/-",
}
_DUMP_SECONDS = 1.0


class Watch:
    """Looks after the processes of one stack from a thread of its own."""

    def __init__(self, stack: Stack, settings: Settings) -> None:
        """Watch over a stack, as patiently as `settings` have it."""
        self._stack, self._settings = stack, settings
        self._processes, self._shown = stack.processes, stack.shown
        self._thread: threading.Thread | None = None
        self._asked = self._rotated = time.monotonic()
        self._findings: tuple[float, list[health.Finding]] = (0.0, [])
        self._examining = threading.Lock()
        self.probe = Probe(self._wrong, before_metrics=self._measure)

    # ---------------------------------------------------------------- life
    def start(self) -> None:
        """Begin."""
        self.probe.serve(self._stack.ports["supervisor"])
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; the stack's ending event is set already."""
        if self._thread:
            self._thread.join(10)
        self.probe.close()
        for role in self._shown:
            for state in STATES:
                with contextlib.suppress(KeyError):
                    metrics.PROCESS_STATE.remove(role, state)

    def _run(self) -> None:
        while not self._stack.ending.wait(LOOK_SECONDS):
            try:
                self.probe.beat()
                self.look()
            except Exception as error:  # noqa: BLE001 - nobody else would start what dies
                self._stack.say(f"the watch met {type(error).__name__}: {error}")

    def look(self) -> None:
        """Do one round."""
        stack, now = self._stack, time.monotonic()
        self._generations()
        for role in list(self._processes):
            if not stack.ending.is_set():
                self._ended(role, now)
        running = all(shown.state == "running" for shown in self._shown.values())
        if now - self._asked >= (ASK_SECONDS if running else ASK_SOON_SECONDS):
            self._ask(min(now - self._asked, 2 * ASK_SECONDS))
        if now - self._rotated >= 1.0:
            self._rotated = now
            for role in list(self._shown):
                logs.rotate(
                    logs.path(stack.home, role), self._settings.log_bytes, self._settings.log_files
                )
        stack.show()

    # ---------------------------------------------------------------- what ends
    def _generations(self) -> None:
        """Start the workers of adopted generations, end those of dropped ones."""
        stack = self._stack
        wanted = roles(stack.home)
        for asked in stack.home.glob("start-*@*"):
            role = asked.name.removeprefix("start-")
            if role not in self._processes:
                asked.unlink(missing_ok=True)
                if role in wanted:
                    stack.spawn(role)
        for role in [
            role
            for role in self._processes
            if split(role)[0] in PER_GENERATION and role not in wanted
        ]:
            stack.drop(role)

    def _ended(self, role: str, now: float) -> None:
        stack = self._stack
        process, shown, memory = self._processes[role], self._shown[role], stack.memory(role)
        asked = stack.home / f"start-{role}"
        code = process.poll()
        if code is None:
            if shown.state == "running":
                asked.unlink(missing_ok=True)  # or it would undo a stop that comes later
            return
        if shown.state not in ("restarting", "stopped"):
            shown.last_exit = code
            # 78, EXIT_STOPPED of the workers: to import them would cost every start a second.
            if code == os.EX_CONFIG:
                shown.state = "stopped"
                shown.reason, shown.command = stopped.reason(stack.home, role)
                stack.say(
                    f"{role} stopped and needs somebody: {shown.reason} (then: {shown.command})"
                )
            else:
                memory.ended(now, self._settings.restart_longest)
                shown.state = "restarting"
                shown.reason = (
                    shown.reason if shown.reason.startswith("killed") else f"ended with {code}"
                )
                shown.restarts += 1
                metrics.RESTARTS.labels(role).inc()
                if memory.crashes > 1:
                    pause = memory.start_at - now
                    stack.say(
                        f"{role} ended with {code}, restart {shown.restarts} "
                        f"in {pause:.1f} s; see {shown.log}"
                    )
        if asked.exists() or (shown.state == "restarting" and now >= memory.start_at):
            asked.unlink(missing_ok=True)
            stack.spawn(role)

    # ---------------------------------------------------------------- what hangs
    def question(self, role: str) -> Question:
        """Return how a role is asked."""
        ports = self._stack.ports
        return Question(ports.get(role) or ports[f"metrics-{role}"], _PATHS.get(role, "/readyz"))

    def _ask(self, passed: float) -> None:
        stack = self._stack
        asked = [
            role
            for role, shown in self._shown.items()
            if shown.state not in ("restarting", "stopped")
        ]
        found = answers.ask({role: self.question(role) for role in asked})
        self._asked = time.monotonic()
        for role, answer in found.items():
            if not stack.ending.is_set():
                self.hear(role, answer, passed)
                self.kill_if_it_hangs(role, found)

    def hear(self, role: str, answer: Answer, passed: float = 0.0) -> None:
        """Note what a role answered, and what state that means."""
        shown, memory = self._shown[role], self._stack.memory(role)
        forgotten = self._settings.restart_forgotten
        memory.heard(
            time.monotonic(), passed, alive=answer.alive, ready=answer.ready, forgotten=forgotten
        )
        if answer.ready:
            shown.state, shown.reason = "running", ""
        elif memory.was_ready and (answer.alive or memory.silent > 2 * ASK_SECONDS):
            shown.state, shown.reason = "not ready", answer.reason
        elif not memory.was_ready:
            shown.reason = answer.reason if answer.alive else ""

    def kill_if_it_hangs(self, role: str, found: dict[str, Answer]) -> None:
        memory, settings = self._stack.memory(role), self._settings
        patience = settings.supervise_server if role in SERVERS else settings.supervise_worker
        patience = settings.supervise_ticker if role == "ticker" else patience
        if memory.hangs(patience, server=role in SERVERS):
            self._kill(role, f"killed: it did not answer for {memory.silent:.0f} s")
        elif role == "ticker":
            broker = self._stack.memory("broker")
            well = found.get("broker", answers.SILENT).ready and broker.ready_since is not None
            since = (
                time.monotonic() - broker.ready_since
                if well and broker.ready_since is not None
                else 0.0
            )
            # its own remedy comes first, and a broker that takes nothing is not its fault
            limit = patience if memory.was_ready else 3 * patience
            if min(since, memory.unready) > limit:
                self._kill(
                    role,
                    f"killed: no tick was acknowledged for {memory.unready:.0f} s "
                    "while the broker answers",
                )

    def _kill(self, role: str, why: str) -> None:
        stack = self._stack
        process, shown = self._processes[role], self._shown[role]
        shown.reason = why
        stack.say(f"{role} is {why}; see {shown.log}")
        if role not in SERVERS:
            # Our own processes write where each thread stands (faulthandler).
            process.send_signal(signal.SIGABRT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_DUMP_SECONDS)
        process.kill()

    # ---------------------------------------------------------------- what is shown
    def findings(self) -> list[health.Finding]:
        """Return what the checks say, not older than some seconds."""
        with self._examining:
            if time.monotonic() - self._findings[0] > CACHE_SECONDS:
                settings = Settings.of(self._stack.environment())
                self._findings = (time.monotonic(), health.examine(settings))
        shown = [asdict(one) for one in list(self._shown.values())]
        mine = health.Check("processes", lambda _settings: health.processes(shown))
        return [*health.examine(self._settings, [mine]), *self._findings[1]]

    def _measure(self) -> None:
        for role, shown in list(self._shown.items()):
            for state in STATES:
                metrics.PROCESS_STATE.labels(role, state).set(shown.state == state)
        self.findings()

    def _wrong(self) -> str:
        return "; ".join(f"{one.check}: {one.detail}" for one in self.findings() if not one.ok)


def in_order(roles_running: list[str]) -> list[tuple[str, ...]]:
    """Return the roles by when they end: workers before what they write to."""
    workers = (*WORKERS, *(role for role in roles_running if split(role)[1]))
    return [
        ("ticker", "live", "gateway", "retriever", "notifier"),
        workers,
        ("clickhouse",),
        ("broker",),
    ]
