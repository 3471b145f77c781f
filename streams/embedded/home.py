"""A home on disk: lock, secrets, ports, generations, and `stack.json`, which shows what runs.

Files are written whole or not at all, and only their owner may read them. A file that is broken or
missing is made again where nothing is lost by it, and refused where something is: a new identity
key would make every lead a stranger.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import socket
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from schemas.errors import LeadstreamError
from schemas.reading import FunnelError, load_all, shipped
from streams.settings import DROPPED, WORKERS, live_from
from streams.sources.registry import SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable

IDENTITY = "identity_key"
# Names may be added: an older home gets those that it lacks. The identity key is made once.
SECRETS = (
    IDENTITY,
    "clickhouse_password",
    "clickhouse_viewer_password",
    "ingest_token",
    *(secret.name for vendor in SOURCES.values() for secret in vendor.secrets),
)
# What we make in a home: nothing else in that folder is touched.
_OWN = (
    "lock", "secrets.json", "ports.json", "stack.json", "simulated",
    "kafka", "clickhouse", "faust", "generations", "logs", "run", "stopped",
)  # fmt: skip
_READ_SECONDS, _GLANCE_SECONDS = 3.0, 0.3


class StackError(LeadstreamError):
    """The stack can't run as asked; the message says whose move it is."""


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner only."""
    fresh = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def make_private(home: Path) -> None:
    """Make the home, or close one that others could read: folders 0700, files 0600."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    wide = home.stat().st_mode & 0o077
    home.chmod(0o700)
    for name in _OWN:
        path = home / name
        if path.is_dir() and not path.is_symlink():
            _close(path)
            # Many files, which their own processes keep closed.
            if wide or name not in ("kafka", "clickhouse"):
                for folder, _, files in os.walk(path):
                    for one in (Path(folder), *(Path(folder) / file for file in files)):
                        _close(one)
        elif path.is_file():
            _close(path)


def _close(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if mode & 0o077 and not path.is_symlink():
            path.chmod(mode & 0o700)


def free_port(wanted: int = 0) -> int:
    """Return `wanted` if it is free on loopback, else another one."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError, OverflowError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise StackError("no free port on loopback")


def take_lock(home: Path) -> IO[str]:
    """Take the home for this process alone, until what is given is closed.

    Raises:
        StackError: a stack runs on it already.

    """
    lock = os.fdopen(os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+")
    end = time.monotonic() + _GLANCE_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() > end:  # longer than a look at the lock takes
                lock.close()
                raise StackError(
                    f"a stack runs on {home} already: stop it, or use another --home"
                ) from error
            time.sleep(0.05)
        else:
            return lock


def choose_ports(
    home: Path, liked: dict[str, int], say: Callable[[str], None] = lambda _text: None
) -> dict[str, int]:
    """Return a port for each process of a home: its last one, else a liked one that is free."""
    path = home / "ports.json"
    wanted = liked
    if path.exists():
        try:
            known = dict(json.loads(path.read_text()))
            wanted = liked | {name: port for name, port in known.items() if isinstance(port, int)}
        except (ValueError, TypeError):
            say(f"{path} was broken and is made again: addresses may have changed")
    workers = (f"metrics-{worker}" for worker in WORKERS)
    names = (
        "broker",
        "controller",
        "gateway",
        "clickhouse",
        "live",
        *workers,
        "metrics-ticker",
        "metrics-retriever",
        "metrics-notifier",
        "supervisor",
    )
    ports: dict[str, int] = {}
    for name in names:
        port = free_port(wanted.get(name, 0))
        if wanted.get(name) and port != wanted[name]:
            say(f"port {wanted[name]} is taken: {name} gets {port}")
        while port in ports.values():
            port = free_port()
        ports[name] = port
    write(path, json.dumps(ports))
    return ports


def has_data(home: Path) -> bool:
    """Return whether a home holds what a new identity key would make worthless."""
    return any(
        (home / name).is_dir() and any((home / name).iterdir()) for name in ("kafka", "clickhouse")
    )


def load_secrets(home: Path, say: Callable[[str], None] = lambda _text: None) -> dict[str, str]:
    """Read the home's own secrets; made once at random, readable by its owner only.

    Raises:
        StackError: they are lost, and the home has data that only they can read.

    """
    path = home / "secrets.json"
    known = _strings(path)
    if not known.get(IDENTITY):
        if has_data(home):
            wrong = "is broken" if path.exists() else "is missing"
            raise StackError(
                f"{path} {wrong}, and {home} has data: restore that file from your backup. "
                "Nothing was changed. A new identity key would make every known lead a stranger, "
                "so a home with data never gets one; to begin anew, use another --home"
            )
        if path.exists():
            say(f"{path} was broken and is made again: the home has no data yet")
    lacking = [name for name in SECRETS if not known.get(name)]
    if lacking:
        if known:
            say(f"made the secrets that {path} lacks: {', '.join(lacking)}")
        known |= {name: secrets.token_hex(24) for name in lacking}
        write(path, json.dumps(known))
    return known


def _strings(path: Path) -> dict[str, str]:
    try:
        stored = json.loads(path.read_text())
        return {name: value for name, value in stored.items() if isinstance(value, str)}
    except (OSError, ValueError, AttributeError):
        return {}


def _source(wanted: str | None) -> Path:
    """Return where a funnel is: somebody's own file or folder, or a shipped one by its name."""
    if wanted and Path(wanted).exists():
        return Path(wanted)
    known, name = shipped(), wanted or "default"
    if name not in known:
        raise StackError(f"no funnel {name!r}: neither a file nor one of {', '.join(known)}")
    return known[name]


def choose_funnel(home: Path, wanted: str | None) -> Path:
    """Return the folder of the first generation, made with the wanted funnel if the home is new.

    `wanted` is the name of a shipped funnel or of the one that the home runs, or the path of a file
    or of a folder of versions. A home that runs another funnel is refused.
    """
    folder = home / "generations" / "1"
    try:
        if wanted and folder.exists() and load_all(folder)[0].funnel == wanted:
            return folder
        source = _source(wanted)
        funnels = load_all(source)
        if not folder.exists():
            if has_data(home):
                raise StackError(
                    f"{folder} is missing, and {home} has data: "
                    f"restore {folder.parent} from your backup. Nothing was changed"
                )
            fresh = folder.with_name("1.new")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(mode=0o700, parents=True)
            for file in sorted(source.glob("*.yaml")) if source.is_dir() else [source]:
                shutil.copyfile(file, fresh / file.name)
                (fresh / file.name).chmod(0o600)
            fresh.rename(folder)  # whole or not at all
        elif (
            wanted and Path(wanted).exists() and any(one not in load_all(folder) for one in funnels)
        ):
            raise StackError(
                f"{home} runs other definitions than {wanted}: "
                "bring them in by `leadstream definitions add` or `adopt`"
            )
        elif wanted and (runs := load_all(folder)[0].funnel) != funnels[0].funnel:
            raise StackError(
                f"{home} runs the funnel {runs!r}, and this needs {wanted!r}: use another --home"
            )
    except FunnelError as error:
        raise StackError(str(error)) from error
    return folder


def check_generations(home: Path) -> None:
    """Refuse a home whose generations can't be read, before each of its workers stops on that.

    Raises:
        StackError: a file is missing or broken.

    """
    for folder in sorted((home / "generations").glob("*")):
        if not folder.name.isdigit() or (folder / DROPPED).exists():
            continue
        restore = f"restore {folder} from your backup, or drop that generation. Nothing was changed"
        try:
            load_all(folder)
            if folder.name != "1":
                {
                    int(partition): int(end)
                    for partition, end in json.loads(live_from(folder).read_text()).items()
                }
        except (FunnelError, OSError, ValueError, AttributeError, TypeError, IndexError) as error:
            raise StackError(
                f"the definitions of generation {folder.name} can't be read ({error}): {restore}"
            ) from error


def read(home: Path) -> dict[str, Any] | None:
    """Return what runs on a home, or None. A process that is gone is dead, whoever has its pid."""
    from . import pids  # noqa: PLC0415 - most commands need no look at processes

    shown = _shown(home / "stack.json")
    if not shown or not pids.same(shown["pid"], shown["started"]):
        return None
    for process in shown["processes"]:
        if process["state"] not in ("stopped", "restarting") and not pids.same(
            process["pid"], process["started"]
        ):
            process["state"] = "dead"
    return shown


def _shown(path: Path) -> dict[str, Any] | None:
    """Read stack.json, waiting a moment if it is broken: a living supervisor writes it again."""
    end = time.monotonic() + _READ_SECONDS
    while path.exists():
        with contextlib.suppress(ValueError, OSError):
            shown = json.loads(path.read_text())
            if (
                isinstance(shown, dict)
                and {"pid", "started", "processes", "environment"} <= shown.keys()
            ):
                return shown
            if isinstance(shown, dict):
                return None  # of another build, whose stack does not run
        if time.monotonic() > end or _lock_is_free(path.with_name("lock")):
            return None
        time.sleep(0.1)
    return None


def _lock_is_free(path: Path) -> bool:
    """Return whether no supervisor holds the lock; whoever takes the lock outwaits this look."""
    try:
        with path.open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def start_again(home: Path, role: str) -> bool:
    """Ask a home's stack to start a role that needed somebody; return whether one runs there."""
    if not read(home):
        return False
    (home / f"start-{role}").touch(mode=0o600)
    return True
