"""The notifier's edges without Kafka: its book, its files, what it remembers, its commands."""

import asyncio
import os
import re
import subprocess
import sys

import orjson
import pytest
import yaml
from typer.testing import CliRunner

from schemas import notice_book, topics
from schemas.notice_book import BookError
from schemas.notify import Notify
from schemas.reading import FUNNELS, FunnelError, load
from schemas.sources import Moved, SourceState
from schemas.wire import notices
from schemas.wire.models.notices import Place, Snooze
from streams import health, metrics
from streams.cli.main import app
from streams.embedded import home as homes
from streams.embedded import stack, watch
from streams.embedded.home import free_port
from streams.notify import files, report
from streams.notify.files import Files
from streams.notify.ledger import LaterRelease, Ledger
from streams.notify.parking import QUIET_MS, Parking
from streams.notify.sending import Failing
from streams.notify.service import Notifier
from streams.notify.shown import Reader
from streams.settings import Settings
from tests.conftest import ROOT
from tests.support import examples
from tests.support.kafka import record
from tests.support.noticing import FUNNEL, LEAD, MINUTE, MONDAY, Desk, alert

DOCS = (ROOT / "docs" / "notifications.md").read_text()


def blocks(text):
    """Give the indented blocks of a page, without their indent."""
    found, lines = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("    ") or (lines and not line):
            lines.append(line)
        elif lines:
            indent = min(len(one) - len(one.lstrip()) for one in lines if one)
            found.append("\n".join(one[indent:] for one in lines).strip() + "\n")
            lines = []
    return found


# --- the book ---------------------------------------------------------------------------------


def written(tmp_path, text):
    path = tmp_path / "book.yaml"
    path.write_text(text)
    return path


def test_the_pages_book_can_be_read_and_numbers_are_ids(tmp_path):
    text = next(one for one in blocks(DOCS) if one.startswith("mail:"))
    book = notice_book.read(written(tmp_path, text))
    assert book.entry("owner:11").name == "Ann"
    assert book.entry("owner:12").to[0] == "bob@example.com"
    assert book.entry("manager:9").to == ("boss@example.com",)
    assert book.entry("manager:11") == book.entry("owner:11")
    assert book.entry("queue:nobody") is None
    wrong = files.problems(book, FUNNEL, "a secret")
    assert all("slack" in one or "msteams" in one for one in wrong)  # the page's tokens are none


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("owner: {11: a@example.com}", r":1: owner: no such key here; a book has mail, owners"),
        ("mail: x\nowners:\n  11: {to: []}", r":3: owners\.11\.to: "),
        ("owners: {11: {name: Ann}}", r":1: owners\.11"),
        ("owners: [", r"book\.yaml:\d+: "),
        ("- a", r":1: the book: "),
    ],
)
def test_a_book_that_cannot_be_used_is_named_by_file_line_and_key(tmp_path, text, says):
    with pytest.raises(BookError, match=says):
        notice_book.read(written(tmp_path, text))


def test_no_error_repeats_what_the_book_holds(tmp_path):
    with pytest.raises(BookError) as raised:
        notice_book.read(written(tmp_path, "owners: {11: {to: [{secret-token: x}]}}"))
    assert "secret-token" not in str(raised.value)


def test_an_empty_book_names_nobody(tmp_path):
    book = notice_book.read(written(tmp_path, ""))
    assert files.unknown(book, FUNNEL) == [f"teams.{name}" for name in FUNNEL.teams]


# --- the funnel file --------------------------------------------------------------------------


def funnel(tmp_path, **notify):
    raw = yaml.safe_load((FUNNELS / "default.yaml").read_text())
    path = tmp_path / "funnel.yaml"
    path.write_text(yaml.safe_dump({**raw, "notify": notify}, sort_keys=False))
    return path


def test_the_pages_defaults_are_the_models():
    text = next(one for one in blocks(DOCS) if one.startswith("notify:"))
    assert Notify.model_validate(yaml.safe_load(text)["notify"]) == Notify() == FUNNEL.notify


@pytest.mark.parametrize(
    ("notify", "where", "says"),
    [
        ({"breach": {"to": ["boss"]}}, "notify.breach.to", "no role or team"),
        ({"teams": {"nobody": {}}}, "notify.teams.nobody", "no team"),
        ({"teams": {"sales": {"warn": {"to": ["x"]}}}}, "notify.teams.sales.warn.to", "'x'"),
        ({"digests": ["9:00"]}, "notify.digests.0", "in quotes"),
        ({"digests": [960]}, "notify.digests.0", "in quotes"),
        ({"digests": []}, "notify.digests", "at least 1"),
        ({"grouped_within": "1 day"}, "notify.grouped_within", "write minutes or hours"),
        ({"breech": {"to": ["owner"]}}, "notify.breech", "did you mean breach"),
    ],
)
def test_what_is_wrong_in_the_section_is_named_with_its_line(tmp_path, notify, where, says):
    with pytest.raises(FunnelError) as raised:
        load(funnel(tmp_path, **notify))
    (problem,) = (one for one in raised.value.problems if one.where == where)
    assert says in problem.text
    assert problem.line > 200


def test_teams_may_be_named_beside_roles(tmp_path):
    made = load(funnel(tmp_path, breach={"to": ["owner", "marketing"]}))
    assert made.notify.level("sales", "breach").to == ("owner", "marketing")


def test_who_is_notified_changes_no_definition(tmp_path):
    from streams.agents.versions import digest

    assert digest(load(funnel(tmp_path, most=3))) == digest(FUNNEL)


# --- what is read again -----------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path):
    book = written(tmp_path, "owners: {11: ann@example.com}")
    return Settings(home=tmp_path, notify_book=book, funnel=FUNNELS / "default.yaml")


def test_a_book_that_changes_is_read_again_and_one_that_is_broken_leaves_the_last(settings):
    held = Files(settings, 1)
    held._looked -= 100
    settings.notify_book.write_text("owners: {12: bob@example.com, 13: eve@example.com}")
    held.refresh(1)
    assert set(held.book.owners) == {"12", "13"}
    held._looked -= 100
    settings.notify_book.write_text("owners: [")
    held.refresh(1)
    assert set(held.book.owners) == {"12", "13"}
    assert "book.yaml" in held.wrong


def test_an_adopted_generations_own_file_says_who_is_notified(settings, tmp_path):
    folder = tmp_path / "generations" / "2"
    folder.mkdir(parents=True)
    funnel(folder, most=3)
    held = Files(settings, 1)
    assert held.rules.notify.most == 10
    held.refresh(2)
    assert held.rules.notify.most == 3


def test_without_a_book_it_says_which_setting_names_one(tmp_path):
    with pytest.raises(BookError, match="LEADSTREAM_NOTIFY_BOOK"):
        Files(Settings(home=tmp_path), 1)


def test_while_clickhouse_is_away_the_last_answers_hold():
    reader = Reader(Settings(clickhouse_url=f"http://127.0.0.1:{free_port()}"), 3)
    reader.refresh()
    assert (reader.generation, reader.delays) == (3, {})
    assert reader.records([LEAD]) == {}
    assert "does not answer" in reader.away


# --- what is parked ---------------------------------------------------------------------------


def test_a_source_counts_as_parked_until_what_was_parked_has_come_back():
    parking = Parking()

    def state(what, at, partition=0):
        one = SourceState(
            source="hubspot", topic=topics.RAW_CRM, partition=partition, state=what, offset=1,
            at=at, worker="normalise",
        )  # fmt: skip
        parking.take(one.key, one.model_dump_json().encode())

    assert parking.parked(MONDAY) == frozenset()
    state("parked", MONDAY)
    state("read", MONDAY - 10 * QUIET_MS, partition=1)
    assert parking.parked(MONDAY + 100 * QUIET_MS) == {"hubspot"}
    state("read", MONDAY + QUIET_MS)
    assert parking.parked(MONDAY + QUIET_MS + 1) == {"hubspot"}
    moved = Moved(source="hubspot", moved={0: 5}, at=MONDAY + 2 * QUIET_MS, by="ann")
    parking.take(moved.key, moved.model_dump_json().encode())
    assert parking.parked(MONDAY + 3 * QUIET_MS - 1) == {"hubspot"}
    assert parking.parked(MONDAY + 3 * QUIET_MS) == frozenset()
    parking.take(b"x", b"{")


# --- what it remembers ------------------------------------------------------------------------


class Kept:
    """A publisher that keeps what it was given, as a compacted topic does."""

    def __init__(self):
        self.newest = {}

    async def send(self, topic, value, key, partition, headers):
        assert (topic, partition, headers) == (topics.NOTICES, None, ())
        self.newest[key] = value


def test_what_is_written_is_what_a_next_start_reads():
    kept, desk = Kept(), Desk()
    desk.hear(alert())
    (message,) = desk.compose(MONDAY + MINUTE)
    first, second = Ledger(kept), Ledger(kept)
    snooze = Snooze(subject=LEAD, until=MONDAY, by="ann", why="x", at=1)
    later = snooze.model_copy(update={"until": MONDAY + 1, "at": 2})
    stalls = list(desk.stalls.values())
    asyncio.run(first.write([*stalls, message, later, snooze, Place(partition=1, next_offset=7)]))
    asyncio.run(first.forget([message]))
    for key, value in kept.newest.items():
        second.take(key, value)
    assert second.stalls == first.stalls == desk.stalls
    assert second.messages == first.messages == {}
    assert second.snoozes == {LEAD: later}
    assert second.places == {1: 7}
    assert len([key for key in kept.newest if b"snooze" in key]) == 2  # both stay on record


def test_a_ledger_of_a_later_release_stops_the_notifier():
    body = notices.dump(Place(partition=1, next_offset=7)).replace(b'"version":1', b'"version":2')
    with pytest.raises(LaterRelease, match=r"lead\.notices"):
        Ledger(Kept()).take(b"k", body)


@pytest.mark.parametrize("value", [b"{", b"[]", b'{"record":"stall","version":1}'])
def test_what_is_no_record_of_ours_is_counted_and_stops_nobody(value):
    counted = metrics.FOREIGN.labels(topics.NOTICES)
    before = counted._value.get()
    Ledger(Kept()).take(b"k", value)
    assert counted._value.get() == before + 1


# --- what it hears ----------------------------------------------------------------------------


def hears(settings, *values):
    """Give what a notifier makes of records of lead.alerts, by the clock's id."""
    changed, one = {}, Notifier(settings)
    for value in values:
        one._hear(record(value, topics.ALERTS), changed)
    return changed


def test_an_alert_of_any_version_that_was_released_is_heard(settings):
    folder = examples.FOLDER / topics.ALERTS
    for version in (1, 2):
        body = examples.example(folder / f"alert-raised.{version}.json")
        ((name, stall),) = hears(settings, orjson.dumps(body["value"])).items()
        assert name == body["value"]["id"]
        assert stall.alerts[0].status == "escalated"


@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"[]", b'{"record":"alert","version":9}', b'{"record":"alert","version":2}'],
)
def test_what_is_no_alert_is_counted_and_stops_nobody(settings, value):
    counted = metrics.FOREIGN.labels(topics.ALERTS)
    before = counted._value.get()
    good = alert().model_dump_json().encode()
    assert hears(settings, value, good).keys() == {alert().id}
    assert counted._value.get() == before + 1


def test_a_retraction_of_what_it_never_heard_of_is_nothing_to_keep(settings):
    assert hears(settings, alert("met").model_dump_json().encode()) == {}


# --- doctor, stack, commands ------------------------------------------------------------------


def test_doctor_names_who_cannot_be_reached(settings, tmp_path):
    assert health.notices(Settings(home=tmp_path)).startswith("off")
    assert health.notices(settings).startswith("all channels")
    report.write(tmp_path, [Failing("owner:11", "mailto.0", 1.0, "it hangs")], ["owner:12"])
    with pytest.raises(health.Failing) as raised:
        health.notices(settings)
    assert "owner:11 mailto.0 takes no messages: it hangs" in str(raised.value)
    assert "the book has nobody for owner:12" in str(raised.value)
    assert (ROOT / re.search(r"docs/\S+\.md", str(raised.value)).group()).exists()


def test_a_home_runs_a_notifier_once_a_book_is_named(settings, tmp_path):
    assert "notifier" not in stack.wanted(tmp_path, Settings())
    assert "notifier" in stack.wanted(tmp_path, settings)
    assert "notifier" in watch.in_order(["notifier"])[0]
    assert homes.choose_ports(tmp_path, {})["metrics-notifier"]


def run(*arguments, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEADSTREAM_")}
    given = {f"LEADSTREAM_{name}": str(value) for name, value in more.items()}
    return subprocess.run(
        [sys.executable, "-m", "streams.cli.main", *arguments],
        env={**kept, **given, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_check_says_what_is_wrong_and_whom_the_book_lacks(settings):
    settings.notify_book.write_text("owners: {11: ann@example.com}\ncrm: http://crm.example.com")
    done = run("notifier", "--check", NOTIFY_BOOK=settings.notify_book, FUNNEL=settings.funnel)
    assert done.returncode == 1
    assert "1 owners" in done.stdout
    assert "nobody for teams.sales" in done.stdout
    assert "BAD  owners.11.to[0]: an address of mail, and `mail:` names no server" in done.stdout
    assert "BAD  crm: write https" in done.stdout
    assert "BAD  crm: set LEADSTREAM_NOTIFY_SECRET" in done.stdout
    assert "ann@example.com" not in done.stdout + done.stderr


def test_check_of_a_good_book_ends_well(settings):
    settings.notify_book.write_text(
        "mail: mailto://smtp.example.com?from=a@example.com\nowners: {11: ann@example.com}"
    )
    done = run("notifier", "--check", NOTIFY_BOOK=settings.notify_book, FUNNEL=settings.funnel)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_notifier_without_a_usable_book_needs_somebody(tmp_path):
    done = run("notifier", HOME=tmp_path)
    assert done.returncode == os.EX_CONFIG
    assert "LEADSTREAM_NOTIFY_BOOK" in done.stderr
    assert "LEADSTREAM_NOTIFY_BOOK" in (tmp_path / "stopped" / "notifier.json").read_text()


@pytest.mark.parametrize(
    ("until", "why", "says"),
    [
        ("2020-01-01", "x", "has passed"),
        ("soon", "x", "soon"),
        ("2090-01-01", " ", "say why"),
    ],
)
def test_a_snooze_that_means_nothing_is_refused(monkeypatch, until, why, says):
    monkeypatch.setenv("LEADSTREAM_BROKERS", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("LEADSTREAM_FUNNEL", str(FUNNELS / "default.yaml"))
    done = CliRunner().invoke(app, ["snooze", LEAD, "--until", until, "--why", why])
    assert done.exit_code == 2
    assert says in re.sub(r"\W+", " ", done.output) or says in done.output


def test_the_page_names_every_setting_of_the_notifier_with_its_default():
    rows = re.findall(r"^\| `(LEADSTREAM_\w+)` \| (\S+)", DOCS, re.MULTILINE)
    named = {name: default.rstrip(";") for name, default in rows}
    fields = {
        f"LEADSTREAM_{name.upper()}": field.default
        for name, field in Settings.model_fields.items()
        if name.startswith("notify_") or name == "live_url"
    }
    assert named.keys() == fields.keys()
    for name, default in fields.items():
        if isinstance(default, float):
            assert float(named[name]) == default
        else:
            assert named[name].startswith("none")
