"""Completing the notifications of one vendor: the records that they name are got and published.

A consumer group of its own reads the raw topic. Each answer becomes one more raw body; an offset is
committed once all that its record wanted is published or a dead letter, and so is all before it
(backlog.py). A process that dies repeats what was not committed; answers keep their events' ids, so
a repeat changes nothing. While MOST_WAITING records are asked for, nothing more is read, so that
memory is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from kafka import OffsetAndMetadata
from kafka.errors import KafkaError

from schemas import topics
from schemas.deadletters import LetterKind
from schemas.sources import RESUME_HEADER, RETRIEVED_HEADER, SOURCE_HEADER, source_of
from streams import connections, metrics
from streams.engine.commit import MAX_RECORD
from streams.engine.letters import Failures, Post, letter
from streams.sources.registry import connection

from .asking import Asker, NotRetrieved
from .backlog import Backlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.settings import Settings
    from streams.sources.adapter import Connection
    from streams.sources.retrieval import Ask, Retrieval
    from streams.sources.vendor import Vendor

    from .persistent import Publisher

MOST_WAITING = 200
HANGS_SECONDS, RETRY_SECONDS = 60.0, 2.0
POLL_MS, MOST_POLLED = 500, 20
COMMIT_SECONDS = 5.0  # between commits that only skip what wants nothing
CLOSE_MS = 5_000
NAMED = 5  # records that a letter's reason names

log = logging.getLogger("leadstream.retriever")
_Answer = TypeVar("_Answer")


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
        """Read the settings by `read`, and later again.

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
        """Return whether its last round was long ago."""
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
                await asyncio.sleep(RETRY_SECONDS)
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
        """Get all that a record wants; what the vendor does not return is one letter."""
        answers = await asyncio.gather(*(self._one(record, ask) for ask in asks))
        missing = [text for text in answers if text]
        if missing:
            named = "; ".join(missing[:NAMED])
            more = f"; and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
            reason = f"{len(missing)} of {len(asks)} not retrieved: {named}{more}"
            for out in letter(self._post, record, LetterKind.NOT_RETRIEVED, reason):
                await self._publisher.send(out.topic, out.value or b"", out.key, None, out.headers)
            metrics.DEAD_LETTERS.labels("retriever", self.vendor.name).inc()
        self._backlog.finish(place, record.offset)

    async def _one(self, record: Any, ask: Ask) -> str:
        """Get one record; return why it is missing, or ""."""
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
        """Publish an answer into its notification's partition, and so behind it."""
        if len(body) > MAX_RECORD:
            raise NotRetrieved("refused", f"it would make a record larger than {MAX_RECORD} bytes")
        headers = ((SOURCE_HEADER, self.vendor.name.encode()), (RETRIEVED_HEADER, b"1"))
        await self._publisher.send(self.vendor.topic, body, record.key, record.partition, headers)
        metrics.RETRIEVALS.labels(self.vendor.name, "published").inc()

    async def _commit(self, consumer: Any, places: set[Any]) -> None:
        """Commit how far all is finished; after a rebalance a little is repeated."""
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
        """Leave the group: cancel what is under way, and commit what is finished."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if consumer is not None:
            with contextlib.suppress(Exception):  # it ends, and the next one reads again
                self._committed = 0.0
                await self._commit(consumer, set(self._backlog.due()))
                await self._call(lambda: consumer.close(autocommit=False, timeout_ms=CLOSE_MS))
        self._backlog, self._failed = Backlog(), None
        self._count(-self._waiting)  # a task that was ended before it began has counted nothing


def _poll(consumer: Any, full: bool) -> dict[Any, list[Any]]:
    """Return records by partition; while `full`, none: the poll only keeps the membership."""
    held = consumer.assignment()
    if full:  # each time: partitions that came meanwhile are not paused yet
        consumer.pause(*held)
    elif consumer.paused():
        consumer.resume(*consumer.paused())
    found: dict[Any, list[Any]] = consumer.poll(timeout_ms=POLL_MS)
    return found
