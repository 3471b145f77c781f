"""The notifier's process: `lead.alerts` comes in, messages go out, `lead.notices` remembers.

One round reads what came, writes what it means, and once a second sends what is due. Decisions are
in deciding.py; here is their order with the writes, which is what a crash is survived by:

1. Stalls are written before the place in `lead.alerts` that they were read up to.
2. A message is written before its notices are marked, and both before anything is sent.
3. That a channel took a message is written after the fact: a crash in between sends it again, under
   the same id.

At a start `lead.notices` is read to its end, then `lead.alerts` from the place that stands there.
Nothing is sent before that is done: what was taken back while the notifier was down is never sent.
Run one notifier: two would each send everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from kafka.errors import KafkaError as ClientError
from pydantic import ValidationError

from schemas import topics
from schemas.wire import versions
from schemas.wire.models.alerts import Alert
from schemas.wire.models.notices import Notification, Place, Shown, Stall
from streams import connections, metrics
from streams.intake.persistent import Publisher
from streams.operate import reading

from . import deciding, ledger, report, timing
from .deciding import View
from .files import Files
from .parking import Parking
from .sending import REFUSED, STALE, TAKEN, Senders
from .shown import Reader
from .wording import Words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from schemas.wire.notices import Record
    from streams.settings import Settings

POLL_MS, MOST_POLLED = 300, 2_000
TICK_SECONDS, MEASURE_SECONDS, RETRY_SECONDS, SWEEP_SECONDS = 1.0, 5.0, 2.0, 600.0
_FOLLOWED = (topics.NOTICES, topics.SOURCES)
_OPEN = ("waiting", "retracting")

log = logging.getLogger("leadstream.notifier")


class Notifier:
    """Notifies people of stalled leads."""

    def __init__(self, settings: Settings) -> None:
        """Read book and rules.

        Raises:
            LeadstreamError: one can't be used, or a setting; the text says what to do.

        """
        connections.python_options(settings)  # raises now, rather than at each attempt to connect
        self._settings = settings
        self._files = Files(settings, settings.generation)
        self._publisher = Publisher(settings)
        self._stop, self._trouble = asyncio.Event(), "it starts"
        self._begin()

    def _begin(self) -> None:
        self._ledger, self._parking = ledger.Ledger(self._publisher), Parking()
        self._reader = Reader(self._settings, self._settings.generation)
        self._senders: Senders | None = None
        self._ends: dict[TopicPartition, int] = {}
        self._caught_up = False
        self._open: set[str] = set()
        self._seen: tuple[Any, ...] = ()
        self._refreshing: asyncio.Task[None] | None = None
        self._ticked = self._swept = self._measured = 0.0
        self._reported: tuple[Any, ...] = ()
        self._kinds: set[tuple[str, str]] = set()

    def waits_for(self) -> str:
        """Return what it waits for; "" where it works."""
        return "; ".join(filter(None, [self._trouble, self._publisher.failing, self._files.wrong]))

    def stop(self) -> None:
        """Stop: what was not taken is left to the next start."""
        self._stop.set()

    async def run(self, beat: Callable[[], None]) -> None:
        """Serve until a signal or `stop`; `beat` is called in each round.

        Raises:
            LaterRelease: a later release wrote lead.notices.

        """
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ValueError, RuntimeError):  # only the main thread hears signals
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.stop)
        beating = asyncio.create_task(self._beat(beat))  # a long start is no hanging
        serving = asyncio.create_task(self._serve_for_good())
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (beating, stopping, serving):
            if task is not serving or not task.done():
                task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving

    @staticmethod
    async def _beat(beat: Callable[[], None]) -> None:
        while True:
            beat()
            await asyncio.sleep(TICK_SECONDS)

    async def _serve_for_good(self) -> None:
        try:
            await self._publisher.start()
            while True:
                try:
                    await self._serve()
                except (KafkaError, ClientError, OSError, reading.Silent) as error:
                    log.warning("Kafka fails, trying again: %r", error)
                    self._trouble = f"Kafka fails ({type(error).__name__})"
                finally:
                    if self._senders:
                        await self._senders.stop()
                await asyncio.sleep(RETRY_SECONDS)
                self._begin()
        finally:
            await self._publisher.stop()

    async def _serve(self) -> None:
        begins = await asyncio.to_thread(self._load)
        await asyncio.to_thread(self._refresh)
        settings = self._settings
        consumer = connections.async_consumer(
            settings, client_id="leadstream-notifier", auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            consumer.assign(list(begins))
            for place, offset in begins.items():
                consumer.seek(place, offset)
            await self._recover()
            while True:
                found = await consumer.getmany(timeout_ms=POLL_MS, max_records=MOST_POLLED)
                await self._read(found)
                await self._settle()
                if not self._caught_up:
                    await self._catch_up(consumer)
                elif time.monotonic() - self._ticked >= TICK_SECONDS:
                    self._ticked = time.monotonic()
                    await self._tick()
        finally:
            await consumer.stop()

    # ---------------------------------------------------------------- the start
    def _load(self) -> dict[TopicPartition, int]:
        """Read the followed topics to their ends; return where each partition goes on."""
        settings, begins = self._settings, dict[TopicPartition, int]()
        for topic in _FOLLOWED:
            ends = reading.ends(settings, topic)
            for record in reading.records(settings, topic, until=ends):
                self._follow(topic, record.key, record.value)
            begins |= {TopicPartition(topic, number): end for number, end in ends.items()}
        first = reading.beginnings(settings, topics.ALERTS)
        for number, end in reading.ends(settings, topics.ALERTS).items():
            place = TopicPartition(topics.ALERTS, number)
            begins[place] = max(self._ledger.places.get(number, 0), first[number])
            if begins[place] < end:
                self._ends[place] = end
        if self._ledger.generation:
            self._reader.generation = self._ledger.generation
        return begins

    def _follow(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        taker = self._ledger if topic == topics.NOTICES else self._parking
        taker.take(key, value)

    async def _recover(self) -> None:
        """Bring stalls to their messages, and send again what no channel is known to have taken."""
        known = self._ledger
        await known.write(deciding.recovered(known.messages.values(), known.stalls).values())
        self._open = {one.id for one in known.stalls.values() if _is_open(one)}
        self._senders = Senders(
            self._words,
            lambda one: deciding.stands(one, known.stalls, self._reader.generation),
            self._settings.notify_secret.get_secret_value(),
            self._settings.notify_patience,
        )

    async def _catch_up(self, consumer: Any) -> None:
        """Wait until the alerts that came meanwhile are read; then go on with what was left."""
        for place, end in list(self._ends.items()):
            if await consumer.position(place) >= end:
                del self._ends[place]
        self._trouble = "it reads the alerts that came while it was down"
        if self._ends:
            return
        self._caught_up, self._trouble = True, ""
        left = deciding.under_way(self._ledger.messages.values())
        for one in left:
            self._sender.take(one, again=True)
        log.info("notifying; %d messages are sent again", len(left))

    @property
    def _sender(self) -> Senders:
        if self._senders is None:
            raise RuntimeError("nothing is sent before the ledger was read")
        return self._senders

    # ---------------------------------------------------------------- what comes
    async def _read(self, found: Mapping[TopicPartition, Iterable[Any]]) -> None:
        """Take records; an alert's stall is written before the place behind it."""
        changed: dict[str, Stall] = {}
        places: list[Record] = []
        for place, records in found.items():
            last = -1
            for record in records:
                last = record.offset
                if place.topic == topics.ALERTS:
                    self._hear(record, changed)
                elif place.topic == topics.SOURCES:
                    self._parking.take(record.key, record.value)
                elif (record.key or b"").startswith(b'["snooze"'):
                    self._ledger.take(record.key, record.value)  # the rest is our own
            if place.topic == topics.ALERTS and last >= 0:
                places.append(Place(partition=place.partition, next_offset=last + 1))
        view = self._view()
        await self._put({name: deciding.decide(one, view) for name, one in changed.items()})
        await self._ledger.write(places)

    def _hear(self, record: Any, changed: dict[str, Stall]) -> None:
        try:
            body = versions.read(topics.ALERTS, record.value)
            alert = Alert.model_validate({**body, "version": 2})
        except (versions.UnknownRecord, ValidationError) as error:
            metrics.FOREIGN.labels(topics.ALERTS).inc()
            log.warning(
                "%s[%s] %s is no alert that this release reads: %s",
                record.topic,
                record.partition,
                record.offset,
                type(error).__name__,
            )
            return
        before = changed.get(alert.id) or self._ledger.stalls.get(alert.id)
        after = deciding.heard(before, alert, _now())
        if after is not before and (before or alert.what == "raised"):
            changed[alert.id] = after

    async def _put(self, stalls: Mapping[str, Stall]) -> None:
        """Write stalls that differ from what is known; count what was dropped."""
        fresh = []
        for one in stalls.values():
            known = self._ledger.stalls.get(one.id)
            if one == known:
                continue
            fresh.append(one)
            gone = {each.id for each in known.notices} if known else set()
            gone -= {each.id for each in one.notices}
            metrics.NOTICES.labels("withdrawn").inc(len(gone))
            (self._open.add if _is_open(one) else self._open.discard)(one.id)
        await self._ledger.write(fresh)

    # ---------------------------------------------------------------- what goes
    def _words(self) -> Words:
        zone = self._files.rules.funnel.reporting.zone
        return Words(self._files.book, zone, self._settings.live_url)

    def _view(self) -> View:
        settings, now = self._settings, _now()
        return View(
            now=now,
            generation=self._reader.generation,
            rules=self._files.rules,
            book=self._files.book,
            snoozes=self._ledger.snoozes,
            parked=self._parking.parked(now),
            delays=self._reader.delays,
            delay=int(settings.notify_delay * 1000),
            old=int(settings.notify_old * 1000),
        )

    def _refresh(self) -> None:
        self._reader.refresh()
        self._files.refresh(self._reader.generation)

    async def _tick(self) -> None:
        """Send what is due."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(asyncio.to_thread(self._refresh))
        view, known = self._view(), self._ledger
        if known.generation != view.generation:
            await known.write([Shown(generation=view.generation)])
        seen = (view.generation, view.rules, view.book)
        if seen != self._seen:  # who is to hear of what may differ
            self._seen = seen
            await self._put({one.id: deciding.decide(one, view) for one in known.stalls.values()})
        recent = [one for one in known.messages.values() if self._is_recent(one, view)]
        composed = deciding.compose((known.stalls[one] for one in self._open), recent, view)
        metrics.NOTICES.labels("limited").inc(composed.limited)
        messages = await self._with_records(composed.messages)
        await known.write(messages)
        await self._put(composed.stalls)
        for one in messages:
            metrics.NOTICES.labels("digest").inc(len(one.items) if one.digest else 0)
            self._sender.take(one)
        if time.monotonic() - self._measured >= MEASURE_SECONDS:
            self._measured = time.monotonic()
            self._measure(view)
        await self._sweep(view)

    async def _with_records(self, messages: list[Notification]) -> list[Notification]:
        """Add the CRM's addresses of the leads that messages name."""
        leads = sorted({str(line.lead) for one in messages for line in one.lines})
        if not leads:
            return messages
        found = await asyncio.to_thread(self._reader.records, leads)
        return [
            one.model_copy(
                update={
                    "lines": tuple(
                        line.model_copy(update={"record_url": found.get(str(line.lead), "")})
                        for line in one.lines
                    )
                }
            )
            for one in messages
        ]

    async def _settle(self) -> None:
        """Note what became of messages."""
        if self._senders is None:
            return
        while not self._senders.outcomes.empty():
            outcome = self._senders.outcomes.get_nowait()
            message = self._ledger.messages.get(outcome.message)
            if message is None:
                continue
            stalls, view = self._ledger.stalls, self._view()
            if outcome.what == TAKEN:
                done = deciding.taken(message, outcome.channel, stalls)
                if not message.taken:
                    what = "sent" if message.kind == "notice" else "retracted"
                    metrics.NOTICES.labels(what).inc(len(message.items))
                    metrics.NOTICES.labels("messages").inc()
            else:
                refused, stale = outcome.what == REFUSED, outcome.what == STALE
                done = deciding.given_up(
                    message, outcome.channel, stalls, view, refused=refused, stale=stale
                )
                if done.stalls and not (stale or message.taken):
                    what = "refused" if refused else "failed"
                    metrics.NOTICES.labels(what).inc(len(message.items))
            await self._ledger.write([done.message])
            after = {name: deciding.decide(one, view) for name, one in done.stalls.items()}
            await self._put(after)

    # ---------------------------------------------------------------- what is shown, what is old
    def _measure(self, view: View) -> None:
        nobody = [deciding.unreached(one, view) for one in self._ledger.stalls.values()]
        why: Counter[str] = Counter({"nobody": sum(map(bool, nobody))})
        for one in self._open:
            stall = self._ledger.stalls[one]
            for notice in stall.notices:
                if notice.state in _OPEN:
                    why[deciding.holds(stall, notice, view) or "due"] += 1
        left = deciding.under_way(self._ledger.messages.values())
        why["sending"] = sum(len(one.items) for one in left)
        for name in ("due", "digest", "snoozed", "parked", "quiet", "sending", "nobody"):
            metrics.NOTICES_WAITING.labels(name).set(why[name])
        waits = deciding.oldest(left, view.now)
        self._kinds |= waits.keys()
        for kind in self._kinds:  # one that has caught up is at 0, and no series that is gone
            metrics.NOTICE_OLDEST.labels(*kind).set(waits.get(kind, 0.0))
        self._report(sorted(set().union(*nobody)))

    def _report(self, nobody: list[str]) -> None:
        failing = sorted(self._sender.failing.values())
        if (failing, nobody) == self._reported:
            return
        self._reported = (failing, nobody)
        metrics.NOTICE_CHANNELS_FAILING.clear()
        for one in failing:
            metrics.NOTICE_CHANNELS_FAILING.labels(*deciding.kind_of(one.to, one.channel)).inc()
        report.write(self._settings.home, failing, nobody)

    @staticmethod
    def _is_recent(message: Notification, view: View) -> bool:
        notify = view.rules.notify
        windows = (notify.most_within, notify.grouped_within)
        return message.at > view.now - max(map(timing.elapsed, windows))

    async def _sweep(self, view: View) -> None:
        """Forget messages that nothing depends on any more, and stalls of long ago."""
        if time.monotonic() - self._swept < SWEEP_SECONDS:
            return
        self._swept = time.monotonic()
        known = self._ledger
        old = [
            one
            for one in known.messages.values()
            if deciding.closed(one) and not self._is_recent(one, view)
        ]
        gone = [
            one
            for one in known.stalls.values()
            if one.at < view.now - ledger.KEEP_MS and one.id not in self._open
        ]
        await known.forget([*old, *gone])


def _is_open(stall: Stall) -> bool:
    return any(one.state in _OPEN for one in stall.notices)


def _now() -> int:
    return int(time.time() * 1000)
