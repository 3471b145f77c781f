"""The gateway's command on Kafka itself: what it accepts fits, what it reports of it is true."""

import os
import signal

import httpx
import pytest
from kafka import KafkaConsumer, TopicPartition

from schemas import topics
from tests.attack.gateway import kafka
from tests.attack.server import SECRETS
from tests.support.gateway_process import Server

pytestmark = pytest.mark.ci
TOKEN = {"Authorization": f"Bearer {SECRETS['LEADSTREAM_INGEST_TOKEN']}"}
LARGEST = 2_000_000


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    home = tmp_path_factory.mktemp("kafka")
    with (home / "log").open("wb") as log:
        process, address = kafka(home / "data", log)
        yield process, address
        process.kill()  # its data goes with it
        process.wait(30)


@pytest.fixture(scope="module")
def server(broker, tmp_path_factory):
    bounds = {
        "LEADSTREAM_MAX_BODY_BYTES": str(LARGEST),
        "LEADSTREAM_MAX_HEADER_BYTES": "65536",
        "LEADSTREAM_MAX_BUFFERED_BYTES": "9000000",
    }
    running = Server(
        tmp_path_factory.mktemp("gateway"),
        "-m",
        "streams.cli.main",
        "gateway",
        LEADSTREAM_BROKERS=broker[1],
        **bounds,
    )
    Server.until(lambda: ready(running) == 200, "readiness")
    yield running
    running.end()
    assert "Traceback" not in running.log


def ready(server):
    return httpx.get(f"{server.base}/readyz", timeout=30).status_code


def test_a_body_of_the_largest_size_with_the_largest_headers_is_taken_by_kafka(server, broker):
    body = os.urandom(LARGEST)
    assert (
        httpx.post(
            f"{server.base}/v1/salesforce", content=body, headers=TOKEN, timeout=60
        ).status_code
        == 202
    )
    binary = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "erp",
        "ce-type": "leadstream.lead.created",
        "ce-pad": "x" * 60_000,
    }
    data = b'{"email": "a@example.com"}' + b" " * (LARGEST - 26)
    assert (
        httpx.post(
            f"{server.base}/v1/events", content=data, headers={**TOKEN, **binary}, timeout=60
        ).status_code
        == 202
    )
    consumer = KafkaConsumer(bootstrap_servers=broker[1])
    ends = consumer.end_offsets([TopicPartition(topics.RAW_CRM, number) for number in range(2)])
    consumer.close()
    assert sum(ends.values()) == 2


def test_a_frozen_broker_makes_it_unready_and_a_thawed_one_ready_again(server, broker):
    os.kill(broker[0].pid, signal.SIGSTOP)
    try:
        Server.until(lambda: ready(server) == 503, "the end of readiness")
        assert httpx.get(f"{server.base}/healthz").status_code == 200
    finally:
        os.kill(broker[0].pid, signal.SIGCONT)
    Server.until(lambda: ready(server) == 200, "readiness")
    assert (
        httpx.post(
            f"{server.base}/v1/salesforce", content=b"{}", headers=TOKEN, timeout=60
        ).status_code
        == 202
    )
