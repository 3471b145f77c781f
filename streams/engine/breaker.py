"""A circuit breaker per source and partition: a source that can't be read stops nobody but itself.

It trips when, of a source's last `window` records in a partition, at least `least` and more than
`share` became dead letters. From then on the source is parked there: its records go to a topic of
their own in order, offsets and time go on, other sources are read. A record with the resume header,
in the raw topic itself, closes the breaker, so that it takes effect at one offset.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from schemas.deadletters import RECEIVED_HEADER, REPLAY_HEADER
from schemas.sources import PARKED_HEADER, SourceState

from .commit import Out

if TYPE_CHECKING:
    from collections.abc import Iterable

    from faust.types import TP


@dataclass(frozen=True)
class Limits:
    """When a breaker trips."""

    window: int = 1_000
    share: float = 0.5
    least: int = 100


@dataclass
class _Window:
    """Return whether each of the last records became a letter."""

    seen: deque[bool]
    dead: int = 0

    def add(self, dead: bool) -> None:
        if len(self.seen) == self.seen.maxlen:
            self.dead -= self.seen[0]
        self.seen.append(dead)
        self.dead += dead


@dataclass
class Breakers:
    """The breakers of one worker. `parked` and `state` are topics."""

    worker: str
    limits: Limits
    parked_topic: str
    state_topic: str
    parked: dict[tuple[TP, str], SourceState] = field(default_factory=dict)
    _windows: dict[tuple[TP, str], _Window] = field(default_factory=dict)

    def restore(self, tp: TP, states: Iterable[SourceState]) -> None:
        """Take over a partition: what its last owner parked stays parked."""
        self.forget(tp)
        for state in states:
            if (state.topic, state.partition) == tp and state.state == "parked":
                self.parked[tp, state.source] = state

    def forget(self, tp: TP) -> list[str]:
        """Forget a partition; return which sources were parked in it."""
        parked = [source for place, source in self.parked if place == tp]
        for known in (self.parked, self._windows):
            for key in [key for key in known if key[0] == tp]:
                del known[key]
        return parked

    def parks(self, tp: TP, source: str, record: Any) -> Out | None:
        """Return a record as it is parked; None when its source is read here."""
        state = self.parked.get((tp, source))
        if state is None or record.offset < state.offset:
            return None
        place = f"{record.topic}:{record.partition}:{record.offset}".encode()
        headers = (*record.headers, (PARKED_HEADER, place), *received(record))
        return Out(self.parked_topic, record.key, record.value, None, headers)

    def count(self, tp: TP, source: str, record: Any, *, dead: bool) -> list[Out]:
        """Count a record that was read or became a letter; return the state to write if it trips.

        What a person sent again (a letter's replay) says nothing of how the source is now.
        """
        if any(name == REPLAY_HEADER for name, _ in record.headers):
            return []
        window = self._windows.setdefault((tp, source), _Window(deque(maxlen=self.limits.window)))
        window.add(dead)
        limits = self.limits
        if not dead or window.dead < limits.least or window.dead <= limits.share * len(window.seen):
            return []
        reason = f"{window.dead} of its last {len(window.seen)} records could not be read"
        state = self._state(tp, source, "parked", record.offset + 1, reason)
        self.parked[tp, source] = state
        del self._windows[tp, source]
        return [self._out(state)]

    def resume(self, tp: TP, source: str, record: Any) -> list[Out]:
        """Read a source again from this record on; return the state to write."""
        self.parked.pop((tp, source), None)
        self._windows.pop((tp, source), None)
        return [self._out(self._state(tp, source, "read", record.offset + 1, ""))]

    def _state(self, tp: TP, source: str, state: Any, offset: int, reason: str) -> SourceState:
        return SourceState(
            source=source,
            topic=tp.topic,
            partition=tp.partition,
            state=state,
            offset=offset,
            at=int(time.time() * 1000),
            worker=self.worker,
            reason=reason,
        )

    def _out(self, state: SourceState) -> Out:
        return Out(self.state_topic, state.key, state.model_dump_json().encode())


def received(record: Any) -> tuple[tuple[str, bytes], ...]:
    """Return the header that keeps when a record came first, unless it carries one."""
    if any(known == RECEIVED_HEADER for known, _ in record.headers):
        return ()
    return ((RECEIVED_HEADER, str(record.timestamp).encode()),)
