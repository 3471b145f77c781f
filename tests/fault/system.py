"""The system under faults: `leadstream up` as its own process, known by what its home shows.

Nothing here reaches into the supervisor: process ids are read from `stack.json`, as anybody would,
and a process is always its pid and start time together.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from streams.embedded import home, pids
from streams.settings import WORKERS, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 240.0  # seconds until anything must have happened, faults of the broker included
GONE_SECONDS = 10.0  # in which the children of a dead supervisor must have ended
ROLES = (*WORKERS, "gateway", "ticker", "live", "clickhouse", "broker")
# A freeze is a fault of ours, not one for the supervisor to end: it waits longer than the longest.
# What hangs is its own matter (tests/integration/test_supervision.py).
_PATIENT = {
    "LEADSTREAM_SUPERVISE_WORKER": "120",
    "LEADSTREAM_SUPERVISE_TICKER": "30",
    "LEADSTREAM_RESTART_LONGEST": "3",
}


class Stuck(AssertionError):  # noqa: N818 - it names what happened
    """Something did not come back in time."""


def until(
    condition: Callable[[], Any], what: Callable[[], str] | str, seconds: float = PATIENCE
) -> Any:
    """Wait for a condition; return what it gave."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise Stuck(f"{what() if callable(what) else what} (waited {seconds:.0f} s)")
        time.sleep(0.1)


class System:
    """One home and its supervisor. `start` is the module that is run, with its arguments."""

    def __init__(self, folder: Path, start: tuple[str, ...] = ("streams.cli.main", "up")) -> None:
        self.home, self._start = folder, start
        self.takeovers: list[float] = []  # seconds from a death until its role was ready again
        self._awaited: dict[str, tuple[int, float]] = {}  # role -> the pid that died, when
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._watch = threading.Thread(target=self._look, name="takeovers", daemon=True)
        self._process: subprocess.Popen[bytes] | None = None

    # ---------------------------------------------------------------- life
    def start(self) -> float:
        """Start the supervisor and wait until everything runs; return how long that took (s)."""
        began = time.monotonic()
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith("LEADSTREAM_")
        }
        with self.home.with_suffix(".output").open("ab") as out:
            command = [sys.executable, "-m", *self._start, "--home", str(self.home)]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=clean | _PATIENT,
                cwd=ROOT,
                start_new_session=True,
            )
        self.all_run()
        if not self._watch.is_alive():
            self._watch.start()
        return round(time.monotonic() - began, 1)

    def stop(self) -> None:
        """End it in order, and see that it can."""
        self._ended.set()
        if self._watch.is_alive():
            self._watch.join(5)
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.send_signal(signal.SIGCONT)
            try:
                self._process.wait(90)
            except subprocess.TimeoutExpired as error:
                self._process.kill()
                raise Stuck("the supervisor does not end") from error

    @property
    def supervisor(self) -> psutil.Process:
        """The supervisor's process."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def output(self) -> str:
        """Return the end of what the supervisor wrote."""
        return self.home.with_suffix(".output").read_text(errors="replace")[-1500:]

    # ---------------------------------------------------------------- what runs
    def shown(self) -> dict[str, dict[str, Any]]:
        """Return each process as `stack.json` shows it; nothing while no supervisor runs."""
        document = home.read(self.home)
        return {one["role"]: one for one in document["processes"]} if document else {}

    def environment(self) -> dict[str, str]:
        """Return the environment under which commands work on this home."""
        document = until(lambda: home.read(self.home), "no state of the stack can be read", 10)
        return dict(document["environment"])

    def settings(self) -> Settings:
        """Return the same as settings."""
        return Settings.of(self.environment())

    def all_run(self, seconds: float = PATIENCE) -> None:
        """Wait until everything runs. A role stopped for good, or the supervisor's end, fails."""

        def run() -> bool:
            shown = self.shown()
            if self._process and self._process.poll() is not None:
                raise Stuck(
                    f"the supervisor ended with {self._process.returncode}: {self.output()}"
                )
            stopped = {
                role: one["reason"] for role, one in shown.items() if one["state"] == "stopped"
            }
            if stopped:
                raise Stuck(f"stopped for good: {stopped}")
            return set(shown) >= set(ROLES) and all(
                one["state"] == "running" for one in shown.values()
            )

        until(
            run,
            lambda: (
                "not everything runs: "
                f"{ {role: one['state'] for role, one in self.shown().items()} }, {self.output()}"
            ),
            seconds,
        )

    def running(self, roles: Iterable[str], seconds: float = PATIENCE) -> None:
        """Wait until some roles run."""
        wanted = set(roles)
        until(
            lambda: all(self.shown().get(role, {}).get("state") == "running" for role in wanted),
            f"{sorted(wanted)} do not run",
            seconds,
        )

    def process(self, role: str) -> psutil.Process | None:
        """Return a role's process; None while it has none."""
        one = self.shown().get(role)
        return pids.same(one["pid"], one["started"]) if one else None

    # ---------------------------------------------------------------- deaths
    def kill(self, role: str, sign: signal.Signals = signal.SIGKILL) -> bool:
        """End a role's process by a signal, timing its return; return whether there was one."""
        process = self.process(role)
        if process is None:
            return False
        with contextlib.suppress(psutil.Error):
            process.send_signal(sign)
            with self._lock:
                self._awaited[role] = (process.pid, time.monotonic())
            return True
        return False

    def kill_supervisor(self) -> tuple[int, list[str]]:
        """Kill the supervisor; return how many children had to end with it, and which did not."""
        family = self.supervisor.children(recursive=True)
        with self._lock:
            self._awaited.clear()
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        _, alive = psutil.wait_procs(family, timeout=GONE_SECONDS)
        left = []
        for process in alive:
            with contextlib.suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE:
                    left.append(" ".join(process.cmdline()[-3:]))
        return len(family), left

    def _look(self) -> None:
        """Note when a role that died is ready again."""
        while not self._ended.wait(0.25):
            with contextlib.suppress(Exception):
                shown = self.shown()
                with self._lock:
                    for role, (pid, since) in list(self._awaited.items()):
                        one = shown.get(role)
                        if one and one["pid"] != pid and one["state"] == "running":
                            self.takeovers.append(round(time.monotonic() - since, 2))
                            del self._awaited[role]
