"""Sources whose circuit breaker tripped: which are parked, and how they are read again.

Resuming takes two steps. A record in the raw topics themselves closes the breaker, at one offset of
each partition. What was parked before it is then sent to where it stood, at a bounded rate, with
the time of its first receipt: late events, which correct the figures as any late event does.
"""

from __future__ import annotations

import getpass
import time
from typing import TYPE_CHECKING, Any

from schemas import sources, topics
from schemas.errors import LeadstreamError
from schemas.sources import PARKED_HEADER, RESUME_HEADER, Moved, SourceState
from streams import connections
from streams.intake import resending
from streams.sources.registry import SOURCES

from . import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from streams.settings import Settings

_TAKEN_SECONDS = 60.0
IMPORT, UNKNOWN = "import", "unknown"  # as workers name what is no vendor


class NotResumed(LeadstreamError):  # noqa: N818 - a state, and who ends it
    """A source can't be resumed yet; the text says why and what to do."""


def states(settings: Settings) -> tuple[list[SourceState], dict[str, Moved]]:
    """Return the newest state of each source and partition, and how far each source was moved.

    Raises:
        reading.Silent: the broker stopped answering.

    """
    found: dict[bytes, Any] = {}
    for record in reading.records(settings, topics.SOURCES):
        found[record.key] = sources.read(record.key, record.value)
    known = [one for one in found.values() if isinstance(one, SourceState)]
    moved = {one.source: one for one in found.values() if isinstance(one, Moved)}
    return sorted(known, key=lambda one: (one.source, one.topic, one.partition)), moved


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
    """Read a source again, send what was parked, and return how many records that were.

    At most `rate` records a second are sent, to where they stood. A run that broke off goes on from
    what it had noted when it is run again; a record that is sent twice counts once.

    Raises:
        NotResumed: the source was never parked; no worker has taken the resumption; or records that
            may be of this source have expired in lead.parked, and `accept_gone` is not set.
        reading.Silent: the broker stopped answering.

    """
    known, moved = states(settings)
    known = [one for one in known if one.source == source]
    if not known:
        raise NotResumed(
            f"{source!r} was never parked: `leadstream deadletters parked` lists what is"
        )
    expired = lost(reading.beginnings(settings, topics.PARKED), moved.get(source), known)
    if expired and not accept_gone:
        raise NotResumed(
            f"up to {expired} records that were parked since {source!r} was parked have expired "
            f"(lead.parked keeps {topics.PARKED_DAYS} days): send them again from {source!r}, "
            "then go on with --accept-gone"
        )
    _close_breakers(settings, [one for one in known if one.state == "parked"])
    before = moved[source].moved if source in moved else {}
    return _move(settings, source, before, rate, on_progress)


def lost(beginnings: Mapping[int, int], moved: Moved | None, known: Iterable[SourceState]) -> int:
    """Return how many records of a source, at most, expired in lead.parked before they were sent.

    `beginnings` are the topic's first offsets by partition, `known` the source's states. It is a
    bound, since the topic holds all sources' records; those from before the source was last parked,
    or that were moved, are none of them.
    """
    since = min((one.at for one in known if one.state == "parked"), default=None)
    if since is None or time.time() * 1000 - since < topics.PARKED_DAYS * topics.DAY_MS:
        return 0
    before = moved.moved if moved else {}
    return sum(max(0, first - before.get(partition, 0)) for partition, first in beginnings.items())


def _close_breakers(settings: Settings, wanted: list[SourceState]) -> None:
    """Ask the workers to read sources again, and wait until they do.

    Raises:
        NotResumed: no worker took it within a minute.

    """
    producer = connections.producer(settings, linger_ms=0)
    try:
        sent = {}
        for one in wanted:
            headers = [(RESUME_HEADER, one.source.encode())]
            asked = producer.send(one.topic, b"{}", headers=headers, partition=one.partition)
            sent[one.topic, one.partition] = asked.get(timeout=30).offset
    finally:
        producer.close(timeout=5)
    end = time.monotonic() + _TAKEN_SECONDS
    names = {one.source for one in wanted}
    while sent:
        for one in states(settings)[0]:
            place = (one.topic, one.partition)
            # a later state: it was read again, even if it was parked anew since then
            if one.source in names and one.offset > sent.get(place, one.offset):
                del sent[place]
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
    """Send a source's parked records from the offsets `before` on; return how many they were."""
    ends = reading.ends(settings, topics.PARKED)
    producer = connections.producer(settings, max_request_size=resending.MAX_REQUEST)
    count, position, began = 0, dict(before), time.monotonic()
    waiting: list[Any] = []
    try:
        for record in reading.records(settings, topics.PARKED, before, ends):
            place = next((value for name, value in record.headers if name == PARKED_HEADER), None)
            if _source_of(record) == source and place:
                topic, partition, _ = place.decode().rsplit(":", 2)
                headers = [one for one in record.headers if one[0] != PARKED_HEADER]
                kept = (record.key, record.value, headers)
                waiting.append(resending.send(producer, topic, *kept, int(partition)))
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
    """Wait for what was sent, then note how far it went."""
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
