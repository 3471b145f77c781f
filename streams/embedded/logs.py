"""Logs of processes: each appends to its own file, which is moved aside by copy once it is large.

Copied and emptied, not piped through the supervisor: a process whose supervisor is stopped would
block on its log, and Java's raw output can't be reopened. Every process appends, so that it goes on
at the new end.
What is written between the last copy and the cut, microseconds, can be lost.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import IO

_TAIL_BYTES = 65_536


def path(home: Path, role: str) -> Path:
    """Return where a role's log lies."""
    return home / "logs" / f"{role}.log"


def opened(home: Path, role: str) -> IO[bytes]:
    """Open a role's log for a process to append to."""
    file = path(home, role)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def rotate(file: Path, limit: int, keep: int) -> bool:
    """Move a log of `limit` bytes or more aside, keeping `keep` of them; return whether it was due.

    A full disk must not stop the rotation that would make room: the oldest log goes first, at last
    the text itself.
    """
    try:
        if file.stat().st_size < limit:
            return False
    except FileNotFoundError:
        return False
    aside = [file.with_name(f"{file.name}.{number}") for number in range(1, keep + 1)]
    if aside:
        aside[-1].unlink(missing_ok=True)
        for older, newer in zip(reversed(aside), [*reversed(aside[:-1]), None], strict=True):
            if newer and newer.exists():
                newer.replace(older)
    with file.open("r+b") as log:
        if aside:
            with contextlib.suppress(OSError):
                _copy(log, aside[0], limit)
        log.truncate(0)
    return True


def _copy(log: IO[bytes], to: Path, limit: int) -> None:
    """Copy all of it, but of a flood between two looks the newest: at most twice `limit`."""
    log.seek(max(0, os.fstat(log.fileno()).st_size - 2 * limit))
    with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        shutil.copyfileobj(log, out)
        out.flush()
        shutil.copyfileobj(log, out)  # what came meanwhile


def tail(file: Path, lines: int) -> list[str]:
    """Return a log's last lines."""
    try:
        with file.open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL_BYTES))
            text = log.read().decode(errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-lines:]


def last_critical(file: Path) -> str:
    """Return the last line logged as critical, without its date; empty if there is none."""
    for line in reversed(tail(file, 10_000)):
        _, found, text = line.partition(" CRITICAL ")
        if found:
            return text.partition(" ")[2] or text
    return ""
