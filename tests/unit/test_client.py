"""LeadPublisher: what it refuses before it sends, what it reports, how it bears a slow Kafka."""

import re
import threading
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import orjson
import pytest
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError, NotLeaderForPartitionError
from kafka.producer.future import FutureProduceResult, FutureRecordMetadata
from kafka.structs import TopicPartition

from schemas.events import EventType
from streams.agents.normalise import normalise
from streams.connections import python_options
from streams.intake.client import BadEvent, Delivery, LeadPublisher, NotTaken, PublishFailed
from streams.settings import Settings
from streams.sources.adapter import Connection
from tests.conftest import ROOT
from tests.support.kafka import record

AT = datetime(2026, 1, 31, 9, tzinfo=UTC)


class Kafka:
    """A broker that answers when it is asked to, with kafka-python's own futures."""

    def __init__(self, answers=True):
        self.answers, self.sent, self.open, self.refuses, self.closed = answers, [], [], None, 0

    def __call__(self, **options):
        self.options = options
        return self

    def send(self, topic, value, *, key, headers):
        if self.refuses:
            raise self.refuses
        place = FutureProduceResult(TopicPartition(topic, 3))
        future = FutureRecordMetadata(place, 0, 0, None, len(key), len(value), 0)
        self.sent.append((topic, key, orjson.loads(value), dict(headers)))
        self.open.append((place, len(self.sent) - 1))
        if self.answers:
            self.answer()
        return future

    def answer(self, error=None):
        place, offset = self.open.pop(0)
        if error:
            place.failure(error)
        else:
            place.success((offset, -1, None))

    def flush(self, timeout):
        if self.open and not self.answers:
            raise KafkaTimeoutError(f"not within {timeout}")

    def close(self, timeout):
        self.closed += 1


def publisher(kafka, **options):
    return LeadPublisher("one:9092,two:9092", source="shop", producer=kafka, **options)


def say(to, name="42", **data):
    return to.publish(name, EventType.CREATED, AT, **{"email": "jane@example.com", **data})


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"emial": "jane@example.com"}, "emial: no field of ours; did you mean email?"),
        (
            {"email": None, "emial": "jane@example.com"},
            "emial: no field of ours; did you mean email?",
        ),
        (
            {"deal": {"id": "1", "amuont": "5"}},
            "deal.amuont: no field of ours; did you mean amount?",
        ),
        ({"direction": "inbuond"}, "did you mean inbound?"),
        ({"score": "many"}, "score: "),
        ({"type": "touch"}, "type: is no field of `data`"),
        ({"email": None}, "names nobody: write `email`, `phone` or `aliases`"),
        ({"score": Decimal(5)}, "write numbers that JSON has"),
        ({"sequence": 2**70}, "write numbers that JSON has"),
    ],
)
def test_a_field_that_can_not_be_read_is_refused_before_anything_is_sent(data, text):
    kafka = Kafka()
    with publisher(kafka) as to, pytest.raises(BadEvent, match=re.escape(text)):
        say(to, **data)
    assert not kafka.sent


def test_a_type_that_is_none_of_ours_is_refused_with_the_one_that_was_meant():
    with (
        publisher(Kafka()) as to,
        pytest.raises(BadEvent, match=r"did you mean leadstream\.lead\.created\?"),
    ):
        to.publish("42", "lead.craeted", AT, email="jane@example.com")


def test_a_vendors_name_and_a_time_without_a_zone_are_refused():
    with publisher(Kafka()) as to, pytest.raises(ValueError, match="no time zone"):
        to.publish("42", EventType.CREATED, AT.replace(tzinfo=None), email="jane@example.com")
    with (
        LeadPublisher("b:1", source="hubspot", producer=Kafka()) as to,
        pytest.raises(BadEvent, match="vendor's name"),
    ):
        say(to)


def test_what_is_sent_is_what_normalise_reads():
    kafka = Kafka()
    with publisher(kafka) as to:
        say(to, phone="+49 30 901820", kind="demo_form", deal={"id": "9", "close_date": AT.date()})
    ((topic, key, body, headers),) = kafka.sent
    assert (topic, key) == ("lead.raw.crm", b"jane@example.com")
    (out,) = normalise(record(orjson.dumps(body), headers=list(headers.items())), Connection()).outs
    event = orjson.loads(out.value)["event"]
    shown = (event["id"], event["kind"], event["deal"]["close_date"])
    assert shown == ("shop:42", "demo_form", "2026-01-31")
    assert len(event["aliases"]) == 2


def test_an_event_without_an_id_is_named_by_what_it_says():
    kafka = Kafka()
    with publisher(kafka) as to:
        first, again, other = (
            say(to, None, kind=kind).result(0).id for kind in ("form", "form", "call")
        )
        there = to.publish(
            None,
            EventType.CREATED,
            AT.astimezone(timezone(timedelta(hours=5))),
            email="jane@example.com",
            kind="form",
        )
    assert first == again == there.result(0).id != other
    assert [body["id"] for _, _, body, _ in kafka.sent] == [first, first, other, first]


def test_each_delivery_is_reported_with_its_place_to_the_future_and_the_callback():
    seen = []
    with publisher(Kafka(), on_delivery=seen.append) as to:
        futures = [say(to, str(number)) for number in range(3)]
        assert to.flush() == 3
    wanted = [Delivery(str(number), "lead.raw.crm", 3, number) for number in range(3)]
    assert [one.result(0) for one in futures] == wanted == seen


def test_a_failed_delivery_is_reported_to_all_three_and_flush_names_the_ids():
    seen, kafka = [], Kafka(answers=False)
    to = publisher(kafka, on_delivery=seen.append)
    futures = [say(to, name) for name in ("good", "bad", "worse")]
    for error in (None, NotLeaderForPartitionError(), NotLeaderForPartitionError()):
        kafka.answer(error)
    with pytest.raises(PublishFailed) as failed:
        to.flush()
    assert failed.value.ids == ["bad", "worse"]
    assert [bool(one.error) for one in seen] == [False, True, True]
    assert futures[0].result(0).offset == 0
    with pytest.raises(PublishFailed, match="bad"):
        futures[1].result(0)
    to.close()  # what was raised once is not raised again
    to.close()
    assert kafka.closed == 1


def test_a_callback_that_raises_costs_no_delivery(caplog):
    def broken(_delivery):
        raise RuntimeError("ours")

    with publisher(Kafka(), on_delivery=broken) as to:
        assert say(to).result(0)
        assert to.flush() == 1
    assert "on_delivery failed" in caplog.text


def test_a_future_can_not_be_cancelled_once_kafka_has_the_event():
    kafka = Kafka(answers=False)
    to = publisher(kafka)
    future = say(to)
    assert isinstance(future, Future)
    assert not future.cancel()
    kafka.answer()
    assert future.result(0).id == "42"


@pytest.mark.parametrize("bound", [{"most_events": 3}, {"most_bytes": 600}])
def test_beyond_its_bound_publish_waits_then_raises_and_goes_on_once_kafka_does(bound):
    kafka = Kafka(answers=False)
    to = publisher(kafka, block_seconds=0.05, **bound)
    for name in "abc":
        say(to, name)
    with pytest.raises(
        NotTaken,
        match=r"'d' is not published: 3 events \(\d+ bytes\) wait for Kafka.*look at the broker",
    ) as full:
        say(to, "d")
    assert full.value.event_id == "d"
    kafka.answer()
    say(to, "d")
    assert [body["id"] for _, _, body, _ in kafka.sent] == ["a", "b", "c", "d"]


def test_a_publisher_that_waits_for_room_goes_on_as_soon_as_there_is_some():
    kafka = Kafka(answers=False)
    to = publisher(kafka, most_events=1, block_seconds=30)
    say(to, "first")
    waiting = threading.Thread(target=say, args=(to, "second"))
    waiting.start()
    kafka.answer()
    waiting.join(10)
    assert [body["id"] for _, _, body, _ in kafka.sent] == ["first", "second"]


def test_one_event_larger_than_the_whole_bound_is_still_sent_alone():
    kafka = Kafka()
    with publisher(kafka, most_bytes=10) as to:
        say(to)
    assert len(kafka.sent) == 1


def test_failures_that_nobody_asks_about_do_not_fill_memory():
    kafka = Kafka(answers=False)
    to = publisher(kafka, most_events=2)
    for name in ("a", "b"):
        say(to, name)
        kafka.answer(NotLeaderForPartitionError())
    with pytest.raises(PublishFailed) as failed:
        say(to, "c")
    assert failed.value.ids == ["a", "b"]
    say(to, "c")


def test_a_flush_that_kafka_does_not_answer_in_time_names_what_is_open():
    kafka = Kafka(answers=False)
    to = publisher(kafka)
    say(to, "open")
    with pytest.raises(
        PublishFailed, match=r"open \(no acknowledgement within 0.01 s; it may still come\)"
    ):
        to.flush(0.01)
    kafka.answer()
    assert to.flush(0.01) == 1


@pytest.mark.parametrize(
    "error", [MessageSizeTooLargeError("5 bytes"), KafkaTimeoutError("no metadata")]
)
def test_what_kafkas_client_refuses_is_named_and_takes_no_room(error):
    kafka = Kafka()
    to = publisher(kafka, most_events=1, block_seconds=0.05)
    kafka.refuses = error
    for _ in range(2):
        with pytest.raises(NotTaken, match=type(error).__name__):
            say(to)
    kafka.refuses = None
    assert say(to).result(0)


def test_a_block_that_ends_well_flushes_and_one_that_fails_raises_its_own_error():
    kafka = Kafka(answers=False)
    with pytest.raises(PublishFailed), publisher(kafka) as to:
        say(to)
        kafka.answer(NotLeaderForPartitionError())
    with pytest.raises(ZeroDivisionError), publisher(kafka) as to:
        say(to)
        kafka.answer(NotLeaderForPartitionError())
        raise ZeroDivisionError
    assert kafka.closed == 2
    with pytest.raises(NotTaken, match="closed"):
        say(to)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"linger_mss": 5},
            "linger_mss: no setting of kafka-python's producer; did you mean linger_ms?",
        ),
        ({"nothing": 5}, "nothing: no setting of kafka-python's producer"),
        ({"acks": 1}, "acks: LeadPublisher sets it itself"),
        ({"value_serializer": str}, "value_serializer: LeadPublisher sets it itself"),
    ],
)
def test_a_setting_that_kafka_python_does_not_have_or_that_breaks_the_promise_is_refused(
    options, text
):
    with pytest.raises(ValueError, match=re.escape(text)):
        publisher(Kafka(), **options)


def test_kafka_pythons_own_settings_are_passed_on_with_those_of_an_installation():
    kafka = Kafka()
    settings = Settings(
        brokers="kafka:9093",
        kafka_security="SASL_PLAINTEXT",
        kafka_sasl_mechanism="PLAIN",
        kafka_username="u",
        kafka_password="p",
    )
    publisher(kafka, block_seconds=5, compression_type="gzip", **python_options(settings))
    assert kafka.options == {
        "bootstrap_servers": ["kafka:9093"],
        "acks": "all",
        "linger_ms": 5,
        "max_block_ms": 5000,
        "compression_type": "gzip",
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "u",
        "sasl_plain_password": "p",
    }


def test_the_page_about_publishing_can_be_followed(monkeypatch):
    page = (ROOT / "docs/how-to/publish-from-python.md").read_text()
    kafka = Kafka()
    monkeypatch.setattr(
        "streams.intake.client.LeadPublisher.__init__.__kwdefaults__",
        {**LeadPublisher.__init__.__kwdefaults__, "producer": kafka},
    )
    for snippet in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(snippet, "the page", "exec"), {})
    assert [body["id"] for _, _, body, _ in kafka.sent][:1] == ["42"]
    assert kafka.closed == len(re.findall(r"```python", page))
