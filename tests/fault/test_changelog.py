"""Changelogs under compaction and of other releases, on a small job where each write is placed."""

import os
import signal

import orjson
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from streams.engine.changelog import Marker, fence, marker_key, unseal
from streams.engine.worker import EXIT_STOPPED
from tests.integration.job import PARTITIONS
from tests.support.jobs import Job, complete, outputs, publish, stopped, until

pytestmark = pytest.mark.fault
CHANGELOG = "job-job-changelog"
KEYS = 20


def configure(brokers, **config):
    admin = KafkaAdminClient(bootstrap_servers=brokers)
    admin.alter_configs(
        [
            ConfigResource(
                ConfigResourceType.TOPIC,
                CHANGELOG,
                configs={name.replace("_", "."): str(value) for name, value in config.items()},
            )
        ]
    )
    admin.close()


def kept(brokers):
    """Return (partition, key, value) of all that the changelog still holds, in order."""
    consumer = KafkaConsumer(bootstrap_servers=brokers, enable_auto_commit=False)
    places = [TopicPartition(CHANGELOG, number) for number in range(PARTITIONS)]
    consumer.assign(places)
    ends = consumer.end_offsets(places)
    consumer.seek_to_beginning()
    found = []
    while any(consumer.position(place) < ends[place] for place in places):
        for records in consumer.poll(timeout_ms=500).values():
            found += [(record.partition, record.key, record.value) for record in records]
    consumer.close()
    return found


def cleaned(brokers, lag_ms):
    """Let the cleaner take all that is older and lies in a closed segment."""
    configure(
        brokers, cleanup_policy="compact", max_message_bytes=2097152,
        min_compaction_lag_ms=lag_ms, segment_ms=100, min_cleanable_dirty_ratio=0.001,
    )  # fmt: skip


def roll(brokers):
    """Write what nobody needs into each partition, so that the segment before it may be cleaned."""
    producer = KafkaProducer(bootstrap_servers=brokers, acks="all")
    for partition in range(PARTITIONS):
        producer.send(CHANGELOG, b"rolls the segment", key=b"stranger", partition=partition).get(
            timeout=30
        )
    producer.close()


def compact(brokers, lag_ms):
    """Have it compacted, as far as that is allowed; return how many records there were."""
    cleaned(brokers, lag_ms)
    before = len(kept(brokers))
    roll(brokers)
    return before


def behind(brokers):
    """Return the keys whose last record has a smaller fence than an earlier one: a zombie's."""
    highest, wrong = {}, set()
    for _, key, value in kept(brokers):
        row = unseal(value)
        if row is not None and key is not None:
            (wrong.add if row[:8] < highest.get(key, b"") else wrong.discard)(key)
            highest[key] = max(highest.get(key, b""), row[:8])
    return wrong


def superseded(brokers):
    """Count the records behind which another one of their key stands."""
    keys = [(partition, key) for partition, key, _ in kept(brokers)]
    return len(keys) - len(set(keys))


def test_compaction_between_a_zombies_write_and_the_recovery_keeps_what_the_heir_wrote(
    kafka, topics, tmp_path
):
    """The zombie's rows come last: an hour long nothing is cleaned, and a reader heals them."""
    cleaned(kafka, 3_600_000)  # the lag is that of our own changelogs
    publish(kafka, range(500), keys=KEYS)
    zombie = Job(kafka, "a", tmp_path, LEADSTREAM_STOP="outputs sent=2")
    until(lambda: stopped(zombie.process), "the zombie's stop")
    heir = Job(kafka, "b", tmp_path).ready()
    publish(kafka, range(500, 1500), keys=KEYS)
    until(lambda: complete(kafka, range(1500)), "every number by the heir")
    heir.end()  # killed, so that nobody heals while the zombie writes
    zombie.process.send_signal(signal.SIGCONT)
    until(lambda: behind(kafka), "rows of the zombie behind the heir's")
    zombie.end()
    before = compact(kafka, 3_600_000)
    again = Job(kafka, "c", tmp_path).ready()
    # Keys of their own: a row that is written anew would hide what was not healed.
    publish(kafka, range(1500, 1600), keys=10_000)
    until(lambda: complete(kafka, range(1600)), "every number")
    assert len(kept(kafka)) > before, "within the hour nothing may be cleaned"
    until(lambda: not behind(kafka), f"the winners of {behind(kafka)}, written again")
    again.end(signal.SIGTERM)
    before = superseded(kafka)
    compact(kafka, 0)
    until(lambda: superseded(kafka) < before / 2, "a compacted changelog")
    last = Job(kafka, "d", tmp_path).ready()
    publish(kafka, range(1600, 1700), keys=KEYS)
    until(
        lambda: complete(kafka, range(1700)),
        "every number, counted on from the compacted changelog",
    )
    last.end()


@pytest.mark.parametrize("rows", [3, 0])
def test_a_changelog_of_another_release_stops_the_worker_with_what_to_do(
    kafka, topics, tmp_path, rows
):
    """An older one had no checksums: all that it wrote is there, and none of it is ours."""
    producer = KafkaProducer(bootstrap_servers=kafka, acks="all")
    for partition in range(PARTITIONS):
        for number in range(rows):
            row = fence(0, number + 1) + orjson.dumps({"numbers": [number], "pad": "", "due": None})
            producer.send(CHANGELOG, row, key=b"k%d" % number, partition=partition).get(timeout=30)
        producer.send(
            CHANGELOG, Marker(rows, 0, {}).dump(), key=marker_key(partition), partition=partition
        ).get(timeout=30)
    producer.close()
    before = len(kept(kafka))
    publish(kafka, range(100))
    job = Job(kafka, "a", tmp_path)
    assert job.process.wait(180) == EXIT_STOPPED == os.EX_CONFIG
    text = job.log.read_text()
    assert f"none of {rows + 1} records of {CHANGELOG}[" in text
    assert "start a new home and import the history" in text
    assert "Traceback" not in text
    assert outputs(kafka) == []
    assert len(kept(kafka)) == before, "nothing may be written into it"
