"""LeadPublisher: publish typed lead events to Kafka from any Python program, with kafka-python.

An event is checked before it is sent, as the gateway checks it: a misspelled field is an error at
its own line, never a dead letter. The id is the caller's, or made of the event's content, so that
publishing it again is no second event. What waits for Kafka is bounded in events and in bytes;
beyond it `publish` waits, and then raises. A caller learns of a delivery in three ways: the future
that `publish` returns, the callback `on_delivery`, and `flush`, which raises what failed.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import orjson
from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas import topics
from schemas.errors import LeadstreamError
from schemas.sources import SOURCE_HEADER
from streams.sources.adapter import Fault, digest

from .judging import wrong

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from schemas.events import EventType

MOST_EVENTS, MOST_BYTES = 10_000, 32_000_000  # that wait for Kafka
# What would take back that an acknowledged event is in every replica, and is what was published.
_FIXED = frozenset({"key_serializer", "value_serializer", "transactional_id"})
_ALL = (-1, "all")

log = logging.getLogger(__name__)


class BadEvent(LeadstreamError, ValueError):  # noqa: N818 - the caller's program must be mended
    """An event that is refused before it is sent; `fault` names the field, and perhaps a better."""

    def __init__(self, event_id: str, fault: Fault) -> None:
        """Keep the place."""
        super().__init__(f"event {event_id!r} is not published: {fault}")
        self.fault = fault


class NotTaken(LeadstreamError):  # noqa: N818 - the caller publishes it again, later
    """An event, `event_id`, that was not queued: Kafka does not keep up, or can't take it."""

    def __init__(self, event_id: str, why: str) -> None:
        """Keep the id."""
        super().__init__(f"event {event_id!r} is not published: {why}")
        self.event_id = event_id


class PublishFailed(LeadstreamError):  # noqa: N818 - it names what happened; the caller publishes again
    """Kafka did not acknowledge; `failed` has (event id, reason) of each.

    Publish those again: an id that arrives twice is one event.
    """

    def __init__(self, failed: list[tuple[str, str]]) -> None:
        """Keep what failed."""
        name, why = failed[0]
        super().__init__(f"{len(failed)} events were not acknowledged, the first: {name} ({why})")
        self.failed = failed

    @property
    def ids(self) -> list[str]:
        """The ids of what failed."""
        return [name for name, _ in self.failed]


class Delivery(NamedTuple):
    """What became of an event: its place in Kafka, or the error that prevented it."""

    id: str
    topic: str
    partition: int = -1
    offset: int = -1
    error: str = ""


class LeadPublisher:
    """Publishes CloudEvents 1.0 to `lead.raw.crm` (or another raw topic), acks=all.

    Threads may share one. Use it in a `with`, or call `close`.
    """

    def __init__(
        self,
        brokers: str,
        source: str,
        topic: str = topics.RAW_CRM,
        *,
        on_delivery: Callable[[Delivery], None] | None = None,
        most_events: int = MOST_EVENTS,
        most_bytes: int = MOST_BYTES,
        block_seconds: float = 60.0,
        producer: Callable[..., Any] = KafkaProducer,
        **kafka: Any,
    ) -> None:
        """Connect to `brokers` (host:port, with commas between).

        `source` names the system in CloudEvents' terms; (source, id) must be unique. `on_delivery`
        is called in the producer's thread, so it must be quick and must not publish. `kafka` are
        kafka-python's own settings, as `streams.connections.python_options` returns them for TLS
        and SASL.

        Raises:
            ValueError: a setting is none of kafka-python's, or breaks what this class promises.
            kafka.errors.KafkaError: no broker answers (after 30 s: `bootstrap_timeout_ms`).

        """
        self.source, self.topic = source, topic
        self._on_delivery, self._block_seconds = on_delivery, block_seconds
        self._most_events, self._most_bytes = most_events, most_bytes
        self._changed = threading.Condition()
        self._waiting: dict[int, tuple[str, int]] = {}  # by number: the id and the bytes
        self._bytes = self._number = self._acknowledged = 0
        self._failed: list[tuple[str, str]] = []
        self._closed = False
        own = {
            "bootstrap_servers": brokers.split(","),
            "acks": "all",
            "linger_ms": 5,
            "max_block_ms": int(block_seconds * 1000),
        }
        self._producer = producer(**{**own, **_checked(kafka)})

    def publish(
        self,
        event_id: str | None,
        event_type: EventType | str,
        at: datetime,
        /,
        *,
        email: str | None = None,
        aliases: tuple[str, ...] = (),
        **data: Any,
    ) -> Future[Delivery]:
        """Queue one event; the future holds its delivery, or raises PublishFailed.

        `data` are fields of schemas.events.LeadEvent, and `phone`. Without an id, events of the
        same content and time are one event. `at` needs a time zone.

        Raises:
            BadEvent: a field is unknown or can't be read; nothing was sent.
            NotTaken: too much has waited for Kafka for too long, or it is larger than Kafka takes.
            PublishFailed: too many events failed that nobody has asked about.
            ValueError: `at` has no time zone.

        """
        if at.tzinfo is None:
            raise ValueError("`at` has no time zone; use datetime.now(UTC)")
        time_text = at.astimezone(UTC).isoformat()
        data |= {"aliases": aliases} | ({"email": email} if email else {})
        name = digest([event_type, time_text, data]) if event_id is None else event_id
        body = {
            "specversion": "1.0",
            "id": name,
            "source": self.source,
            "type": f"leadstream.{event_type}",
            "time": time_text,
            "data": data,
        }
        try:
            written = orjson.dumps(body)
        except TypeError as error:  # a Decimal, a number beyond 64 bits
            reason = f"{error}: write numbers that JSON has, or text"
            raise BadEvent(name, Fault("", reason)) from error
        found = wrong(orjson.loads(written), int(time.time() * 1000))
        if found is not None:
            raise BadEvent(name, found._replace(place=found.place.removeprefix("data.")))
        key = str(email or (aliases[0] if aliases else name)).encode()
        return self._send(name, written, key)

    def _send(self, name: str, value: bytes, key: bytes) -> Future[Delivery]:
        number = self._reserve(name, len(value))
        future: Future[Delivery] = Future()
        future.set_running_or_notify_cancel()  # what Kafka was given can't be cancelled
        headers = [
            (SOURCE_HEADER, b"cloudevents"),
            ("content-type", b"application/cloudevents+json"),
        ]
        try:
            sent = self._producer.send(self.topic, value, key=key, headers=headers)
        except KafkaError as error:
            self._release(number)
            raise NotTaken(name, f"{type(error).__name__}: {error}") from error
        except BaseException:
            self._release(number)
            raise
        sent.add_callback(lambda kept: self._done(number, future, _delivered(name, kept)))
        sent.add_errback(
            lambda error: self._done(number, future, _undelivered(name, self.topic, error))
        )
        return future

    def _reserve(self, name: str, size: int) -> int:
        """Wait for room, and take it."""
        with self._changed:
            room = self._changed.wait_for(lambda: self._has_room(size), self._block_seconds)
            if self._closed:
                raise NotTaken(name, "this publisher is closed")
            if len(self._failed) >= self._most_events:
                self._raise_failed()
            if not room:
                waiting = f"{len(self._waiting)} events ({self._bytes} bytes) wait for Kafka"
                raise NotTaken(
                    name,
                    f"{waiting}, and it has made no room within {self._block_seconds:g} s: "
                    "look at the broker, or publish more slowly",
                )
            self._number += 1
            self._waiting[self._number] = (name, size)
            self._bytes += size
            return self._number

    def _has_room(self, size: int) -> bool:
        if self._closed or len(self._failed) >= self._most_events or not self._waiting:
            return True
        within = self._bytes + size <= self._most_bytes
        return within and len(self._waiting) < self._most_events

    def _release(self, number: int) -> None:
        with self._changed:
            self._bytes -= self._waiting.pop(number)[1]
            self._changed.notify_all()

    def _done(self, number: int, future: Future[Delivery], delivery: Delivery) -> None:
        """Report one event's delivery; called in the producer's thread."""
        if delivery.error:
            future.set_exception(PublishFailed([(delivery.id, delivery.error)]))
        else:
            future.set_result(delivery)
        if self._on_delivery is not None:
            try:
                self._on_delivery(delivery)
            except Exception:
                log.exception("on_delivery failed for event %s", delivery.id)
        with self._changed:
            if delivery.error:
                self._failed.append((delivery.id, delivery.error))
            else:
                self._acknowledged += 1
            self._release(number)

    def flush(self, timeout: float = 30.0) -> int:
        """Wait (seconds) for every acknowledgement; return how many came since the last flush.

        Raises:
            PublishFailed: some were not acknowledged, since the last flush or in time.

        """
        end = time.monotonic() + timeout
        try:
            self._producer.flush(timeout)
        except KafkaError as error:
            log.warning("Kafka did not take everything within %g s: %s", timeout, error)
        with self._changed:
            done = self._changed.wait_for(
                lambda: not self._waiting, max(0.0, end - time.monotonic())
            )
            if not done:
                late = f"no acknowledgement within {timeout:g} s; it may still come"
                self._failed += [(name, late) for name, _ in self._waiting.values()]
            if self._failed:
                self._raise_failed()
            count, self._acknowledged = self._acknowledged, 0
            return count

    def _raise_failed(self) -> None:
        failed, self._failed = self._failed, []
        raise PublishFailed(list(dict(failed).items()))

    def close(self, timeout: float = 30.0) -> None:
        """Flush for at most `timeout` seconds, then close; do nothing if closed.

        Raises:
            PublishFailed: as `flush` does; it is closed all the same.

        """
        if self._closed:
            return
        try:
            self.flush(timeout)
        finally:
            self._end()

    def _end(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._producer.close(timeout=5)

    def __enter__(self) -> Self:
        """Return this publisher."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it; after an error in the block send what is queued, and let the error pass."""
        if kind is None:
            self.close()
        elif not self._closed:
            self._end()


def _delivered(name: str, kept: Any) -> Delivery:
    return Delivery(name, kept.topic, kept.partition, kept.offset)


def _undelivered(name: str, topic: str, error: BaseException) -> Delivery:
    return Delivery(name, topic, error=f"{type(error).__name__}: {error}")


def _checked(kafka: dict[str, Any]) -> dict[str, Any]:
    """Return kafka-python's settings as they are.

    Raises:
        ValueError: one is unknown, or breaks what LeadPublisher promises.

    """
    known = KafkaProducer.DEFAULT_CONFIG
    for name, value in kafka.items():
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"{name}: no setting of kafka-python's producer{hint}")
        if name in _FIXED or (name == "acks" and value not in _ALL):
            raise ValueError(
                f"{name}: LeadPublisher sets it itself: "
                "an event is delivered once every replica has it"
            )
    return kafka
