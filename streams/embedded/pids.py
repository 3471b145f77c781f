"""A process is its pid and its start time together: a pid alone is used again."""

from __future__ import annotations

import psutil

# The start is computed from the boot time, which a corrected clock moves a little.
_TOLERANCE_SECONDS = 2.0


def started(pid: int) -> float:
    """Return when a process started (unix seconds), or 0 if it is gone."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0


def same(pid: int, began: float) -> psutil.Process | None:
    """Return the process that was recorded, or None if it ended, whoever has its pid today."""
    try:
        process = psutil.Process(pid)
        alive = process.status() != psutil.STATUS_ZOMBIE
        return (
            process if alive and abs(process.create_time() - began) < _TOLERANCE_SECONDS else None
        )
    except (psutil.Error, ValueError, TypeError):
        return None
