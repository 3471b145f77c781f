"""What a home keeps on disk: its lock, secrets, ports, generations, and `stack.json`, from which every command reads what runs."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import socket
from pathlib import Path
from typing import IO, Any

from schemas.reading import FUNNELS, FunnelError, load_all
from streams.settings import WORKERS

_SECRETS = (
    "identity_key",
    "clickhouse_password",
    "clickhouse_viewer_password",
    "ingest_token",
    "segment_secret",
    "meta_app_secret",
    "meta_verify_token",
    "google_key",
    "hubspot_secret",
)


class StackError(Exception):
    """The stack can't run as asked; the message says whose move it is."""


def free_port(wanted: int = 0) -> int:
    """Give `wanted` if it is free on loopback, else another one."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise StackError("no free port on loopback")


def take_lock(home: Path) -> IO[str]:
    """Take the home for this process alone, until what is given is closed.

    Raises:
        StackError: a stack runs on it already.

    """
    lock = (home / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise StackError(f"a stack runs on {home} already: stop it, or use another --home") from error
    return lock


def choose_ports(home: Path, liked: dict[str, int]) -> dict[str, int]:
    """Give each process of a home its port: the one it had before, else a liked one, where that is free."""
    path = home / "ports.json"
    wanted = json.loads(path.read_text()) if path.exists() else liked
    names = ("broker", "controller", "gateway", "clickhouse", "live", *(f"metrics-{worker}" for worker in WORKERS))
    ports: dict[str, int] = {}
    for name in names:
        port = free_port(wanted.get(name, 0))
        while port in ports.values():
            port = free_port()
        ports[name] = port
    path.write_text(json.dumps(ports))
    return ports


def load_secrets(home: Path) -> dict[str, str]:
    """Read the home's own secrets; made once at random, readable by its owner only."""
    path = home / "secrets.json"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({name: secrets.token_hex(24) for name in _SECRETS}, file)
    return dict(json.loads(path.read_text()))


def choose_funnel(home: Path, wanted: str | None) -> Path:
    """Give the folder of the home's first generation. A new home starts with the wanted funnel; one that runs another refuses.

    `wanted` is the name of a shipped funnel, or the path of a file or of a folder of versions.
    """
    folder = home / "generations" / "1"
    source = Path(wanted) if wanted and Path(wanted).exists() else FUNNELS / f"{wanted or 'default'}.yaml"
    if not source.exists():
        raise StackError(f"no funnel {wanted!r}: neither a file nor one of {', '.join(sorted(p.stem for p in FUNNELS.glob('*.yaml')))}")
    try:
        funnels = load_all(source)
        if not folder.exists():
            fresh = folder.with_name("1.new")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            for file in sorted(source.glob("*.yaml")) if source.is_dir() else [source]:
                shutil.copy(file, fresh)
            fresh.rename(folder)  # whole or not at all
        elif wanted and Path(wanted).exists() and any(one not in load_all(folder) for one in funnels):
            raise StackError(f"{home} runs other definitions than {wanted}: bring them in by `leadstream definitions add` or `adopt`")
        elif wanted and (runs := load_all(folder)[0].funnel) != funnels[0].funnel:
            raise StackError(f"{home} runs the funnel {runs!r}, and this needs {wanted!r}: use another --home")
    except FunnelError as error:
        raise StackError(str(error)) from error
    return folder


def read(home: Path) -> dict[str, Any] | None:
    """Read what runs on a home; None when nothing does. A pid that is gone is shown as dead."""
    path = home / "stack.json"
    if not path.exists():
        return None
    shown = json.loads(path.read_text())
    for process in shown["processes"]:
        if not _alive(process["pid"]):
            process["state"] = "dead"
    return shown if _alive(shown["pid"]) else None


def start_again(home: Path, role: str) -> bool:
    """Ask the stack of a home to start a role that needed somebody; give whether one runs there."""
    if not read(home):
        return False
    (home / f"start-{role}").touch()
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
