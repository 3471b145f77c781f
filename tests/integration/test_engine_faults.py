"""The engine on Kafka itself: whatever dies, every number comes out, in order, and counts once."""

import asyncio
import contextlib
import signal

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewPartitions, NewTopic

from schemas.sources import SourceState
from streams import connections
from streams.engine.changelog import COMMON
from streams.engine.stateless import read_states
from streams.engine.ticks import Tick
from streams.intake import arrival
from streams.operate import deadletters
from streams.settings import Settings
from tests.integration.job import DUE, FIRED, IN, PARTITIONS, UPSTREAM
from tests.support.jobs import LIMIT, Job, complete, outputs, publish, stopped, until


def test_nothing_is_lost_or_counted_twice_when_a_worker_is_killed(kafka, topics, tmp_path):
    one, two = Job(kafka, "a", tmp_path), Job(kafka, "b", tmp_path)
    one.ready()
    two.ready()
    publish(kafka, range(2000))
    until(lambda: len(outputs(kafka)) > 200, "the first outputs")
    two.end(signal.SIGKILL)
    publish(kafka, range(2000, 3000))
    until(lambda: complete(kafka, range(3000)), "every number")
    one.end()


def test_a_worker_whose_broker_knew_too_few_partitions_gets_the_others_within_a_minute(
    kafka, topics, tmp_path
):
    """A broker that has just started may know no partition: a worker had none for 5 minutes."""
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    admin.delete_topics([IN])
    until(lambda: IN not in admin.list_topics(), "the topic's end")
    admin.create_topics([NewTopic(IN, PARTITIONS - 1, 1)])
    one = Job(kafka, "a", tmp_path).ready()
    admin.create_partitions({IN: NewPartitions(PARTITIONS)})
    admin.close()
    with contextlib.closing(KafkaConsumer(bootstrap_servers=kafka)) as consumer:
        until(lambda: len(consumer.partitions_for_topic(IN)) == PARTITIONS, "the partitions")
    publish(kafka, range(100))
    until(lambda: complete(kafka, range(100)), "every number", limit=60)
    one.end()


def test_what_was_parked_is_known_to_whoever_takes_over_each_time_that_it_is_read(kafka):
    """A parked source was read after a takeover: its state was missed in two reads of five."""
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    admin.create_topics([NewTopic("job.states", PARTITIONS, 1)])
    admin.close()
    states = [
        SourceState(
            source="shop",
            topic=IN,
            partition=number,
            state="parked",
            offset=1,
            at=1,
            worker="w",
            reason="r",
        )
        for number in range(PARTITIONS)
    ]
    with contextlib.closing(KafkaProducer(bootstrap_servers=kafka, acks="all")) as producer:
        for state in states:
            producer.send(
                "job.states",
                state.model_dump_json().encode(),
                key=state.key,
                partition=state.partition,
            )
        producer.flush()

    async def read():
        consumers = [
            connections.async_consumer(Settings(brokers=kafka), auto_offset_reset="earliest")
            for _ in range(4)
        ]
        return await asyncio.gather(
            *(read_states(consumer, "job.states", PARTITIONS) for consumer in consumers)
        )

    for _ in range(15):
        assert all(len(found) == PARTITIONS for found in asyncio.run(read()))


def test_nothing_is_lost_when_a_worker_has_to_stop(kafka, topics, tmp_path):
    one = Job(kafka, "a", tmp_path).ready()
    publish(kafka, range(1000))
    until(lambda: len(outputs(kafka)) > 100, "the first outputs")
    one.end(signal.SIGTERM)
    publish(kafka, range(1000, 1500))
    two = Job(kafka, "b", tmp_path).ready()
    until(lambda: complete(kafka, range(1500)), "every number")
    two.end()


def test_a_sink_that_has_to_stop_writes_what_it_was_handed_and_ends(kafka, topics, tmp_path):
    sink = tmp_path / "sink"
    job = Job(kafka, "a", tmp_path, LEADSTREAM_SINK=str(sink)).ready()
    publish(kafka, range(100))

    def handed():
        return {
            int(number)
            for line in job.log.read_text().splitlines()
            if line.startswith("HANDED ")
            for number in line.split()[1:]
        }

    until(lambda: handed() == set(range(100)), "every number in the sink's hands")
    assert not sink.exists()
    job.end(signal.SIGTERM)
    assert job.process.returncode == 0
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    assert (
        arrival.left(admin, "job", arrival.ends(Settings(brokers=kafka, partitions=PARTITIONS), IN))
        == 0
    )
    admin.close()
    assert sorted(map(int, sink.read_text().split())) == list(range(100))


@pytest.mark.parametrize(
    "step", ["outputs sent=1", "outputs sent=2", "rows written=1", "rows written=2"]
)
def test_a_death_between_two_steps_of_a_commit_repeats_and_never_loses(
    kafka, topics, tmp_path, step
):
    publish(kafka, range(1500))
    dying = Job(kafka, "a", tmp_path, LEADSTREAM_DIE=step)
    assert dying.process.wait(LIMIT) == 9
    healthy = Job(kafka, "b", tmp_path).ready()
    until(lambda: complete(kafka, range(1500)), "every number")
    healthy.end()


def test_a_zombie_that_wakes_up_changes_nothing(kafka, topics, tmp_path):
    """It stops within a commit, outputs sent, rows unwritten, and wakes after its heir's work."""
    publish(kafka, range(500))
    zombie = Job(kafka, "a", tmp_path, LEADSTREAM_STOP="outputs sent=2")
    until(lambda: stopped(zombie.process), "the zombie's stop")
    heir = Job(kafka, "b", tmp_path).ready()
    publish(kafka, range(500, 1500))
    until(lambda: complete(kafka, range(1500)), "every number by the heir")
    zombie.process.send_signal(signal.SIGCONT)
    publish(kafka, range(1500, 2000))
    workers = [heir, zombie]

    def supervised():
        """Start what ended again, as the stack does: after another's write a worker reads anew."""
        for place, worker in enumerate(workers):
            if worker.process.poll() is not None:
                workers[place] = Job(kafka, f"c{len(list(tmp_path.iterdir()))}", tmp_path)
        return complete(kafka, range(2000))

    until(supervised, "every number")
    assert zombie.process.wait(LIMIT) == 75, "the zombie must notice that it is one"


def letters(kafka):
    return deadletters.read(
        Settings(brokers=kafka, partitions=PARTITIONS), deadletters.Chosen(topic=IN)
    )


def send(kafka, *records):
    """Send (key, value) pairs, each as it is; a third part is a partition."""
    producer = KafkaProducer(bootstrap_servers=kafka, acks="all")
    for key, value, *place in records:
        producer.send(IN, value, key=key, partition=place[0] if place else None).get(timeout=30)
    producer.close()


def tick(now, topic=UPSTREAM, partition=0, of=1):
    return Tick(now, topic, partition, of).dump()


POISON = {
    "a tombstone": (b"k0", None),
    "no JSON": (b"k0", b"{"),
    "a refused one": (b"k0", b'"poison"'),
    "a row larger than Kafka takes": (b"k0", b'"huge"'),
    "no key": (None, b"1000000"),
    "the key of a marker": (b"\x00next:0", b"1000000"),
    "the key of a page": (b"\x00page:1:ab", b"1000000"),
    "no UTF-8 in the key": (b"\xff\xfe", b"1000000"),
    "the common row of a worker that has none": (COMMON, b"1"),
    "a tick of somebody else": (None, tick(9_000_000_000_000, "stranger")),
    "a tick ahead of its stamp": (None, tick(9_000_000_000_000)),
    "a tick of a billion partitions": (None, b'{"tick":[1,"job.upstream",0,1000000000]}'),
}


def test_poison_of_every_kind_becomes_one_letter_each_and_the_rest_goes_on(kafka, topics, tmp_path):
    job = Job(kafka, "a", tmp_path).ready()
    publish(kafka, range(100))
    send(kafka, *POISON.values(), *POISON.values())
    publish(kafka, range(100, 200))
    until(lambda: complete(kafka, range(200)), "every number")
    found = until(
        lambda: len(letters(kafka)) == 2 * len(POISON) and letters(kafka), "a letter of each"
    )
    settings = Settings(brokers=kafka, partitions=PARTITIONS)
    kept = sorted(
        [
            (one.key or b"", one.value or b"")
            for one in (deadletters.original(settings, each) for each in found)
        ]
    )
    assert kept == sorted(
        [(key or b"", value or b"") for key, value in [*POISON.values(), *POISON.values()]]
    )
    assert not any("Traceback" in one.letter.reason for one in found)
    job.end()
    again = Job(kafka, "b", tmp_path).ready()
    publish(kafka, range(200, 300))
    until(lambda: complete(kafka, range(300)), "every number behind the poison")
    again.end()


def test_a_timer_that_fails_stops_neither_time_nor_other_timers_and_is_woken_by_its_letter(
    kafka, topics, tmp_path
):
    job = Job(kafka, "a", tmp_path, LEADSTREAM_TIMERS="1").ready()
    send(kafka, (b"k0", b'"time bomb"'), (b"k1", b"1"), (b"k2", b"2"))
    send(kafka, *[(None, tick(DUE + 1), number) for number in range(PARTITIONS)])
    until(lambda: {one["fired"] for one in outputs(kafka, FIRED)} == {1, 2}, "the other timers")
    (found,) = until(lambda: letters(kafka), "the timer's letter")
    assert (found.letter.kind, found.document()["whose_move"]) == ("timer", "operator")
    job.end()
    mended = Job(kafka, "b", tmp_path, LEADSTREAM_TIMERS="1", LEADSTREAM_MENDED="1").ready()
    settings = Settings(brokers=kafka, partitions=PARTITIONS)
    deadletters.replay(settings, [found])
    until(
        lambda: [one for one in outputs(kafka, FIRED) if one["key"] == "k0"],
        "the row that was woken",
    )
    assert [one.letter.id for one in letters(kafka)] == []
    mended.end()


@pytest.mark.ci
@pytest.mark.parametrize("step", ["outputs sent=1", "rows written=1"])
def test_timers_survive_a_death_between_the_steps_of_the_commit_that_fires_them(
    kafka, topics, tmp_path, step
):
    numbers = range(60)
    first = Job(kafka, "a", tmp_path, LEADSTREAM_TIMERS="1").ready()
    publish(kafka, numbers, keys=60)
    until(lambda: complete(kafka, numbers), "every number")
    first.end(signal.SIGTERM)
    send(kafka, *[(None, tick(DUE + 1), number) for number in range(PARTITIONS)])
    dying = Job(kafka, "b", tmp_path, LEADSTREAM_TIMERS="1", LEADSTREAM_DIE=step)
    assert dying.process.wait(LIMIT) == 9
    healthy = Job(kafka, "c", tmp_path, LEADSTREAM_TIMERS="1").ready()
    until(lambda: {one["fired"] for one in outputs(kafka, FIRED)} == set(numbers), "every timer")
    healthy.end()


@pytest.mark.ci
def test_timers_survive_a_commit_that_was_cut_in_half(kafka, topics, tmp_path):
    numbers = range(400)
    first = Job(kafka, "a", tmp_path, LEADSTREAM_TIMERS="1", LEADSTREAM_FAT="1").ready()
    publish(kafka, numbers, keys=400)
    until(lambda: complete(kafka, numbers), "every number")
    first.end(signal.SIGTERM)
    # The first tick fires nothing, the second all: the first must leave a row that fired alone.
    send(
        kafka,
        *[
            (None, tick(now), number)
            for number in range(PARTITIONS)
            for now in (DUE - 1, DUE + 1, DUE + 2)
        ],
    )
    dying = Job(
        kafka,
        "b",
        tmp_path,
        LEADSTREAM_TIMERS="1",
        LEADSTREAM_FAT="1",
        LEADSTREAM_CUT="1",
        LEADSTREAM_AGAIN="1",
    )
    assert dying.process.wait(LIMIT) == 9
    healthy = Job(
        kafka, "c", tmp_path, LEADSTREAM_TIMERS="1", LEADSTREAM_FAT="1", LEADSTREAM_AGAIN="1"
    ).ready()
    until(
        lambda: sum(one["again"] for one in outputs(kafka, FIRED)) >= len(numbers),
        "every timer, and every timer behind it",
    )
    seen = {(one["fired"], one["again"]) for one in outputs(kafka, FIRED)}
    assert seen == {(number, again) for number in numbers for again in (0, 1)}
    healthy.end()


@pytest.mark.ci
def test_what_strangers_write_into_a_changelog_changes_no_row(kafka, topics, tmp_path):
    job = Job(kafka, "a", tmp_path).ready()
    publish(kafka, range(200), keys=10)
    until(lambda: complete(kafka, range(200)), "every number")
    job.end(signal.SIGTERM)
    producer = KafkaProducer(bootstrap_servers=kafka, acks="all")
    high = b"\xff" * 8
    for partition in range(PARTITIONS):
        for key in (b"k0", b"k1", b"k2", b"k3", b"\x00next:%d" % partition, b"stranger"):
            for value in (
                None,
                b"",
                b"{}",
                high + b"garbage",
                high + b'{"numbers":[],"pad":"","due":null}',
            ):
                producer.send("job-job-changelog", value, key=key, partition=partition).get(
                    timeout=30
                )
    producer.close()
    again = Job(kafka, "b", tmp_path).ready()
    publish(kafka, range(200, 300), keys=10)
    until(lambda: complete(kafka, range(300)), "every number, counted on")
    again.end(signal.SIGTERM)
    third = Job(kafka, "c", tmp_path).ready()
    publish(kafka, range(300, 400), keys=10)
    until(lambda: complete(kafka, range(400)), "every number, after the rows were healed")
    third.end()


def test_a_transactions_marker_is_no_hole(kafka, topics, tmp_path):
    async def in_transactions(numbers):
        producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id="outside")
        await producer.start()
        for number in numbers:
            async with producer.transaction():
                await producer.send_and_wait(
                    IN, orjson.dumps(number), key=f"k{number % 50}".encode()
                )
        await producer.stop()

    asyncio.run(in_transactions(range(10)))
    job = Job(kafka, "a", tmp_path).ready()
    until(lambda: complete(kafka, range(10)), "the first numbers")
    asyncio.run(in_transactions(range(10, 30)))  # each chunk now begins behind a marker
    until(lambda: complete(kafka, range(30)), "every number")
    job.end()


def test_a_commit_of_several_batches_cut_between_two_is_completed_and_not_repeated(
    kafka, topics, tmp_path
):
    publish(kafka, range(400), keys=400)
    dying = Job(kafka, "a", tmp_path, LEADSTREAM_CUT="1", LEADSTREAM_FAT="1")
    assert dying.process.wait(LIMIT) == 9
    healthy = Job(kafka, "b", tmp_path, LEADSTREAM_FAT="1").ready()
    until(lambda: complete(kafka, range(400)), "every number")
    healthy.end()
