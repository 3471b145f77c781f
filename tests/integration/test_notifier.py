"""A stalled hot lead, from Kafka to a mail server and a CRM's webhook, on a real broker.

The alerts are what `advance` writes of a lead's events. ClickHouse is away all the time: what is
late is said all the same. The notifier is killed while nobody takes its messages, and in the midst
of sending.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest
import yaml

from schemas import topics
from schemas.events import EventType, LeadEvent
from schemas.reading import FUNNELS, load
from schemas.wire.models.webhook import Webhook
from streams import connections
from streams.embedded.home import free_port
from streams.operate import admin, snoozing
from streams.settings import Settings
from tests.conftest import ROOT
from tests.support.jobs import kafka, until  # noqa: F401 - the broker is a fixture
from tests.support.pipeline import Pipeline
from tests.support.receiving import mail_server, web_server

pytestmark = pytest.mark.ci
MINUTE = 60_000
DELAY = 2.0  # seconds for which the notifier waits for proof
NOTICE_SECONDS = DELAY + 10  # after it was due: decisions' bound, with this installation's delay
PARTITIONS = 4


class Firm(Pipeline):
    """The workers in memory, whose alerts go to the broker."""

    def __init__(self, funnel, producer):
        self.producer = producer
        super().__init__(b"k" * 32, funnel)
        self.number = 0

    def _send(self, outs):
        super()._send(outs)
        for out in outs:
            if out.topic == topics.ALERTS:
                self.producer.send(out.topic, out.value, key=out.key).get(30)

    def happens(self, name, what, at, /, **more):
        self.number += 1
        event = LeadEvent(
            id=f"hubspot:{self.number}",
            type=what,
            source="hubspot",
            occurred_at=at,
            aliases=[f"email:{name}@example.com", f"hubspot:1:contact:{name}"],
            **more,
        )
        self.publish(event)

    def hot_lead(self, name, at, owner="11"):
        """Let a lead ask for a demo, which somebody must answer within five minutes."""
        self.happens(name, EventType.TOUCH, at, kind="demo_form", direction="inbound")
        self.happens(
            name, EventType.STAGE_REPORTED, at + 1, stage="marketingqualifiedlead", owner=owner
        )

    def called(self, name, at):
        self.happens(name, EventType.TOUCH, at, kind="call", direction="human")


class Process:
    """The notifier as a process."""

    def __init__(self, settings, folder):
        self.port, self.folder = free_port(), folder
        given = {
            "BROKERS": settings.brokers,
            "HOME": str(settings.home),
            "FUNNEL": str(settings.funnel),
            "CLICKHOUSE_URL": settings.clickhouse_url,
            "NOTIFY_BOOK": str(settings.notify_book),
            "NOTIFY_SECRET": "a secret of this test",
            "NOTIFY_DELAY": str(DELAY),
            "METRICS_PORT": str(self.port),
            "LIVE_URL": "https://leads.example.com",
        }
        kept = {k: v for k, v in os.environ.items() if not k.startswith("LEADSTREAM_")}
        environment = {**kept, "PYTHONPATH": str(ROOT)}
        environment |= {f"LEADSTREAM_{name}": value for name, value in given.items()}
        with (folder / "notifier.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli.main", "notifier"],
                env=environment,
                stdout=log,
                stderr=log,
            )

    def ready(self):
        until(self._answers, "the notifier's readiness", 90)
        return self

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "notifier.log").read_text()[-3000:]
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}/readyz")
            self.answer = answer.text
            return answer.status_code == 200
        except httpx.HTTPError:
            return False

    def metric(self, name):
        text = httpx.get(f"http://127.0.0.1:{self.port}/metrics").text
        return sum(
            float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name)
        )

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)


@contextmanager
def notifier(settings, folder):
    one = Process(settings, folder)
    try:
        yield one.ready()
    finally:
        one.kill() if one.process.poll() is None else None


@pytest.fixture
def box():
    with mail_server() as one:
        yield one


@pytest.fixture
def hook():
    with web_server() as one:
        yield one


@pytest.fixture
def settings(kafka, box, hook, tmp_path):  # noqa: F811
    raw = yaml.safe_load((FUNNELS / "default.yaml").read_text())
    raw["notify"] = {"breach": {"to": ["owner", "crm"]}, "escalate": {"to": ["crm"]}}
    (tmp_path / "funnel.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    book = {"mail": box.url, "owners": {11: "ann@example.com"}, "crm": hook.url}
    (tmp_path / "book.yaml").write_text(yaml.safe_dump(book))
    made = Settings(
        brokers=kafka,
        home=tmp_path,
        funnel=tmp_path / "funnel.yaml",
        notify_book=tmp_path / "book.yaml",
        clickhouse_url=f"http://127.0.0.1:{free_port()}",
    )
    client = connections.admin(made)
    wanted = [topics.ALERTS, topics.NOTICES]
    if there := [name for name in wanted if name in client.list_topics()]:
        client.delete_topics(there)
        until(lambda: not set(wanted) & set(client.list_topics()), "the topics' end")
    client.close()
    admin.apply(made)
    return made


@pytest.fixture
def firm(settings):
    producer = connections.producer(settings, linger_ms=0)
    yield Firm(load(settings.funnel), producer)
    producer.close()


def now():
    return int(time.time() * 1000)


def test_a_stalled_hot_lead_is_said_in_time_once_and_taken_back_once_over_kills(
    settings, firm, box, hook, tmp_path
):
    box.away, hook.answers = True, [503] * 1000
    due = now() + 8_000
    firm.hot_lead("ana", due - 5 * MINUTE - 1)
    with notifier(settings, tmp_path) as one:
        until(lambda: now() > due, "the due time", 30)
        firm.until(due + 1)
        until(lambda: box.tried_ids and hook.posts, "a first try of mail and webhook", 30)
        for kind in ('recipient="owner",scheme="mailto"', 'recipient="crm",scheme="http"'):
            oldest = f"leadstream_notice_oldest_seconds{{{kind}}}"
            until(lambda oldest=oldest: one.metric(oldest) > 0, f"the wait of {kind}", 30)
        one.kill()
    tried = {*box.tried_ids}, {*hook.ids()}
    assert list(map(len, tried)) == [1, 1]
    box.away, hook.answers = False, []
    with notifier(settings, tmp_path) as one:
        until(lambda: box.mails, "the mail", 30)
        until(lambda: hook.answered(204), "the webhook", 30)
        one.kill()
    assert ({*box.ids()}, {*hook.ids()}) == tried
    (mail,) = box.mails
    assert mail["Subject"].startswith("Hot lead, ")
    assert mail["Subject"].endswith("late: 11 must call")

    firm.called("ana", due - 2 * MINUTE)  # it was in time, and is heard of late
    with notifier(settings, tmp_path) as one:
        until(lambda: len({*box.ids()}) == 2, "the mail that takes it back", 30)
        until(lambda: len({*hook.ids()}) == 2, "the webhook's", 30)
        one.kill()
    with notifier(settings, tmp_path) as one:
        until(lambda: one.metric("leadstream_notices_waiting") == 0, "nothing that waits", 30)
        assert one.metric("leadstream_notice_oldest_seconds") == 0
        time_of_two_rounds = time.monotonic() + 3
        until(lambda: time.monotonic() > time_of_two_rounds, "two rounds more", 10)
        one.end()
    # a kill before an answer was written down repeats a message, under its id
    subjects = dict(zip(box.ids(), [one["Subject"] for one in box.mails], strict=True))
    assert [*subjects.values()] == [mail["Subject"], "Taken back: it was done in time (MQL)"]
    raised, taken_back = (
        {one.id for one in map(Webhook.model_validate, hook.bodies()) if one.what == what}
        for what in ("raised", "retracted")
    )
    assert raised == tried[1]
    assert len(taken_back) == 1


def test_a_notice_comes_within_its_time_and_not_before_its_proof_may_come(
    settings, firm, box, hook, tmp_path
):
    with notifier(settings, tmp_path):
        due = now() + 3_000
        firm.hot_lead("ana", due - 5 * MINUTE - 1)
        until(lambda: now() > due, "the due time", 30)
        firm.until(due + 1)
        until(lambda: box.mails and hook.posts, "mail and webhook", 30)
        late = (now() - due) / 1000
    assert DELAY <= late <= NOTICE_SECONDS
    assert len(box.mails) == len(hook.posts) == 1


def test_none_of_many_is_missing_or_twice_under_two_ids_when_it_is_killed_in_the_midst(
    settings, firm, box, hook, tmp_path
):
    due, names = now() - MINUTE, [f"lead{number}" for number in range(40)]
    for name in names:
        firm.hot_lead(name, due - 5 * MINUTE - 1)
    firm.until(due + 1)
    for enough in (8, 16, 24):
        with notifier(settings, tmp_path) as one:
            until(lambda enough=enough: len({*hook.ids()}) >= enough, f"{enough} requests", 60)
            one.kill()
    with notifier(settings, tmp_path) as one:
        until(lambda: len({*hook.ids()}) == len(names), "all requests", 60)
        until(lambda: box.mails, "the mail of all", 30)
        until(lambda: one.metric("leadstream_notices_waiting") == 0, "nothing that waits", 30)
        one.end()
    leads = {str(one.lead.id): one.id for one in map(Webhook.model_validate, hook.bodies())}
    assert len(leads) == len({*hook.ids()}) == len(names)
    assert len({*box.ids()}) == 1
    assert "40 leads are late" in box.mails[0]["Subject"]


def test_a_snoozed_lead_waits_and_its_proof_makes_it_nobodys(settings, firm, box, hook, tmp_path):
    due = now() - MINUTE
    firm.hot_lead("ana", due - 5 * MINUTE - 1)
    (lead,) = (key.decode() for key in firm.leads)
    snoozing.snooze(settings, lead, now() + 10 * MINUTE, "ann", "a test", now())
    firm.until(due + 1)
    with notifier(settings, tmp_path) as one:
        snoozed = 'leadstream_notices_waiting{why="snoozed"}'
        until(lambda: one.metric(snoozed) == 2, "the snooze", 30)
        firm.called("ana", due - MINUTE)
        until(lambda: one.metric("leadstream_notices_waiting") == 0, "nothing that waits", 30)
        one.end()
    assert (box.mails, hook.posts) == ([], [])
