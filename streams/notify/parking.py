"""Which sources' events wait: those parked, and those whose events are on their way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas import sources
from schemas.sources import Moved, SourceState

if TYPE_CHECKING:
    from collections.abc import Mapping

# After a source is read again its parked records are sent in pieces, each noted (lead.sources).
QUIET_MS = 60_000


class Parking:
    """What `lead.sources` says, as it is read."""

    def __init__(self) -> None:
        """Begin without any source."""
        self._states: dict[bytes, SourceState] = {}
        self._moved: dict[str, Moved] = {}

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Take a record."""
        one = sources.read(key, value)
        if isinstance(one, SourceState):
            self._states[one.key] = one
        elif isinstance(one, Moved):
            self._moved[one.source] = one

    def parked(self, now: int) -> frozenset[str]:
        """Return the sources whose events wait at an instant (ms)."""
        return _parked(self._states, self._moved, now)


def _parked(
    states: Mapping[bytes, SourceState], moved: Mapping[str, Moved], now: int
) -> frozenset[str]:
    found = set()
    for one in states.values():
        last = moved.get(one.source)
        since = max(one.at, last.at if last else 0)
        if one.state == "parked" or now - since < QUIET_MS:
            found.add(one.source)
    return frozenset(found)
