"""Time is a record: a tick flows with the events.

So it never overtakes a backlog, and a hop that stops also stops time. A tick says the watermark of
one upstream partition. A partition's own watermark is the minimum, over all upstream partitions, of
the highest tick of each, and never falls.
"""

from __future__ import annotations

from typing import NamedTuple

import orjson

_HEAD = b'{"tick":'
_MOST = 10_000  # partitions of a topic: a tick that claims more would fill the memory
# A tick further beyond its broker's stamp is refused: a clock that runs wild must fire no timers.
AHEAD_MS = 300_000


class Tick(NamedTuple):
    """The watermark (ms) of one partition of a topic that has `of` partitions."""

    now: int
    topic: str
    partition: int
    of: int

    def dump(self) -> bytes:
        """Write it as a record's value."""
        return orjson.dumps({"tick": list(self)})


def read(value: bytes | None) -> Tick | None:
    """Return the tick that a value holds; None for any other record."""
    if value is None or not value.startswith(_HEAD):
        return None
    try:
        now, topic, partition, of = orjson.loads(value)["tick"]
        good = (
            isinstance(topic, str)
            and all(type(number) is int for number in (now, partition, of))
            and 0 <= partition < of <= _MOST
        )
    except (TypeError, ValueError):
        # Somebody's body that begins like a tick: it is read, and refused, as what it is.
        return None
    return Tick(now, topic, partition, of) if good else None


def take(ticks: dict[str, list[int]], tick: Tick) -> dict[str, list[int]]:
    """Return the highest tick of each upstream partition, this one considered."""
    known = [*ticks.get(tick.topic, [0] * tick.of)]
    known += [0] * (tick.of - len(known))
    known[tick.partition] = max(known[tick.partition], tick.now)
    return {**ticks, tick.topic: known}


def now(ticks: dict[str, list[int]], upstream: tuple[str, ...]) -> int:
    """Return the partition's watermark (ms): 0 until a tick of every upstream partition came."""
    return min(
        (min(ticks[topic], default=0) if topic in ticks else 0 for topic in upstream), default=0
    )
