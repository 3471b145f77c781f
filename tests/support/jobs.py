"""A small job of the engine in processes of its own, and waits with a limit."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import ClassVar

import orjson
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError

from streams.embedded import broker
from streams.embedded.home import free_port
from tests.integration.job import DEAD, FIRED, IN, OUT, PARTITIONS

LIMIT = 180  # seconds: a slow machine is no failure, and a wait that succeeds costs nothing


def until(condition, what, limit=LIMIT):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not happen within {limit} s")


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


def serves(port):
    """Return whether the broker serves requests: its port opens a moment before."""
    try:
        admin = KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}")
        admin.list_topics()
        admin.close()
    except KafkaError:
        return False
    return True


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    home, port = tmp_path_factory.mktemp("kafka"), free_port()
    with (home / "log").open("wb") as log:
        process = broker.start(home, port, free_port(), log)
        until(lambda: answers(port) and serves(port), "the broker's answer")
        yield f"127.0.0.1:{port}"
        process.kill()  # its data goes with it: nothing to end in order
        process.wait(30)


@pytest.fixture
def topics(kafka):
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    names = [IN, OUT, DEAD, FIRED, "job-job-changelog"]
    there = [name for name in names if name in admin.list_topics()]
    if there:
        admin.delete_topics(there)
        until(lambda: not set(names) & set(admin.list_topics()), "the topics' end")
    config = {
        "max.message.bytes": "2097152",
        "cleanup.policy": "compact",
        "min.compaction.lag.ms": "3600000",
    }
    admin.create_topics(
        [
            NewTopic(name, PARTITIONS, 1, topic_configs=config if "changelog" in name else {})
            for name in names
        ]
    )
    admin.close()
    groups = KafkaAdminClient(bootstrap_servers=kafka)
    until(lambda: _forget(groups), "the old group's end")
    groups.close()
    yield
    for (
        job
    ) in Job.started:  # also after a failure: one test's worker must not take part in the next
        job.end()
    Job.started.clear()


def _forget(admin):
    try:
        return all(not error for _, error in _pairs(admin.delete_groups(["job"])))
    except (
        Exception
    ) as error:  # a group that is not there, or whose last member the broker still waits for
        return "NotFound" in type(error).__name__ or "not exist" in str(error)


def _pairs(answer):
    if isinstance(answer, dict):
        return [
            (
                name,
                value
                if value not in ("OK", None)
                and "NoError" not in str(value)
                and "NotFound" not in str(value)
                else None,
            )
            for name, value in answer.items()
        ]
    return [
        (pair[0], None if "NoError" in str(pair[1]) or "NotFound" in str(pair[1]) else pair[1])
        for pair in answer
    ]


class Job:
    """A worker process whose output is read for READY."""

    started: ClassVar[list["Job"]] = []

    def __init__(self, kafka, name, folder, **environment):
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.job", kafka, name],
                stdout=out,
                stderr=out,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        self.started.append(self)

    def ready(self, times=1):
        until(
            lambda: (
                self.log.read_text(errors="replace").count("READY") >= times
                or self.process.poll() is not None
            ),
            "READY",
        )
        assert self.process.poll() is None, self.log.read_text(errors="replace")[-3000:]
        return self

    def end(self, sign=signal.SIGKILL):
        if self.process.poll() is None:
            self.process.send_signal(sign)
        self.process.wait(LIMIT)


def publish(kafka, numbers, keys=50):
    producer = KafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=5)
    for number in numbers:
        producer.send(
            IN,
            orjson.dumps(number),
            key=f"k{number % keys}".encode() if isinstance(number, int) else b"k0",
        )
    producer.flush()
    producer.close()


def outputs(kafka, topic=OUT):
    consumer = KafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(places)
    ends = consumer.end_offsets(places)
    consumer.seek_to_beginning()
    found = []
    while any(consumer.position(place) < ends[place] for place in places):
        for records in consumer.poll(timeout_ms=500).values():
            found += [orjson.loads(record.value) for record in records]
    consumer.close()
    return found


def complete(kafka, numbers):
    """Return whether each number came out, counted in its key's order, with equal repeats."""
    counts = defaultdict(set)
    for output in outputs(kafka):
        counts[output["key"], output["number"]].add(output["count"])
    assert all(len(each) == 1 for each in counts.values()), "a repeated output differs"
    by_key = defaultdict(list)
    for (key, _), count in counts.items():
        by_key[key].append(next(iter(count)))
    for each in by_key.values():
        assert sorted(each) == list(range(1, len(each) + 1)), "a number was counted twice, or lost"
    return len(counts) == len(set(numbers))


def stopped(process):
    return Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
