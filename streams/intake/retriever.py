"""The retriever: notifications that carry only an id are completed by asking the vendor.

One coroutine a vendor, each with a consumer group of its own, so that a vendor that is slow or away
holds nobody else up. It reads the vendor's raw topic, asks (asking.py), publishes each answer as one
more raw body beside its notification, and commits an offset once all that its record wanted is
published or a dead letter, and so is all before it (backlog.py). A death repeats what was not
committed; answers keep their events' ids, so a repeat is harmless.

What is held in memory is bounded: beyond MOST_WAITING records to ask for nothing more is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from aiokafka.errors import KafkaError as AsyncKafkaError
from kafka import OffsetAndMetadata
from kafka.errors import KafkaError

from schemas import topics
from schemas.deadletters import LetterKind
from schemas.sources import RESUME_HEADER, RETRIEVED_HEADER, SOURCE_HEADER, source_of
from streams import connections, metrics
from streams.engine.commit import MAX_RECORD
from streams.engine.letters import Failures, Post, letter
from streams.probe import BEAT_SECONDS
from streams.sources.registry import SOURCES, connection, retrievable

from .asking import Asker, NotRetrieved
from .backlog import Backlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.settings import Settings
    from streams.sources.adapter import Connection
    from streams.sources.retrieval import Ask, Retrieval
    from streams.sources.vendor import Vendor

MOST_WAITING = 200
HANGS_SECONDS, AGAIN_SECONDS = 60.0, 2.0
POLL_MS, MOST_POLLED = 500, 20
COMMIT_SECONDS = 5.0  # between commits that only skip what wants nothing
CLOSE_MS = 5_000
NAMED = 5  # records that a letter's reason names

log = logging.getLogger("leadstream.retriever")
_Answer = TypeVar("_Answer")


def served(settings: Settings) -> list[tuple[Vendor, Retrieval]]:
    """Return the vendors whose token is set.

    Raises:
        ValueError: there is none, or rates are no rates; the text names the settings.

    """
    known = [name for name, vendor in SOURCES.items() if vendor.retrieval]
    if strange := sorted(settings.rates("retriever_rates").keys() - set(known)):
        names = ", ".join(known)
        raise ValueError(f"LEADSTREAM_RETRIEVER_RATES: {strange[0]!r} is none of {names}")
    found = retrievable(settings.secret)
    if not found:
        tokens = [one.retrieval.token.name.upper() for one in SOURCES.values() if one.retrieval]
        raise ValueError(
            "no vendor's token is set, so there is nothing to retrieve: set one of "
            f"{', '.join(f'LEADSTREAM_{name}' for name in tokens)} (docs/retrievers.md)"
        )
    return found


def wants(
    record: Any, vendor: Vendor, retrieval: Retrieval, connected: Connection
) -> tuple[Ask, ...]:
    """Return what a record of a raw topic lets a retriever ask of a vendor."""
    names = {name for name, _ in record.headers}
    if source_of(record.headers) != vendor.name or names & {RETRIEVED_HEADER, RESUME_HEADER}:
        return ()
    try:
        body = vendor.decode(record.value or b"")
    except ValueError:  # normalise makes a letter of it
        return ()
    return retrieval.wanted(body, connected)


class Retriever:
    """Completes the notifications of one vendor."""

    def __init__(
        self,
        vendor: Vendor,
        retrieval: Retrieval,
        read: Callable[[], Settings],
        publisher: Publisher,
    ) -> None:
        """`read` reads the settings anew.

        Raises:
            ValueError: a setting can't be used; the text names it.

        """
        self.vendor, self._retrieval, self._settings = vendor, retrieval, read()
        self._asker = Asker(vendor, retrieval, read)
        self._publisher = publisher
        self._backlog: Backlog[Any] = Backlog()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, f"kafka-{vendor.name}")  # its client is one thread's
        self._post = Post(topics.DEADLETTERS, "retriever", lambda one: source_of(one.headers))
        self._failures = Failures("retriever")
        self._connection = connection(self._settings.option, "UTC")
        self._failed: BaseException | None = None  # of a task: begin again
        self._trouble = ""
        self._assigned, self._committed = False, 0.0
        self._moved = math.inf  # when it last went round (monotonic); while it connects, never

    def waits_for(self) -> str:
        """Return why it does not do its work; "" where it does."""
        if self._assigned:
            return self._asker.refused
        return self._trouble or f"{self.vendor.name} has no partition of Kafka's yet"

    def hangs(self) -> bool:
        """Return whether it has not gone round for long."""
        return time.monotonic() - self._moved > HANGS_SECONDS

    async def run(self) -> None:
        """Serve until cancelled; what ends unexpectedly is logged and begun again."""
        try:
            while True:
                consumer: Any = None
                try:
                    consumer = await self._call(self._consumer)
                    await self._serve(consumer)
                except KafkaError as error:
                    log.warning("%s: Kafka fails, trying again: %r", self.vendor.name, error)
                    self._trouble = f"{self.vendor.name}: Kafka fails ({type(error).__name__})"
                except Exception as error:
                    log.exception("%s: begins again", self.vendor.name)
                    self._trouble = f"{self.vendor.name}: begins again ({type(error).__name__})"
                finally:
                    self._assigned, self._moved = False, math.inf
                    await self._end(consumer)
                await asyncio.sleep(AGAIN_SECONDS)
        finally:
            await self._asker.close()
            self._thread.shutdown(wait=False)

    def _consumer(self) -> Any:
        return connections.consumer(
            self._settings,
            group_id=self._settings.app_id(f"retriever-{self.vendor.name}"),
            client_id=f"leadstream-retriever-{self.vendor.name}",
            auto_offset_reset="earliest",
            max_poll_records=MOST_POLLED,
            session_timeout_ms=int(self._settings.session_timeout * 1000),
            heartbeat_interval_ms=int(self._settings.session_timeout * 300),
        )

    async def _call(self, method: Callable[..., _Answer], *arguments: Any) -> _Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, method, *arguments)

    async def _serve(self, consumer: Any) -> None:
        await self._call(consumer.subscribe, [self.vendor.topic])
        full = False
        while True:
            found = await self._call(_poll, consumer, full)
            self._moved = time.monotonic()
            if self._failed is not None:
                raise RuntimeError("a record could not be finished") from self._failed
            for place, records in found.items():
                for record in records:
                    self._take(place, record)
            places = await self._call(consumer.assignment)
            self._assigned, self._trouble = bool(places), ""
            self._backlog.keep(places)
            full = self._waiting >= MOST_WAITING
            await self._commit(consumer, places)

    def _take(self, place: Any, record: Any) -> None:
        asks = wants(record, self.vendor, self._retrieval, self._connection)
        self._backlog.read(place, record.offset, waits=bool(asks))
        if asks:
            self._count(len(asks))
            task = asyncio.create_task(self._complete(place, record, asks))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failed = task.exception()

    def _count(self, number: int) -> None:
        self._waiting += number
        metrics.RETRIEVING.labels(self.vendor.name).set(self._waiting)

    async def _complete(self, place: Any, record: Any, asks: tuple[Ask, ...]) -> None:
        """Get all that a record wants; what the vendor does not give is one letter."""
        lacking = [
            text for text in await asyncio.gather(*(self._one(record, ask) for ask in asks)) if text
        ]
        if lacking:
            more = f"; and {len(lacking) - NAMED} more" if len(lacking) > NAMED else ""
            reason = (
                f"{len(lacking)} of {len(asks)} not retrieved: {'; '.join(lacking[:NAMED])}{more}"
            )
            for out in letter(self._post, record, LetterKind.NOT_RETRIEVED, reason):
                await self._publisher.send(out.topic, out.value or b"", out.key, None, out.headers)
            metrics.DEAD_LETTERS.labels("retriever", self.vendor.name).inc()
        self._backlog.finish(place, record.offset)

    async def _one(self, record: Any, ask: Ask) -> str:
        """Get one record; return why it is lacking, "" where it is not."""
        try:
            await self._asker.complete(ask, lambda body: self._publish(record, body))
        except NotRetrieved as error:
            metrics.RETRIEVALS.labels(self.vendor.name, error.what).inc()
            return f"{ask.key}: {error}"
        except Exception as error:  # noqa: BLE001 - a surprise in one record must not stop the others
            metrics.RETRIEVALS.labels(self.vendor.name, "refused").inc()
            return f"{ask.key}: {self._failures.log(record, error)}"
        else:
            return ""
        finally:
            self._count(-1)

    async def _publish(self, record: Any, body: bytes) -> None:
        """Publish an answer beside its notification: in its partition, and so behind it."""
        if len(body) > MAX_RECORD:
            raise NotRetrieved("refused", f"it would make a record larger than {MAX_RECORD} bytes")
        headers = ((SOURCE_HEADER, self.vendor.name.encode()), (RETRIEVED_HEADER, b"1"))
        await self._publisher.send(self.vendor.topic, body, record.key, record.partition, headers)
        metrics.RETRIEVALS.labels(self.vendor.name, "published").inc()

    async def _commit(self, consumer: Any, places: set[Any]) -> None:
        """Commit how far all is finished; a group that shifts meanwhile repeats a little."""
        now = time.monotonic()
        due = {place: offset for place, offset in self._backlog.due().items() if place in places}
        soon = self._backlog.advanced or now - self._committed > COMMIT_SECONDS
        if not due or not soon:
            return
        self._committed = now
        with contextlib.suppress(KafkaError):
            offsets = {place: OffsetAndMetadata(offset, "", -1) for place, offset in due.items()}
            await self._call(lambda: consumer.commit(offsets, timeout_ms=CLOSE_MS))
            self._backlog.committed(due)

    async def _end(self, consumer: Any) -> None:
        """Leave the group: end what is under way, and commit what is finished."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if consumer is not None:
            with contextlib.suppress(
                Exception
            ):  # it ends: whatever it is, the next one reads again
                self._committed = 0.0
                await self._commit(consumer, set(self._backlog.due()))
                await self._call(lambda: consumer.close(autocommit=False, timeout_ms=CLOSE_MS))
        self._backlog, self._failed = Backlog(), None
        self._count(-self._waiting)  # a task that was ended before it began has counted nothing


def _poll(consumer: Any, full: bool) -> dict[Any, list[Any]]:
    """Read on, or only stay in the group. Partitions that came meanwhile are not paused yet."""
    held = consumer.assignment()
    if full:
        consumer.pause(*held)
    elif consumer.paused():
        consumer.resume(*consumer.paused())
    found: dict[Any, list[Any]] = consumer.poll(timeout_ms=POLL_MS)
    return found


class Publisher:
    """Publishes for all vendors: a record is sent until every replica has it."""

    def __init__(self, settings: Settings) -> None:
        """Start it inside the event loop, by `start`."""
        self._settings, self._producer = settings, None
        self.failing = "Kafka does not answer"

    async def start(self) -> None:
        """Connect; go on trying while Kafka is away."""
        while True:
            producer = connections.async_producer(
                self._settings, linger_ms=5, max_request_size=2 * MAX_RECORD
            )
            try:
                await producer.start()
            except (AsyncKafkaError, OSError, TimeoutError) as error:
                log.warning("Kafka does not answer, trying again: %r", error)
                with contextlib.suppress(Exception):
                    await producer.stop()
                await asyncio.sleep(1.0)
            else:
                self._producer, self.failing = producer, ""
                return

    async def stop(self) -> None:
        """End it, within a limit."""
        if self._producer:
            with contextlib.suppress(AsyncKafkaError, OSError, TimeoutError):
                await asyncio.wait_for(self._producer.stop(), CLOSE_MS / 1000)

    async def send(
        self,
        topic: str,
        value: bytes,
        key: bytes | None,
        partition: int | None,
        headers: tuple[tuple[str, bytes | None], ...],
    ) -> None:
        """Send a record; return once Kafka has it."""
        while True:
            try:
                assert self._producer is not None
                await self._producer.send_and_wait(
                    topic, value, key=key, partition=partition, headers=list(headers)
                )
            except (AsyncKafkaError, OSError, TimeoutError) as error:
                if not self.failing:
                    log.warning("Kafka did not acknowledge, trying again: %r", error)
                self.failing = f"Kafka does not acknowledge ({type(error).__name__})"
                await asyncio.sleep(1.0)
            else:
                self.failing = ""
                return


class Service:
    """A process: one retriever for each vendor whose token is set."""

    def __init__(self, read: Callable[[], Settings]) -> None:
        """`read` reads the settings, again whenever a token is refused.

        Raises:
            ValueError: no token is set, or a setting can't be used; the text says which.

        """
        settings = read()
        connections.python_options(
            settings
        )  # what can't connect is refused now, and not again and again
        self._publisher = Publisher(settings)
        self._retrievers = [
            Retriever(vendor, retrieval, read, self._publisher)
            for vendor, retrieval in served(settings)
        ]
        self._stop = asyncio.Event()

    def waits_for(self) -> str:
        """Return what keeps it from its work; "" where nothing does."""
        found = [self._publisher.failing, *(one.waits_for() for one in self._retrievers)]
        return "; ".join(filter(None, found))

    def stop(self) -> None:
        """End: what is under way is left to the next start."""
        self._stop.set()

    async def run(self, beat: Callable[[], None]) -> None:
        """Serve until a signal or `stop`; `beat` is called each second while nothing hangs."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ValueError, RuntimeError):  # only the main thread hears signals
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.stop)
        names = ", ".join(one.vendor.name for one in self._retrievers)
        log.info("retrieving what notifications name, of: %s", names)
        serving = asyncio.create_task(self._serve())
        while not self._stop.is_set() and not serving.done():
            if not any(one.hangs() for one in self._retrievers):
                beat()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), BEAT_SECONDS)
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving

    async def _serve(self) -> None:
        try:
            await self._publisher.start()
            async with asyncio.TaskGroup() as group:
                for one in self._retrievers:
                    group.create_task(one.run())
        finally:
            await self._publisher.stop()
