"""The retriever's command on Kafka itself and APIs on loopback: no notified record is ever lost."""

import os
import signal
import subprocess
import sys

import httpx
import orjson
import pytest
from kafka import KafkaProducer

from schemas.sources import RETRIEVED_HEADER, SOURCE_HEADER
from streams.embedded import broker
from streams.embedded.home import free_port
from streams.operate import admin, deadletters, reading
from streams.settings import Settings
from streams.sources.registry import SOURCES
from tests.conftest import ROOT
from tests.support import retrieving
from tests.support.api import Api, Reply, until
from tests.support.jobs import serves

pytestmark = pytest.mark.ci
VENDORS = ("hubspot", "linkedin", "meta", "salesforce")


class Broker:
    """A broker that can die and come back with what it had."""

    def __init__(self, home):
        self.home, self.port, self.controller = home, free_port(), free_port()
        self.settings = Settings(brokers=f"127.0.0.1:{self.port}", partitions=2)
        self.start()
        admin.apply(self.settings)

    def start(self):
        with (self.home / "log").open("ab") as log:
            self.process = broker.start(self.home / "data", self.port, self.controller, log)
        until(lambda: serves(self.port), "a broker", 120)

    def kill(self):
        self.process.kill()
        self.process.wait(30)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    running = Broker(tmp_path_factory.mktemp("kafka"))
    yield running
    running.kill()  # its data goes with it


@pytest.fixture(scope="module")
def settings(kafka):
    return kafka.settings


@pytest.fixture
def apis():
    made = {vendor: Api(vendor) for vendor in VENDORS}
    yield made
    for api in made.values():
        api.close()


class Retriever:
    """A process of `leadstream retriever`."""

    def __init__(self, folder, settings, apis, vendors=VENDORS, **more):
        self.port, self.path = free_port(), folder / "log"
        rates = ",".join(f"{vendor}=1000" for vendor in VENDORS)
        values = {
            "BROKERS": settings.brokers, "PARTITIONS": str(settings.partitions),
            "METRICS_PORT": str(self.port), "SECRETS_DIR": str(folder / "secrets"),
            "RETRIEVER_PAUSE": "0.05", "RETRIEVER_TOKEN_PAUSE": "0.2", "RETRIEVER_RATES": rates,
            **more,
            **{f"{vendor}_API".upper(): api.address for vendor, api in apis.items()},
        }  # fmt: skip
        (folder / "secrets").mkdir(exist_ok=True)
        for vendor in vendors:
            file = folder / "secrets" / f"leadstream_{vendor}_token"
            file.write_text(file.read_text() if file.exists() else "good")
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            **{f"LEADSTREAM_{name}": value for name, value in values.items()},
        }
        with self.path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli.main", "retriever"],
                env=environment,
                stdout=log,
                stderr=log,
            )

    def ready(self):
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=10).json()
        except httpx.HTTPError:
            assert self.process.poll() is None, self.path.read_text()[-3000:]
            return {"status": "starts"}

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def started(tmp_path, settings, apis):
    running = []

    def start(**more):
        running.append(Retriever(tmp_path, settings, apis, **more))
        return running[-1]

    yield start
    for one in running:
        one.end(signal.SIGKILL)
    assert "Traceback" not in (tmp_path / "log").read_text()


def notify(settings, vendor, *bodies):
    producer = KafkaProducer(bootstrap_servers=settings.brokers)
    headers = [(SOURCE_HEADER, vendor.encode())]
    sent = [
        producer.send(
            SOURCES[vendor].topic, orjson.dumps(body), key=str(place).encode(), headers=headers
        )
        for place, body in enumerate(bodies)
    ]
    places = [one.get(30) for one in sent]
    producer.close()
    return places


def answers(settings, vendor):
    """Return the records that the retriever published for a vendor."""
    found = [
        one
        for one in reading.records(settings, SOURCES[vendor].topic)
        if RETRIEVED_HEADER in dict(one.headers)
    ]
    return [one for one in found if dict(one.headers)[SOURCE_HEADER] == vendor.encode()]


def webhook(*keys):
    return {
        "entry": [
            {
                "changes": [
                    {
                        "field": "leadgen",
                        "value": {"leadgen_id": key, "created_time": 1_790_000_000},
                    }
                    for key in keys
                ]
            }
        ]
    }


def keys_of(settings):
    return {orjson.loads(one.value)["id"] for one in answers(settings, "meta")}


def test_each_vendors_notifications_become_bodies_beside_them_and_a_second_start_asks_nothing_again(
    settings, apis, started
):
    places = {
        vendor: notify(settings, vendor, retrieving.NOTIFICATIONS[vendor])[0] for vendor in VENDORS
    }
    # Each of two deals has two pages.
    wanted = {"hubspot": 5, "linkedin": 1, "meta": 2, "salesforce": 1}
    first = started()
    for vendor, number in wanted.items():
        until(
            lambda vendor=vendor, number=number: len(answers(settings, vendor)) >= number,
            f"answers of {vendor}",
        )
        found = answers(settings, vendor)
        assert len(found) == number
        assert {one.partition for one in found} == {places[vendor].partition}
        assert min(one.offset for one in found) > places[vendor].offset
    until(lambda: first.ready() == {"status": "ok"}, "readiness")
    assert first.end() == 0
    asked = {vendor: len(api.asked) for vendor, api in apis.items()}
    second = started()
    until(lambda: second.ready() == {"status": "ok"}, "readiness")
    notify(settings, "meta", webhook("31"))
    until(lambda: "31" in keys_of(settings), "an answer")
    assert second.end() == 0
    counts = {vendor: len(api.asked) for vendor, api in apis.items()}
    assert counts == {**asked, "meta": asked["meta"] + 1}


def test_what_was_not_published_when_it_was_killed_is_asked_again(settings, apis, started):
    keys = [str(number) for number in range(100, 140)]
    # It holds its record, and so its partition's offset.
    apis["meta"].script["/104"] = [Reply(seconds=60.0)]
    first = started(vendors=("meta",))
    notify(settings, "meta", *(webhook(key) for key in keys))
    until(lambda: len(keys_of(settings) & set(keys)) == len(keys) - 1, "all other answers")
    first.end(signal.SIGKILL)
    second = started(vendors=("meta",))
    until(lambda: set(keys) <= keys_of(settings), "every answer")
    assert second.end() == 0


def test_a_vendor_that_stands_stops_no_other(settings, apis, started):
    apis["linkedin"].script["*"] = [Reply(seconds=60.0)] * 300
    running = started()
    responses = [
        {
            **retrieving.LINKEDIN_NOTIFICATION,
            "leadGenFormResponse": f"urn:li:leadGenFormResponse:9-{number}",
        }
        for number in range(260)
    ]
    notify(settings, "linkedin", *responses)
    until(lambda: len(apis["linkedin"].asked) >= 4, "requests that stand")
    notify(settings, "meta", webhook("201", "202"))
    until(lambda: {"201", "202"} <= keys_of(settings), "answers of another vendor")
    waiting = httpx.get(f"http://127.0.0.1:{running.port}/metrics", timeout=10).text
    (line,) = [
        line
        for line in waiting.splitlines()
        if line.startswith('leadstream_retrievals_waiting{source="linkedin"}')
    ]
    assert 200 <= float(line.split()[-1]) < 230  # the rest is not read yet
    assert running.end() == 0  # although requests stand


def test_what_the_vendor_has_not_is_a_letter_of_the_notification_and_its_replay_asks_again(
    settings, apis, started
):
    apis["meta"].script["/301"] = [Reply(404, {"error": {"code": 803}})]
    running = started(vendors=("meta",))
    notify(settings, "meta", webhook("300", "301"))
    until(lambda: deadletters.read(settings), "a letter")
    (entry,) = deadletters.read(settings)
    shown = entry.document()
    blame = (shown["kind"], shown["whose_move"], shown["source"])
    assert blame == ("not_retrieved", "operator", "meta")
    assert shown["reason"] == "1 of 2 not retrieved: 301: meta answers 404 (803)"
    assert deadletters.replay(settings, [entry]).failed == {}
    until(lambda: {"300", "301"} <= keys_of(settings), "the answer after the replay")
    assert running.end() == 0


def test_a_wrong_token_is_not_ready_says_which_setting_and_goes_on_by_itself(
    settings, apis, started, tmp_path
):
    apis["meta"].tokens = {"better"}
    running = started(vendors=("meta",))
    notify(settings, "meta", webhook("401"))
    until(
        lambda: "LEADSTREAM_META_TOKEN" in running.ready().get("reason", ""), "the setting's name"
    )
    (tmp_path / "secrets" / "leadstream_meta_token").write_text("better")
    until(lambda: "401" in keys_of(settings), "the answer")
    until(lambda: running.ready() == {"status": "ok"}, "readiness")
    assert running.end() == 0
    log = running.path.read_text()
    assert "LEADSTREAM_META_TOKEN" in log
    assert "better" not in log


def test_two_processes_share_the_work_and_one_that_dies_is_followed(settings, started):
    first, second = started(vendors=("meta",)), started(vendors=("meta",))
    until(lambda: first.ready() == second.ready() == {"status": "ok"}, "both ready")
    keys = [str(number) for number in range(500, 520)]
    notify(settings, "meta", *(webhook(key) for key in keys[:10]))
    until(lambda: set(keys[:10]) <= keys_of(settings), "the first answers")
    second.end(signal.SIGKILL)
    notify(settings, "meta", *(webhook(key) for key in keys))
    until(lambda: set(keys) <= keys_of(settings), "every answer", 60)
    assert first.end() == 0


def test_it_goes_on_by_itself_after_its_broker_was_away(kafka, settings, apis, started):
    running = started(vendors=("meta",))
    # It is answered while nobody takes it.
    apis["meta"].script["/601"] = [Reply(200, retrieving.meta_lead("601"), seconds=5.0)]
    notify(settings, "meta", webhook("600"))
    until(lambda: "600" in keys_of(settings), "an answer")
    notify(settings, "meta", webhook("601"))
    until(lambda: "/601" in apis["meta"].paths(), "a request")
    kafka.kill()
    until(lambda: "Kafka" in running.ready().get("reason", ""), "that it says so", 60)
    kafka.start()
    notify(settings, "meta", webhook("602"))
    until(lambda: {"601", "602"} <= keys_of(settings), "the answers", 120)
    until(lambda: running.ready() == {"status": "ok"}, "readiness", 60)
    assert running.end() == 0


def test_every_offset_is_committed_in_a_group_of_the_retrievers_own(settings):
    client = admin.connections.admin(settings)
    offsets = client.list_group_offsets(
        [settings.app_id(f"retriever-{vendor}") for vendor in VENDORS]
    )
    client.close()
    for vendor in VENDORS:
        committed = {place.topic for place in offsets[settings.app_id(f"retriever-{vendor}")]}
        assert committed == {SOURCES[vendor].topic}
