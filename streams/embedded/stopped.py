"""Why a worker stopped for good, and what to do.

It stands in `stopped/<role>.json`, or in the last critical line of the worker's log.
"""

from __future__ import annotations

import json
from pathlib import Path

from . import logs


def reason(home: Path, role: str) -> tuple[str, str]:
    """Return why a role stopped, and the command that goes on."""
    command = f"leadstream resume {role} --home {home}"
    try:
        stop_record = json.loads(_path(home, role).read_text())
        wanted = str(stop_record.get("command") or command)
        return str(
            stop_record["reason"]
        ), command if wanted == f"leadstream resume {role}" else wanted
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return logs.last_critical(
            logs.path(home, role)
        ) or f"no reason is known; see {logs.path(home, role)}", command


def forget(home: Path, role: str) -> None:
    """Remove the reason: the role starts again."""
    _path(home, role).unlink(missing_ok=True)


def _path(home: Path, role: str) -> Path:
    return home / "stopped" / f"{role}.json"
