"""The notifier as one process of a whole stack: from the gateway to a mail server and a webhook.

What `leadstream up` starts, with a book. Nothing stands in for a part of ours; the mail server and
the CRM's webhook are this test's own. Alone, with many alerts, is the notifier in test_notifier.py.
"""

import os
import signal
import time

import httpx
import pytest
import yaml

from schemas.reading import FUNNELS
from schemas.wire.models.webhook import Webhook
from streams.embedded.stack import Stack
from tests.integration import invariants
from tests.support.jobs import until
from tests.support.posting import PATIENCE, cloudevent, take
from tests.support.receiving import mail_server, web_server

pytestmark = pytest.mark.ci
LIMIT = 60  # seconds within which a hot lead must be answered: the shortest that a file can say
DELAY = 2.0  # seconds for which the notifier waits for proof
NOTICE_SECONDS = DELAY + 10  # after it was due: decisions' bound, with this installation's delay
OWNERS = [f"owner-{number}" for number in range(1, 7)]


@pytest.fixture(scope="module")
def box():
    with mail_server() as one:
        yield one


@pytest.fixture(scope="module")
def hook():
    with web_server() as one:
        yield one


@pytest.fixture(scope="module")
def stack(tmp_path_factory, box, hook):
    """Run what `leadstream up` runs, with a book and with a clock of a minute."""
    folder = tmp_path_factory.mktemp("notified")
    raw = yaml.safe_load((FUNNELS / "default.yaml").read_text())
    raw["ladder"]["mql"]["clocks"]["first_touch"]["hot_within"] = "1 minute"
    raw["notify"] = {"breach": {"to": ["owner", "crm"]}, "escalate": {"to": []}}
    (folder / "funnel.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    owners = {name: f"{name}@example.com" for name in OWNERS}
    book = {"mail": box.url, "owners": owners, "crm": hook.url}
    (folder / "book.yaml").write_text(yaml.safe_dump(book))
    given = {
        "BOOK": str(folder / "book.yaml"),
        "SECRET": "a secret of this test",
        "DELAY": str(DELAY),
    }
    with pytest.MonkeyPatch.context() as environment:
        for name, value in given.items():
            environment.setenv(f"LEADSTREAM_NOTIFY_{name}", value)
        with Stack(folder / "home", str(folder / "funnel.yaml")) as running:
            until(lambda: state(running) == "running", "the notifier")
            yield running
            invariants.hold(*invariants.of(running))


@pytest.fixture(autouse=True)
def emptied(box, hook):
    """Leave each test with receivers that take everything, and that took nothing yet."""
    box.away = False
    for taken in (box.mails, box.tried_ids, hook.posts, hook.answers, hook.given):
        taken.clear()


def state(stack):
    return stack.shown["notifier"].state


def kill(stack):
    """Kill the notifier; return once its supervisor has another one."""
    before = stack.shown["notifier"].pid
    os.kill(before, signal.SIGKILL)
    until(lambda: stack.shown["notifier"].pid != before, "another notifier")


def hot_lead(stack, owner, due):
    """Let somebody ask for a demo who must be answered until `due` (unix seconds)."""
    email, began = f"{owner}-{due}@example.com", due - LIMIT
    kind = {"kind": "demo_form", "direction": "inbound"}
    for what, data in (("lead.created", kind), ("lead.assigned", {"owner": owner})):
        take(stack, cloudevent(what, f"{email}-{what}", began, email, **data))
    return email


def called(stack, email, due):
    """Let the proof come that somebody called in time."""
    story = {"kind": "call", "direction": "human"}
    take(stack, cloudevent("touch", f"{email}-call", due - 20, email, **story))


def subjects(box):
    """Return each message's subject once, whatever was sent again under its id."""
    return [*dict(zip(box.ids(), [one["Subject"] for one in box.mails], strict=True)).values()]


def posted(hook, what):
    return {one.id: one for one in map(Webhook.model_validate, hook.bodies()) if one.what == what}


def test_a_stalled_hot_lead_is_heard_of_in_time_once_and_taken_back_once(stack, box, hook):
    due = int(time.time()) + 12
    email = hot_lead(stack, OWNERS[0], due)
    until(lambda: box.mails and hook.posts, "mail and webhook", 60)
    assert DELAY <= time.time() - due <= NOTICE_SECONDS
    (mail,), (document,) = box.mails, posted(hook, "raised").values()
    assert (mail["To"], document.lead.owner) == (f"{OWNERS[0]}@example.com", OWNERS[0])
    assert mail["Subject"].startswith("Hot lead, ")
    live = stack.environment()["LEADSTREAM_LIVE_URL"]
    assert document.lead.page == f"{live}/leads/{document.lead.id}"
    for address in (document.lead.page, f"{live}/api/v1/leads/{document.lead.id}"):
        assert httpx.get(address, timeout=PATIENCE).status_code == 200

    called(stack, email, due)
    until(lambda: len(box.mails) == 2 and len(hook.posts) == 2, "what takes it back", 60)
    assert subjects(box)[1] == "Taken back: it was done in time (MQL)"
    assert len(posted(hook, "retracted")) == 1
    ended = time.monotonic() + 3  # rounds of a second, in which nothing more may come
    until(lambda: time.monotonic() > ended, "more rounds", 10)
    assert (len({*box.ids()}), len({*hook.ids()})) == (2, 2)


def test_killed_before_its_messages_are_taken_and_amid_them_none_is_missing_or_has_two_ids(
    stack, box, hook
):
    box.away, hook.answers[:] = True, [503] * 1000
    due, owners = int(time.time()) + 12, OWNERS[1:]
    emails = [hot_lead(stack, one, due) for one in owners]
    everybody = len(owners)
    until(lambda: len({*box.tried_ids}) == everybody, "a first try of each mail", 90)
    until(lambda: hook.posts, "a first try of a request", 60)  # the others wait behind it
    mails, requests = {*box.tried_ids}, {*hook.ids()}
    kill(stack)
    box.away, hook.answers[:] = False, []
    until(lambda: hook.answered(204) >= 1, "a first request that is taken", 90)
    kill(stack)
    until(lambda: len({*box.ids()}) == everybody, "all mails", 90)
    until(lambda: len({*hook.ids()}) == everybody, "all requests", 60)
    assert ({*box.ids()}, requests & {*hook.ids()}) == (mails, requests)
    assert {one["To"] for one in box.mails} == {f"{one}@example.com" for one in owners}
    assert sorted(one.lead.owner for one in posted(hook, "raised").values()) == owners

    for email in emails:
        called(stack, email, due)
    until(lambda: posted(hook, "retracted"), "a first request that takes one back", 90)
    kill(stack)
    until(lambda: len({*box.ids()}) == 2 * everybody, "all that takes back, by mail", 90)
    until(lambda: len(posted(hook, "retracted")) == everybody, "and by the webhook", 60)
    until(lambda: state(stack) == "running", "the notifier")
    assert sorted(one.lead.owner for one in posted(hook, "retracted").values()) == owners
    assert len({*hook.ids()}) == 2 * everybody
    assert sorted({*subjects(box)[everybody:]}) == ["Taken back: it was done in time (MQL)"]
