"""Dead letters as people handle them: list, show, replay after a fix, discard.

What became of a letter stands behind it in its partition (schemas/deadletters.py), so one pass over
`lead.deadletters` finds what still waits for somebody. A replay sends the record's own bytes to
where they stood; events keep their ids, so what was read by now is no second event.

An id is a place in a topic. Two workers may write about one place, and a topic that was made again
has the same places: so a letter, and its mark, are named by worker and record's time too.
"""

from __future__ import annotations

import getpass
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka.errors import MessageSizeTooLargeError, RecordListTooLargeError

from schemas import topics
from schemas.deadletters import (
    MARK_HEADER,
    RECEIVED_HEADER,
    REPLAY_HEADER,
    Letter,
    LetterKind,
    Mark,
    Original,
    described,
    opened,
)
from schemas.errors import LeadstreamError
from streams import connections
from streams.engine.letters import discreet
from streams.intake import resending
from streams.sources.adapter import decoded
from streams.sources.registry import SOURCES

from . import places, reading, reasons

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.settings import Settings


MOST_WHY = 1_000  # characters of why a letter is discarded: its mark is a header


class Unreadable(LeadstreamError):  # noqa: N818 - a state of the topic
    """A letter's record can't be put together any more."""


_UNSENDABLE = (Unreadable, ValueError, MessageSizeTooLargeError, RecordListTooLargeError)


@dataclass(frozen=True)
class Entry:
    """A letter and its fate: empty while it waits for somebody, else replayed or discarded."""

    letter: Letter
    place: tuple[int, int]  # partition and offset of its first piece
    fate: str = ""
    mark: Mark | None = None

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it, without its body."""
        written = self.letter.model_dump(mode="json", exclude={"version", "piece", "pieces"})
        mark = {} if self.mark is None else {"by": self.mark.by, "why": self.mark.why}
        own = {"whose_move": self.whose_move, "group": self.group, "fate": self.fate}
        return {**written, **own, **mark}

    @property
    def whose_move(self) -> str:
        """Who must act: the `sender` mends what was refused, the `operator` all else."""
        return "sender" if self.letter.kind is LetterKind.REFUSED else "operator"

    @property
    def group(self) -> str:
        """The reason without its values, and without the source before it."""
        return reasons.without_values(self.reason)

    @property
    def reason(self) -> str:
        """The reason without the source before it."""
        return self.letter.reason.removeprefix(f"{self.letter.source}: ")


class Group(NamedTuple):
    """Letters of one source and one reason; times are of their records' receipt (ms)."""

    source: str  # the worker's name where a letter has no source
    whose_move: str
    reason: str
    letters: int
    first: int
    last: int
    example: str  # the id of the newest

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it, its times in ISO 8601."""
        return {**self._asdict(), "first": _iso(self.first), "last": _iso(self.last)}


class Replayed(NamedTuple):
    """What a replay did: how many letters went, and which could not, each with its reason."""

    number: int
    failed: dict[str, str]


class Chosen(NamedTuple):
    """Which letters are meant; an empty field means any."""

    ids: tuple[str, ...] = ()
    topic: str = ""
    source: str = ""
    all: bool = False  # those with a fate too
    reason: str = ""  # a group's, `*` for anything

    def holds(self, entry: Entry) -> bool:
        """Return whether a letter is one of them."""
        letter = entry.letter
        return (
            (self.all or not entry.fate)
            and (not self.ids or letter.id in self.ids)
            and self.topic in ("", letter.topic)
            and self.source in ("", letter.source)
            and (not self.reason or reasons.matches(self.reason, entry.reason))
        )


def read(settings: Settings, chosen: Chosen = Chosen()) -> list[Entry]:  # noqa: B008 - a frozen value
    """Return the chosen letters, oldest first; one letter once, however often it was written.

    Raises:
        reading.Silent: the broker stopped answering.

    """
    found = entries(reading.records(settings, topics.DEADLETTERS))
    return sorted(
        filter(chosen.holds, found), key=lambda entry: (entry.letter.stamp, entry.letter.id)
    )


def entries(records: Iterable[Any]) -> list[Entry]:
    """Return each letter among the records of `lead.deadletters` with its fate."""
    found: dict[tuple[str, str, int], Entry] = {}
    for record in records:
        match described(record.headers):
            case Letter(piece=0) as letter:
                before = found.get(letter.name)
                fate, last_mark = (before.fate, before.mark) if before else ("", None)
                found[letter.name] = Entry(
                    letter, (record.partition, record.offset), fate, last_mark
                )
            case Mark() as mark if mark.letter.name in found:
                known = found[mark.letter.name]
                found[mark.letter.name] = Entry(known.letter, known.place, mark.what, mark)
    return list(found.values())


def groups(entries: Iterable[Entry]) -> list[Group]:
    """Return the groups of letters, the largest first."""
    found: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in entries:
        source = entry.letter.source or entry.letter.worker
        found.setdefault((source, entry.whose_move, entry.group), []).append(entry)
    made = []
    for key, members in found.items():
        letters = sorted((one.letter for one in members), key=lambda one: (one.stamp, one.id))
        made.append(Group(*key, len(letters), letters[0].stamp, letters[-1].stamp, letters[-1].id))
    return sorted(made, key=lambda one: (-one.letters, one))


class Shown(NamedTuple):
    """Where in a letter's body its reason points, without anybody's data."""

    places: list[str]  # JSON pointers, the likeliest first; an address in one is cut
    lines: list[str]  # the first place among its neighbours


def place(letter: Letter, record: Original) -> Shown:
    """Return where in its body a letter's reason points; empty where that is not found."""
    reason, value = letter.reason.removeprefix(f"{letter.source}: "), record.value or b""
    try:
        body = SOURCES[letter.source].decode(value) if letter.source in SOURCES else decoded(value)
    except ValueError:
        line = places.around_bytes(reason, value)
        return Shown([], [line] if line else [])
    attributes = {
        name[3:]: (text or b"").decode(errors="replace")
        for name, text in record.headers
        if name.startswith("ce_")
    }
    whole = {**attributes, "data": body} if "type" in attributes else body  # as normalise reads it
    found = places.find(reason, whole)
    lines = places.around(whole, found[0], reason) if found and found[0] else []
    return Shown([discreet(one) for one in found], lines)


def original(settings: Settings, entry: Entry) -> Original:
    """Return a letter's record, read from its pieces.

    Raises:
        Unreadable: a piece is missing: it is older than the topic keeps.
        reading.Silent: the broker stopped answering.

    """
    partition, offset = entry.place
    parts: dict[int, bytes] = {}
    for record in reading.records(
        settings, topics.DEADLETTERS, {partition: offset}, partitions=[partition]
    ):
        letter = described(record.headers)
        if isinstance(letter, Letter) and letter.name == entry.letter.name:
            parts[letter.piece] = record.value or b""
            if len(parts) == letter.pieces:
                return opened(b"".join(parts[number] for number in range(letter.pieces)))
    left = f"{len(parts)} of {entry.letter.pieces} pieces are left, the others have expired"
    raise Unreadable(
        f"{entry.letter.id}: {left}: send the record again from its source, or discard the letter"
    )


def replay(settings: Settings, entries: list[Entry]) -> Replayed:
    """Send records again to where they stood, and mark each letter once Kafka has its record.

    One that can't be sent keeps waiting, with the reason; the others go. After a run that broke off
    run it again: what it marked is not sent twice. A record of which two workers wrote letters is
    sent once.

    Raises:
        KafkaError: the broker did not acknowledge a record.

    """
    producer = connections.producer(settings, max_request_size=resending.MAX_REQUEST)
    sent: set[tuple[str, int]] = set()
    count, failed = 0, {}
    try:
        for entry in entries:
            letter = entry.letter
            try:
                if (letter.id, letter.stamp) not in sent:
                    _send_again(settings, producer, letter, original(settings, entry))
            except _UNSENDABLE as error:
                failed[letter.id] = str(error)
                continue
            sent.add((letter.id, letter.stamp))
            _mark(producer, entry, "replayed", "")
            count += 1
    finally:
        producer.close(timeout=5)
    return Replayed(count, failed)


def _send_again(settings: Settings, producer: Any, letter: Letter, record: Original) -> None:
    own = [(name, value) for name, value in record.headers if name != REPLAY_HEADER]
    headers = [*own, (REPLAY_HEADER, letter.id.encode())]
    if not any(name == RECEIVED_HEADER for name, _ in own):
        headers.append((RECEIVED_HEADER, str(letter.stamp).encode()))
    place = letter.partition if letter.partition < settings.partitions else None
    resending.send(producer, letter.topic, record.key, record.value, headers, place).get(timeout=30)


def discard(settings: Settings, entries: list[Entry], why: str) -> int:
    """Mark letters as discarded, by whom and why, and return how many; their bytes expire later."""
    producer = connections.producer(settings)
    try:
        for entry in entries:
            _mark(producer, entry, "discarded", why)
    finally:
        producer.close(timeout=5)
    return len(entries)


def _iso(stamp: int) -> str:
    return datetime.fromtimestamp(stamp / 1000, UTC).isoformat(timespec="seconds")


def _mark(producer: Any, entry: Entry, what: Any, why: str) -> None:
    mark = Mark(
        letter=entry.letter, what=what, by=getpass.getuser(), at=int(time.time() * 1000), why=why
    )
    headers = [(MARK_HEADER, mark.model_dump_json().encode())]
    # beside its letter: only in one partition is a mark sure to follow it
    sent = producer.send(
        topics.DEADLETTERS,
        b"",
        key=entry.letter.id.encode(),
        headers=headers,
        partition=entry.place[0],
    )
    sent.get(timeout=30)
