"""The retriever's process without Kafka: its start, its waiting, its end, and what it reads."""

import os
import signal
import subprocess
import sys

import httpx
import orjson
import pytest

from schemas.deadletters import RECEIVED_HEADER, REPLAY_HEADER
from schemas.sources import RESUME_HEADER, RETRIEVED_HEADER, SOURCE_HEADER
from streams.embedded import home, stack, watch
from streams.embedded.home import free_port
from streams.engine.ticks import Tick
from streams.intake import completing
from streams.settings import Settings
from streams.sources.adapter import Connection
from streams.sources.registry import SOURCES, retrievable
from tests.conftest import ROOT
from tests.support import retrieving
from tests.support.api import until
from tests.support.kafka import record

META = SOURCES["meta"]


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEADSTREAM_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        **{f"LEADSTREAM_{name}": value for name, value in more.items()},
    }


def run(**more):
    command = [sys.executable, "-m", "streams.cli.main", "retriever"]
    return subprocess.run(
        command, env=environment(**more), capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (
            {},
            [
                "LEADSTREAM_META_TOKEN", "LEADSTREAM_HUBSPOT_TOKEN", "LEADSTREAM_LINKEDIN_TOKEN",
                "LEADSTREAM_SALESFORCE_TOKEN",
            ],
        ),
        ({"SALESFORCE_TOKEN": "t"}, ["LEADSTREAM_SALESFORCE_API", "my.salesforce.com"]),
        (
            {"META_TOKEN": "t", "RETRIEVER_RATES": "meta=fast"},
            ["LEADSTREAM_RETRIEVER_RATES", "name=rate"],
        ),
        ({"META_TOKEN": "two words"}, ["LEADSTREAM_META_TOKEN", "a blank"]),
        ({"META_TOKEN": "t", "KAFKA_SECURITY": "SASL_SSL"}, ["LEADSTREAM_KAFKA_SASL_MECHANISM"]),
        ({"META_TOKEN": "t", "META_API": "http://graph.example"}, ["LEADSTREAM_META_API", "https"]),
        (
            {"META_TOKEN": "t", "RETRIEVER_RATES": "mate=5"},
            ["LEADSTREAM_RETRIEVER_RATES", "'mate'", "meta"],
        ),
    ],
)  # fmt: skip
def test_it_refuses_with_code_2_and_names_the_setting(given, names):
    done = run(**given)
    assert done.returncode == 2
    assert all(name in done.stderr for name in names), done.stderr
    assert "Traceback" not in done.stderr


def test_while_kafka_is_away_it_is_alive_says_what_it_waits_for_and_ends_on_a_signal(tmp_path):
    port = free_port()
    values = environment(META_TOKEN="t", BROKERS=f"127.0.0.1:{free_port()}", METRICS_PORT=str(port))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli.main", "retriever"],
            env=values,
            stdout=log,
            stderr=log,
        )

    def ready():
        try:
            return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).json()
        except httpx.HTTPError:
            return {}

    try:
        until(lambda: "Kafka does not answer" in ready().get("reason", ""), "what it waits for")
        assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait(5)
    assert "Traceback" not in (tmp_path / "log").read_text()


# ---------------------------------------------------------------- which records
def wants(value, *headers):
    given = [(SOURCE_HEADER, b"meta"), *headers] if headers != ((),) else []
    return completing.wants(record(value, headers=given), META, META.retrieval, Connection())


BODY = orjson.dumps(retrieving.META_WEBHOOK)


def test_a_notification_is_read_also_one_that_is_sent_again():
    assert len(wants(BODY)) == len(wants(BODY, (REPLAY_HEADER, b"1"), (RECEIVED_HEADER, b"1"))) == 2


@pytest.mark.parametrize(
    "value", [None, b"", b"no JSON", b"[]", Tick(1, "lead.raw.ads", 0, 4).dump(), b"\xff" * 9]
)
def test_what_is_no_notification_wants_nothing(value):
    assert wants(value) == ()


@pytest.mark.parametrize("name", [RETRIEVED_HEADER, RESUME_HEADER])
def test_a_retrievers_own_answer_and_the_word_that_a_source_is_read_again_want_nothing(name):
    assert wants(BODY, (name, b"meta")) == ()


def test_another_sources_record_wants_nothing():
    assert wants(BODY, ()) == ()
    other = record(BODY, headers=[(SOURCE_HEADER, b"segment")])
    assert completing.wants(other, META, META.retrieval, Connection()) == ()


# ---------------------------------------------------------------- in a stack
def test_a_stack_starts_one_once_a_token_is_set_and_ends_it_before_its_broker(tmp_path):
    assert "retriever" not in stack.wanted(tmp_path, Settings())
    roles = stack.wanted(tmp_path, Settings(hubspot_token="t"))
    assert "retriever" in roles
    layers = watch.in_order([*roles, "broker"])
    assert next(place for place, layer in enumerate(layers) if "retriever" in layer) < layers.index(
        ("broker",)
    )
    assert "metrics-retriever" in home.choose_ports(tmp_path, {})


def test_no_home_makes_a_token_by_itself(tmp_path):
    secrets = home.load_secrets(tmp_path)
    assert not retrievable(Settings(**secrets).secret)
