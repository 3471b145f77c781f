"""The edge of schema drift: which bodies are looked at, and who hears of a change.

streams/sources/drift.py notices the changes.

A look costs about as much as the adapter does (0.05 to 0.3 ms a body), so each source is looked at
a few times a second and no more: what drifts stays drifted, and is seen a moment later.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from typing import TYPE_CHECKING, Any

from streams.sources.drift import Change, Seen, notice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOKS = 10.0  # bodies a second of each source
_MOST_NAMED = 20  # paths in one line of the log
_MOST_KEPT = 100  # changes that `leadstream doctor` can tell
_FILE = "drift.json"

log = logging.getLogger("leadstream.drift")


class Drift:
    """A sampler of each source's bodies."""

    def __init__(
        self,
        count: Callable[[str, str], None],
        home: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Report source and kind of changes to `count`; keep the last in `home` for doctor."""
        self.count, self._home, self._clock = count, home, clock
        self._seen: dict[str, Seen] = {}
        self._next: dict[str, float] = {}

    def look(self, source: str, body: Any) -> None:
        """Look at a decoded body of a source that there is, unless one was looked at just now."""
        now = self._clock()
        if now < self._next.get(source, now):
            return
        self._next[source] = now + 1 / LOOKS
        self._seen[source], changes = notice(self._seen.get(source, Seen()), body)
        if changes:
            self._report(source, changes)

    def _report(self, source: str, changes: tuple[Change, ...]) -> None:
        for one in changes:
            self.count(source, one.change)
        more = f" and {len(changes) - _MOST_NAMED} more" if len(changes) > _MOST_NAMED else ""
        named = "; ".join(map(describe, changes[:_MOST_NAMED]))
        log.warning(
            "the bodies of %s changed: %s%s; see docs/runbooks/schema-drift.md", source, named, more
        )
        at = int(time.time())
        new = [{"at": at, "source": source, "what": describe(one)} for one in changes]
        with contextlib.suppress(OSError):  # a home that is read-only, or full: the log has said it
            kept = [*read(self._home), *new][-_MOST_KEPT:]
            fresh = self._home / f"{_FILE}.new"
            fresh.write_text(json.dumps(kept), encoding="utf-8")
            fresh.replace(self._home / _FILE)


def describe(change: Change) -> str:
    """Return a change in a few words, with the field's path and the kind of body."""
    what = {"new": "a new field", "vanished": "no longer", "value": "a new value of"}[change.change]
    return f"{what} {change.path}{f' ({change.kind})' if change.kind else ''}"


def read(home: Path) -> list[dict[str, Any]]:
    """Return the last changes that a worker of this home noticed, oldest first.

    Each has `at` (s), `source` and `what`.
    """
    try:
        found = json.loads((home / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []
