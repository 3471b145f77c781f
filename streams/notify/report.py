"""What the notifier leaves in its home for `leadstream doctor`: who can't be reached."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .sending import Failing

_FILE = "notifier.json"
_MOST = 100  # names that are kept


def write(home: Path, failing: Iterable[Failing], nobody: Iterable[str]) -> None:
    """Leave for `doctor` which channels fail, and for whom the book has nobody."""
    found = {
        "at": time.time(),
        "failing": [one._asdict() for one in failing],
        "nobody": sorted(nobody)[:_MOST],
    }
    with contextlib.suppress(OSError):  # a home that is read-only, or full: the log has it
        fresh = home / f"{_FILE}.new"
        fresh.write_text(json.dumps(found), encoding="utf-8")
        fresh.replace(home / _FILE)


def read(home: Path) -> dict[str, Any]:
    """Return what a notifier of this home left; empty where there is none."""
    try:
        found = json.loads((home / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
