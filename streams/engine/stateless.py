"""A worker that turns each record into others."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas import sources
from schemas.deadletters import LetterKind
from schemas.sources import RESUME_HEADER, SourceState

from . import ticks
from .commit import MAX_RECORD, Out, send_all
from .letters import Post, letter
from .logic import Effects, PayloadRejected
from .worker import Hooks, Worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from faust.types import TP

    from .breaker import Breakers
    from .recovery import SafeApp


log = logging.getLogger("leadstream.engine")
MOST_PARTS = 100  # letters of one record; a body of a megabyte may have half a million bad parts


class Parking(NamedTuple):
    """The circuit breakers of a worker, and how to read their states from the earliest on."""

    breakers: Breakers
    open_consumer: Callable[[], Any]


class Stateless(Worker):
    """A worker that transforms each record into others and keeps nothing but its offset.

    Ticks go behind the chunk's outputs.
    """

    def __init__(
        self,
        app: SafeApp,
        post: Post,
        topics: Sequence[str],
        partitions: int,
        hooks: Hooks,
        turn: Callable[[Any], Effects],
        tick_to: str | None,
        parking: Parking,
        wait: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Transform records with `turn`, which is pure: a record in, outputs out.

        `wait` may hold a chunk back (an import yields to live events).
        """
        super().__init__(app, post, topics, partitions, hooks)
        self.turn, self.tick_to, self.wait = turn, tick_to, wait
        self.parking, self.breakers = parking, parking.breakers
        # as they stood when a consumer generation began
        self._states: tuple[int, list[SourceState]] = (-1, [])
        app.on_partitions_revoked.connect(self._forget)

    async def handle(self, tp: TP, records: Sequence[Any], generation: int, event: Any) -> bool:
        if self._next.get(tp, (None,))[0] != generation:
            await self._restore(tp, generation)
        fresh = await self.undone(tp, records, self.next_offset(tp, generation))
        if fresh is None:
            return self.drop(event)
        if self.wait:
            await self.wait()
        outs, now = self._turn_all(tp, fresh)
        if now and self.tick_to:
            tick = ticks.Tick(now, tp.topic, tp.partition, self.partitions).dump()
            outs += [
                Out(self.tick_to, None, tick, partition) for partition in range(self.partitions)
            ]
        # A source's state goes last: whoever reads that the source is read again must find all that
        # was parked before.
        states = [out for out in outs if out.topic == self.breakers.state_topic]
        others = [out for out in outs if out.topic != self.breakers.state_topic]
        for each in (others, states):
            await send_all(self.app.producer._ensure_producer(), each, self.partitions)
        self.hooks.between("outputs sent")
        if generation != self.app.consumer_generation_id:
            return self.drop(event)
        self.did(tp, generation, records)
        return True

    async def _restore(self, tp: TP, generation: int) -> None:
        """Learn which sources the last owner of a partition parked."""
        if self._states[0] != generation:
            found = await read_states(
                self.parking.open_consumer(),
                self.breakers.state_topic,
                self.partitions,
                self._unread,
            )
            self._states = (generation, found)
        known = self._states[1]
        self.breakers.restore(tp, known)
        for state in known:
            if (state.topic, state.partition) == tp:
                self.hooks.parked(state.source, tp, state.state == "parked")

    def _unread(self, number: int) -> None:
        """Count states that this release can't read: a source that one of them parks is read."""
        self.hooks.count("unread", number)
        log.error(
            "%s: %s records of %s are of a later release, or of nobody: update this worker, or its "
            "sources are read although they may be parked",
            self.name,
            number,
            self.breakers.state_topic,
        )

    async def _forget(self, _app: Any, revoked: Iterable[TP], **_more: Any) -> None:
        """Show nothing more of partitions that another worker reads, and shows, from now on."""
        for tp in revoked:
            for source in self.breakers.forget(tp):
                self.hooks.parked(source, tp, False)

    def _turn_all(self, tp: TP, records: Sequence[Any]) -> tuple[list[Out], int]:
        outs: list[Out] = []
        now = 0
        for record in records:
            # a body from outside names its source; a tick does not
            tick = None if record.headers else ticks.read(record.value)
            if tick:
                if tick.now <= record.timestamp + ticks.AHEAD_MS:
                    now = max(now, tick.now)
                continue
            outs += self._resumed(tp, record) or self.one(tp, record)
        return outs, now

    def _resumed(self, tp: TP, record: Any) -> list[Out]:
        source = next((value for name, value in record.headers if name == RESUME_HEADER), None)
        if source is None:
            return []
        name = source.decode(errors="replace")
        self.hooks.parked(name, tp, False)
        return self.breakers.resume(tp, name, record)

    def one(self, tp: TP, record: Any) -> list[Out]:
        source = self.post.source_of(record)
        parked = self.breakers.parks(tp, source, record)
        if parked and parked.size <= MAX_RECORD:
            self.hooks.count("parked", 1)
            return [parked]
        if parked:  # it came compressed: Kafka would refuse it as it is, for ever
            why = f"its source is parked, and it is larger than Kafka takes ({MAX_RECORD} bytes)"
            return letter(self.post, record, LetterKind.TOO_LARGE, why)
        letters: list[Out] = []
        effects = Effects()
        try:
            effects = self.turn(record)
            if any(out.size > MAX_RECORD for out in effects.outs):
                effects = Effects()
                why = f"what it becomes is larger than the {MAX_RECORD} bytes that Kafka takes"
                letters = letter(self.post, record, LetterKind.TOO_LARGE, why)
        except PayloadRejected as error:
            letters = letter(self.post, record, LetterKind.REFUSED, str(error))
        except Exception as error:  # noqa: BLE001 - one record that breaks a rule must not stop the others
            letters = letter(self.post, record, LetterKind.FAILED, self.failures.log(record, error))
        if len(effects.rejected) > MOST_PARTS:
            why = (
                f"{len(effects.rejected)} of its parts can't be read, "
                f"the first: {effects.rejected[0].reason}"
            )
            letters = letter(self.post, record, LetterKind.REFUSED, why)
            effects = effects._replace(rejected=())
        for part, refused in enumerate(effects.rejected):
            letters += letter(
                self.post, record, LetterKind.REFUSED, refused.reason, part=part, body=refused.body
            )
        dead = bool(letters) and not effects.outs
        self.hooks.count("read", 1)
        self.hooks.dead(source, letters)
        for kind in effects.ignored:
            self.hooks.ignored(source, kind)
        for detail in effects.dropped:
            self.hooks.dropped(source, detail)
        tripped = self.breakers.count(tp, source, record, dead=dead)
        if tripped:
            self.hooks.parked(source, tp, True)
        return [*effects.outs, *letters, *tripped]


async def read_states(
    consumer: Any,
    topic: str,
    partitions: int,
    on_unread: Callable[[int], None] = lambda _number: None,
) -> list[SourceState]:
    """Return the newest state of each key of a compacted topic. Stop the consumer.

    It must begin at the earliest record by itself: aiokafka may be finding the end for a consumer
    that begins there, and a seek to the beginning meanwhile is overruled by what it finds
    (measured: 92 of 240 reads lacked states). `on_unread` hears how many records this release does
    not read.
    """
    from aiokafka import TopicPartition  # noqa: PLC0415 - the only use of a client's own type here

    found: dict[bytes, Any] = {}
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found |= {record.key: sources.read(record.key, record.value) for record in records}
    finally:
        await consumer.stop()
    if unread := sum(state is None for state in found.values()):
        on_unread(unread)
    return [state for state in found.values() if isinstance(state, SourceState)]
