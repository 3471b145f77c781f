"""Sources whose circuit breaker tripped: which are parked, and how they are read again.

Resuming has two halves. A record in the raw topics themselves closes the breaker, at one offset of
each partition. What was parked before it then goes to where it stood, at a bounded rate, with the
time of its first receipt: late events, which heal the figures as any late event does.
"""

from __future__ import annotations

import getpass
import time
from typing import TYPE_CHECKING, Any

from schemas import sources, topics
from schemas.errors import LeadstreamError
from schemas.sources import PARKED_HEADER, RESUME_HEADER, Moved, SourceState
from streams import connections
from streams.intake import again
from streams.sources.registry import SOURCES

from . import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from streams.settings import Settings

_TAKEN_SECONDS = 60.0
IMPORT, UNKNOWN = "import", "unknown"  # as workers name what is no vendor


class NotResumed(LeadstreamError):  # noqa: N818 - whoever asked must look at the worker, or name another source
    """A source can't be resumed yet; the text says why and what to do."""


def states(settings: Settings) -> tuple[list[SourceState], dict[str, Moved]]:
    """Return the newest state of every source and partition, and how far each source's records were moved."""
    found: dict[bytes, Any] = {}
    for record in reading.records(settings, topics.SOURCES):
        found[record.key] = sources.read(record.key, record.value)
    here = [one for one in found.values() if isinstance(one, SourceState)]
    moved = {one.source: one for one in found.values() if isinstance(one, Moved)}
    return sorted(here, key=lambda one: (one.source, one.topic, one.partition)), moved


def parked(settings: Settings) -> list[SourceState]:
    """Return where sources are parked now."""
    return [one for one in states(settings)[0] if one.state == "parked"]


def resume(
    settings: Settings,
    source: str,
    rate: float,
    on_progress: Callable[[int], None] = lambda _: None,
    *,
    accept_gone: bool = False,
) -> int:
    """Read a source again, and send what was parked to where it stood, at most `rate` records a second.

    Run again after it broke off, it goes on from what it had written down; a repeat is harmless.

    Raises:
        NotResumed: the worker has not taken the resumption; or records that may be of this source are older
            than lead.parked keeps, and `accept_gone` is not set.

    """
    known, moved = states(settings)
    if not any(one.source == source for one in known):
        raise NotResumed(
            f"{source!r} was never parked: `leadstream deadletters parked` lists what is"
        )
    gone = lost(
        reading.beginnings(settings, topics.PARKED),
        moved.get(source),
        [one for one in known if one.source == source],
    )
    if gone and not accept_gone:
        raise NotResumed(
            f"up to {gone} records that were parked since {source!r} was are older than lead.parked keeps "
            f"({topics.PARKED_DAYS} days): send them again from {source!r}, then go on with --accept-gone"
        )
    _close_breakers(
        settings, [one for one in known if one.source == source and one.state == "parked"]
    )
    before = moved[source].moved if source in moved else {}
    return _move(settings, source, before, rate, on_progress)


def lost(beginnings: Mapping[int, int], moved: Moved | None, known: Iterable[SourceState]) -> int:
    """Return how many records of lead.parked may have been a source's and were removed before they were sent again.

    The topic holds all sources' records, so it is a bound: none before the source was last parked, or that were moved.
    """
    since = min((one.at for one in known if one.state == "parked"), default=None)
    if since is None or time.time() * 1000 - since < topics.PARKED_DAYS * topics.DAY_MS:
        return 0
    before = moved.moved if moved else {}
    return sum(max(0, first - before.get(partition, 0)) for partition, first in beginnings.items())


def _close_breakers(settings: Settings, wanted: list[SourceState]) -> None:
    producer = connections.producer(settings, linger_ms=0)
    try:
        sent = {}
        for one in wanted:
            headers = [(RESUME_HEADER, one.source.encode())]
            place = (one.topic, one.partition)
            sent[place] = (
                producer.send(one.topic, b"{}", headers=headers, partition=one.partition)
                .get(timeout=30)
                .offset
            )
    finally:
        producer.close(timeout=5)
    end = time.monotonic() + _TAKEN_SECONDS
    names = {one.source for one in wanted}
    while sent:
        for one in states(settings)[0]:
            place = (one.topic, one.partition)
            if one.source in names and one.offset > sent.get(place, one.offset):
                del sent[
                    place
                ]  # it was read again; that it was parked anew since then is for the next resumption
        if sent and time.monotonic() > end:
            raise NotResumed(
                "no worker has taken it yet: see `leadstream status`, then run this again"
            )
        time.sleep(0.2 if sent else 0)


def _move(
    settings: Settings,
    source: str,
    before: dict[int, int],
    rate: float,
    on_progress: Callable[[int], None],
) -> int:
    ends = reading.ends(settings, topics.PARKED)
    producer = connections.producer(settings, max_request_size=again.MAX_REQUEST)
    count, position, began = 0, dict(before), time.monotonic()
    waiting: list[Any] = []
    try:
        for record in reading.records(settings, topics.PARKED, before, ends):
            place = next((value for name, value in record.headers if name == PARKED_HEADER), None)
            if _source_of(record) == source and place:
                topic, partition, _ = place.decode().rsplit(":", 2)
                headers = [one for one in record.headers if one[0] != PARKED_HEADER]
                waiting.append(
                    again.send(producer, topic, record.key, record.value, headers, int(partition))
                )
                count += 1
                time.sleep(max(0.0, began + count / rate - time.monotonic()))
            position[record.partition] = record.offset + 1
            if len(waiting) >= 500:
                _settle(producer, waiting, source, position)
                on_progress(count)
        _settle(producer, waiting, source, {**position, **ends})
        on_progress(count)
    finally:
        producer.close(timeout=5)
    return count


def _settle(producer: Any, waiting: list[Any], source: str, position: dict[int, int]) -> None:
    """Wait for what was sent, then write down how far it went."""
    for sent in waiting:
        sent.get(timeout=30)
    waiting.clear()
    moved = Moved(source=source, moved=position, at=int(time.time() * 1000), by=getpass.getuser())
    producer.send(topics.SOURCES, moved.model_dump_json().encode(), key=moved.key).get(timeout=30)


def _source_of(record: Any) -> str:
    place = next((value for name, value in record.headers if name == PARKED_HEADER), b"")
    if place.startswith(topics.RAW_IMPORT.encode() + b":"):
        return IMPORT
    named = sources.source_of(record.headers)
    return named if named in SOURCES else UNKNOWN
