"""The faults themselves: how each is done to a running home, and undone if it does not end."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from streams.embedded.home import free_port

from .system import ROOT, WORKERS, System, until

if TYPE_CHECKING:
    from .oracle import Oracle
    from .proxy import Proxy
    from .publisher import Publisher
    from .report import Report
    from .schedule import Fault
    from .strangers import Stranger

STORMING = ("normalise", "resolve", "advance")


class Faults:
    """Does faults to one home."""

    def __init__(
        self,
        system: System,
        publisher: Publisher,
        stranger: Stranger,
        oracle: Oracle,
        report: Report,
        rng: random.Random,
        proxies: dict[str, Proxy],
        disk: Path | None,
    ) -> None:
        """Take `proxies` before Kafka and ClickHouse; `disk` is the broker's own file system."""
        self.system, self.publisher, self.stranger, self.oracle, self.report = (
            system,
            publisher,
            stranger,
            oracle,
            report,
        )
        self.rng, self.proxies, self.disk = rng, proxies, disk

    def do(self, fault: Fault) -> None:
        """Do one."""
        kind, whom, much = fault
        self.report.faults[
            kind if kind not in ("kill", "freeze", "restart") else f"{kind} {_group(whom)}"
        ] += 1
        match kind.split():
            case ["kill"]:
                self._kill(*whom.split("+"))
            case ["kill", "what", *_]:
                self.system.running(whom.split("+"))
                self._kill(*whom.split("+"))
            case ["restart"]:
                self.system.kill(whom, signal.SIGTERM)
            case ["freeze"]:
                self._freeze(whom, much)
            case ["rolling", _]:
                self._rolling()
            case ["storm"]:
                self._storm(int(much))
            case ["kill", "supervisor"]:
                self._kill_supervisor()
            case ["stop", "supervisor"]:
                self._stop_supervisor(whom, much)
            case ["kill", "in", *_]:
                self._kill_in_an_insert()
            case ["kafka" | "clickhouse" as server, mood]:
                self._mood(server, mood, much)
            case ["full", _]:
                self._fill(much)
            case ["flood"]:
                (self.publisher.flood if whom == "a lead" else self.publisher.flood_alias)(
                    int(much)
                )
            case ["chain"]:
                self.oracle.chains.append(self.publisher.chain(int(much)))
            case ["poison"]:
                letters = self.stranger.poison(whom)
                self.oracle.poisoned |= set(letters)
                self.report.poison += len(letters)
            case ["ticks"]:
                letters = self.stranger.ticks()
                self.oracle.poisoned |= set(letters)
                self.report.poison += len(letters)
            case _:
                raise ValueError(f"no fault is called {kind!r}")

    # ---------------------------------------------------------------- processes
    def _kill(self, *roles: str) -> None:
        for role in roles:
            self.report.deaths[role] += self.system.kill(role)

    def _freeze(self, role: str, seconds: float) -> None:
        process = self.system.process(role)
        if process is None:
            return  # it is being started again
        process.suspend()
        try:
            time.sleep(seconds)
        finally:
            process.resume()

    def _rolling(self) -> None:
        """Ask one worker after the other to end, as a deployment does."""
        for role in WORKERS:
            self.system.running([role])
            before = self.system.shown()[role]["pid"]
            self.system.kill(role, signal.SIGTERM)
            until(
                lambda role=role, before=before: (
                    self.system.shown().get(role, {}).get("pid") not in (None, before)
                ),
                f"another {role}",
            )
            self.system.running([role])

    def _storm(self, times: int) -> None:
        """Let second workers join and die, so that partitions move to and fro."""
        folder = self.system.home.with_name("storm")
        folder.mkdir(exist_ok=True)
        for turn in range(times):
            joined = []
            for role in STORMING:
                own = {"LEADSTREAM_HOME": str(folder), "LEADSTREAM_METRICS_PORT": str(free_port())}
                environment = {**os.environ, **self.system.environment(), **own}
                with (folder / f"{role}-{turn}.log").open("wb") as log:
                    command = [sys.executable, "-m", "streams.cli.main", "worker", role]
                    joined.append(
                        subprocess.Popen(
                            command,
                            stdout=log,
                            stderr=log,
                            env=environment,
                            cwd=ROOT,
                            start_new_session=True,
                        )
                    )
            try:
                # Some die while they join, some when they have begun.
                time.sleep(self.rng.uniform(6, 10))
            finally:
                for process in joined:
                    time.sleep(self.rng.uniform(0, 2))
                    if process.poll() is None:
                        self.report.deaths["a second worker"] += 1
                    process.kill()
                    process.wait(30)

    # ---------------------------------------------------------------- the supervisor
    def _kill_supervisor(self) -> None:
        fell, left = self.system.kill_supervisor()
        self.report.deaths["supervisor"] += 1
        self.report.fell += fell
        self.report.found["left"] += len(left)
        if left:
            self.oracle.say(f"  FOUND left: {left}")
        self.report.up_again_seconds.append(self.system.start())

    def _stop_supervisor(self, role: str, seconds: float) -> None:
        """Stop it, and kill somebody whom it can't start again until it goes on."""
        self.system.supervisor.suspend()
        try:
            self._kill(role)
            time.sleep(seconds)
        finally:
            self.system.supervisor.resume()
        self.system.running([role])

    # ---------------------------------------------------------------- servers, network, disk
    def _kill_in_an_insert(self) -> None:
        """Kill ClickHouse when the bytes of an insert have just gone to it."""
        killed = threading.Event()

        def kill() -> None:
            self._kill("clickhouse")
            killed.set()

        self.system.running(["clickhouse", "deliver"])
        self.proxies["clickhouse"].at(b"INSERT", kill)
        until(killed.is_set, "no insert came by")

    def _mood(self, server: str, mood: str, seconds: float) -> None:
        proxy = self.proxies[server]
        proxy.feel(mood)  # type: ignore[arg-type]
        try:
            time.sleep(seconds)
        finally:
            proxy.feel("pass")

    def _fill(self, seconds: float) -> None:
        """Fill the file system under the broker's logs, hold it full, free it."""
        assert self.disk
        ballast = self.disk / "ballast"
        try:
            with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
                while True:
                    file.write(bytes(1_000_000))
            end = time.monotonic() + seconds
            while time.monotonic() < end:  # whatever is freed meanwhile is filled again
                with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
                    file.write(bytes(1_000_000))
                time.sleep(0.2)
        finally:
            ballast.unlink(missing_ok=True)


def _group(whom: str) -> str:
    if "+" in whom:
        return "several at once"
    return (
        whom
        if whom.startswith(("broker", "clickhouse"))
        else "worker"
        if whom in WORKERS
        else "other"
    )
