"""Reading dead letters, and sending their records again after a fix. A replay keeps the record's place as its id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from schemas import topics


def read(brokers: str, partitions: int) -> Iterator[dict[str, Any]]:
    """Give all dead letters, oldest first in each partition; one letter once, however often it was written."""
    consumer = KafkaConsumer(bootstrap_servers=brokers.split(","), enable_auto_commit=False, consumer_timeout_ms=3000)
    seen: set[str] = set()
    try:
        places = [TopicPartition(topics.DEADLETTERS, number) for number in range(partitions)]
        ends = consumer.end_offsets(places)
        left = {place for place in places if ends[place]}
        if not left:
            return
        consumer.assign(sorted(left))
        consumer.seek_to_beginning()
        while left:
            for records in consumer.poll(timeout_ms=1000).values():
                for record in records:
                    letter = orjson.loads(record.value)
                    if letter["id"] not in seen:
                        seen.add(letter["id"])
                        yield letter
            left = {place for place in left if consumer.position(place) < ends[place]}
    finally:
        consumer.close()


def replay(brokers: str, partitions: int, topic: str | None = None) -> int:
    """Send the bodies again to where they came from. Events keep their ids, so what was read by now is no second event."""
    producer = KafkaProducer(bootstrap_servers=brokers.split(","), acks="all")
    sent = []
    try:
        for letter in read(brokers, partitions):
            if topic in (None, letter["topic"]):
                headers = [(name, value.encode()) for name, value in letter["headers"].items()]
                key = letter["key"].encode() if letter["key"] else None
                sent.append(producer.send(letter["topic"], letter["body"].encode(), key=key, headers=headers))
        for future in sent:
            future.get(timeout=30)
    finally:
        producer.close(timeout=5)
    return len(sent)
