"""ticker: tells every partition of lead.raw.{web,ads,crm} the time, once a second. Any number may run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kafka import KafkaProducer

from schemas import topics
from streams.engine.ticks import Tick

if TYPE_CHECKING:
    from threading import Event

EVERY_SECONDS = 1.0


def run(brokers: str, partitions: int, stop: Event) -> None:
    """Send ticks until `stop` is set; what a broker that is away misses, the next second makes up for."""
    producer = KafkaProducer(bootstrap_servers=brokers.split(","), acks="all", linger_ms=0, client_id="leadstream-ticker")
    try:
        while not stop.wait(EVERY_SECONDS - time.time() % EVERY_SECONDS):
            now = int(time.time() * 1000)
            for topic in topics.RAW_LIVE:
                for partition in range(partitions):
                    producer.send(topic, Tick(now, topic, partition, partitions).dump(), partition=partition)
    finally:
        producer.close(timeout=5)
