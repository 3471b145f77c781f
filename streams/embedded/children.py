"""Processes of a home: each holds its pid file locked while it lives, and ends with its supervisor.

The lock is taken before the process exists and is inherited by it. So it shows who lives on a home
even where a supervisor died between two of its steps, and whatever became of the pid. Before a new
supervisor starts anything it ends what a dead one left: never by pid alone, always by pid and start
time, since pids are used again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import psutil

from . import leash, pids
from .home import StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

RUN = "run"
TERM_SECONDS, FREE_SECONDS = 15.0, 5.0
_SERVERS = ("clickhouse", "broker")  # end after those that write to them, in this order
# The commands that a stack runs (stack.wanted): by these a process is known that nobody recorded.
OURS = ("worker", "gateway", "clickhouse", "live", "ticker", "retriever", "notifier")


class Children:
    """Start processes that end with this one, however it ends (leash.py).

    All are forked by one thread that lives until `close`: Linux kills a child when its thread ends.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / RUN
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="leadstream-children")
        self._pipe, self._held = os.pipe()  # nobody ever writes: its end of file is the news

    def call(self, do: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function on the thread that forks, to its end even if the caller is interrupted."""
        return self._thread.submit(do, *arguments).result()

    def start(
        self,
        role: str,
        command: list[str],
        environment: dict[str, str],
        out: IO[bytes] | int,
        err: IO[bytes] | int,
    ) -> subprocess.Popen[bytes]:
        """Start a role's process, on the thread that forks. Without a name it holds no pid file.

        Raises:
            StackError: a process of this role lives already.

        """
        inherited = [self._pipe]
        lock = self._lock(role) if role else None
        if lock:
            inherited.append(lock.fileno())
        try:
            process = subprocess.Popen(
                command,
                env={**environment, leash.VARIABLE: f"{os.getpid()}:{self._pipe}"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                umask=0o077,
                pass_fds=inherited,
            )
            if lock:
                lock.write(
                    json.dumps(
                        {
                            "pid": process.pid,
                            "started": pids.started(process.pid),
                            "command": command[:6],
                        }
                    )
                )
                lock.flush()
            return process
        finally:
            if lock:
                lock.close()  # ours; the process keeps its own

    def _lock(self, role: str) -> IO[str]:
        path = self._folder / f"{role}.pid"
        lock = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        if not _free(lock):
            lock.close()
            raise StackError(
                f"a process of {role} still lives on this home (see {path}): it must end first"
            )
        lock.truncate(0)
        return lock

    def close(self) -> None:
        """Let the thread end; every process must have ended before."""
        self._thread.shutdown()
        for descriptor in (self._pipe, self._held):
            with contextlib.suppress(OSError):
                os.close(descriptor)


def program(command: list[str]) -> list[str]:
    """Return the command that runs another's program, so that it too ends with the supervisor."""
    return [sys.executable, "-I", "-S", leash.__file__, *command]


def _free(lock: IO[Any]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class Survivor(NamedTuple):
    """A process that its supervisor left behind."""

    role: str
    process: psutil.Process


def end_survivors(home: Path, say: Callable[[str], None]) -> None:
    """End every process that a dead supervisor left, servers last; the caller locks the home.

    Raises:
        StackError: something lives on the home that can't be named or does not end.

    """
    found = list(_survivors(home))
    for roles in (_others(found), *((role,) for role in _SERVERS)):
        _end([one for one in found if one.role in roles], say)
    for path in sorted((home / RUN).glob("*.pid")):
        _wait_free(path)
        path.unlink()
    if not _java_free(home):
        raise StackError(
            f"another broker works on {home / 'kafka'} and holds its lock: "
            f"find it (`ps -ef | grep {home}`) and end it. "
            "A second one would destroy its metadata"
        )


def _others(found: list[Survivor]) -> set[str]:
    return {one.role for one in found} - set(_SERVERS)


def _survivors(home: Path) -> Iterable[Survivor]:
    known: set[int] = set()
    for path in sorted((home / RUN).glob("*.pid")):
        with path.open("r+") as lock:
            if _free(lock):
                continue
            process = _recorded(lock)
        if process:
            known.add(process.pid)
            yield Survivor(path.stem, process)
    # It was not ended in order: look also without pid files.
    if (home / "stack.json").exists() or not _java_free(home):
        yield from (one for one in _by_command(home) if one.process.pid not in known)


def _recorded(lock: IO[str]) -> psutil.Process | None:
    """Read a pid file. A child that is still to be recorded notices its supervisor's end itself."""
    try:
        entry = json.loads(lock.read())
        return pids.same(entry["pid"], entry["started"])
    except (ValueError, KeyError, TypeError):
        return None


def _by_command(home: Path) -> Iterable[Survivor]:
    """Find processes of the home by their commands: older builds' supervisors kept no pid files."""
    properties = str(home / "kafka" / "server.properties")
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            if properties in command:
                yield Survivor("broker", process)
            elif "streams.cli.main" in command:
                role = command[command.index("streams.cli.main") + 1 :]
                if (
                    role
                    and role[0] in OURS
                    and process.environ().get("LEADSTREAM_HOME") == str(home)
                ):
                    yield Survivor(role[0] if role[0] != "worker" else role[-1], process)


def _end(survivors: list[Survivor], say: Callable[[str], None]) -> None:
    processes = []
    for role, process in survivors:
        say(f"ending {role} (pid {process.pid}), which a supervisor that died left behind")
        with contextlib.suppress(psutil.Error):
            processes += [process, *process.children(recursive=True)]
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
            process.resume()  # one that is stopped would not hear it
    _, alive = psutil.wait_procs(processes, timeout=TERM_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=FREE_SECONDS)


def _wait_free(path: Path) -> None:
    end = time.monotonic() + FREE_SECONDS
    with path.open("r+") as lock:
        while not _free(lock):
            if time.monotonic() > end:
                raise StackError(
                    f"a process of {path.stem} still lives on this home and holds {path}: "
                    f"{lock.read().strip() or 'unknown'}; end it and start again"
                )
            time.sleep(0.1)


def _java_free(home: Path) -> bool:
    """Return whether the data folder's lock is free: Java's locks are POSIX's, unlike flock's."""
    try:
        with (home / "kafka" / "logs" / ".lock").open("r+b") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
