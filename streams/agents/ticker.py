"""ticker: send each partition of lead.raw.{web,ads,crm} a tick, once a second. Any number may run.

Time is what every clock hangs on, so the ticker watches its own acknowledgements. A client of Kafka
can hang in any call and for ever (after a broker froze for two minutes one was silent for 25): all
calls are made by a sender thread, which is given up, not waited for, once a partition has
acknowledged nothing for a few seconds. What a broker that is away misses, the next second makes up
for: a tick is never sent again.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from schemas import topics
from schemas.errors import LeadstreamError
from streams import connections, metrics
from streams.engine.ticks import Tick

if TYPE_CHECKING:
    from collections.abc import Callable

    from kafka import KafkaProducer

    from streams.settings import Settings

log = logging.getLogger("leadstream.ticker")

EVERY_SECONDS = 1.0
# If more senders hang, the process ends, and is started again with none that hangs.
GIVEN_UP = 5


class Stuck(LeadstreamError):  # noqa: N818 - it names what happened; the process ends with it
    """Senders hang and do not even end."""


class Acknowledged:
    """When each partition last acknowledged a tick (monotonic seconds)."""

    def __init__(self, partitions: int) -> None:
        """Count from now: a partition that never acknowledges is silent since the start."""
        now = time.monotonic()
        self.last = {
            (topic, number): now for topic in topics.RAW_LIVE for number in range(partitions)
        }
        self.ever: set[tuple[str, int]] = set()

    def note(self, topic: str, partition: int) -> None:
        """Note an acknowledgement."""
        self.last[topic, partition] = time.monotonic()
        self.ever.add((topic, partition))

    def silence(self) -> float:
        """Return for how long the most silent partition has acknowledged nothing (seconds)."""
        return time.monotonic() - min(self.last.values())

    def waits_for(self, seconds: float) -> str:
        """Return which partition has acknowledged nothing for so long, or nothing."""
        topic, partition = min(self.last, key=self.last.__getitem__)
        if (topic, partition) not in self.ever:
            return f"{topic}[{partition}] has acknowledged no tick yet"
        silence = self.silence()
        return (
            f"{topic}[{partition}] has acknowledged no tick for {silence:.0f} s"
            if silence > seconds
            else ""
        )


class Sender(threading.Thread):
    """A thread that sends ticks over a producer of its own until it is given up."""

    def __init__(
        self, make: Callable[[], Any], partitions: int, acknowledged: Acknowledged
    ) -> None:
        """`make` makes a producer; it may block."""
        super().__init__(name="ticker-sender", daemon=True)
        self._make, self._partitions, self._acknowledged = make, partitions, acknowledged
        self._ended = threading.Event()
        self.began = time.monotonic()

    def give_up(self) -> None:
        """Let it end when it can."""
        self._ended.set()

    def run(self) -> None:
        """Send ticks; any error ends this sender, and another one follows."""
        producer = None
        try:
            producer = self._make()
            while not self._ended.wait(EVERY_SECONDS - time.time() % EVERY_SECONDS):
                self._tick(producer)
        except Exception as error:  # noqa: BLE001 - whatever it was, a new producer is tried
            log.warning("a tick was not sent: %s: %s", type(error).__name__, error)
        finally:
            if producer is not None:
                producer.close(timeout=1)

    def _tick(self, producer: Any) -> None:
        now = int(time.time() * 1000)
        for topic in topics.RAW_LIVE:
            for partition in range(self._partitions):
                value = Tick(now, topic, partition, self._partitions).dump()
                future = producer.send(topic, value, partition=partition)
                future.add_callback(
                    lambda _sent, topic=topic, partition=partition: self._acknowledged.note(
                        topic, partition
                    )
                )


def producer(settings: Settings) -> KafkaProducer:
    """Make a producer whose every wait is short: what is late is worth nothing."""
    patience_ms = int(settings.ticker_patience * 1000)
    return connections.producer(
        settings,
        linger_ms=0,
        client_id="leadstream-ticker",
        enable_idempotence=False,
        retries=0,
        request_timeout_ms=patience_ms,
        delivery_timeout_ms=patience_ms + 100,
        max_block_ms=patience_ms,
        bootstrap_timeout_ms=patience_ms,
        reconnect_backoff_max_ms=1000,
        connections_max_idle_ms=patience_ms + 60_000,
    )


def run(
    make: Callable[[], Any],
    acknowledged: Acknowledged,
    partitions: int,
    stop: threading.Event,
    patience: float = 5.0,
    beat: Callable[[], None] = lambda: None,
) -> None:
    """Keep a sender going until `stop` is set.

    This thread makes no call to Kafka, so it can't hang.

    Raises:
        Stuck: senders hang and do not end.

    """
    metrics.TICKER_SILENCE.set_function(acknowledged.silence)
    given_up: list[Sender] = []
    sender = _started(make, partitions, acknowledged)
    while not stop.wait(min(1.0, patience / 4)):
        beat()
        fresh = time.monotonic() - sender.began < patience
        if sender.is_alive() and (fresh or acknowledged.silence() < patience):
            continue
        if sender.is_alive():
            log.error("%s: a new producer", acknowledged.waits_for(0))
            metrics.TICKER_PRODUCERS.inc()
        sender.give_up()
        given_up = [one for one in (*given_up, sender) if one.is_alive()]
        if len(given_up) > GIVEN_UP:
            raise Stuck(f"{len(given_up)} producers hang and do not end")
        sender = _started(make, partitions, acknowledged)
    sender.give_up()
    sender.join(2)


def _started(make: Callable[[], Any], partitions: int, acknowledged: Acknowledged) -> Sender:
    sender = Sender(make, partitions, acknowledged)
    sender.start()
    return sender
