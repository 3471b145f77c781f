"""The simulator against the gateway's application: every body is taken, each once."""

import asyncio
import os
import signal
import time
from collections import Counter
from dataclasses import replace

import httpx
import pytest
from typer.testing import CliRunner

from streams.cli import demo
from streams.cli.main import app
from streams.embedded import played
from streams.embedded.market import schedule
from streams.embedded.market.faults import Faults
from streams.embedded.market.hours import DAY, HOUR
from streams.embedded.simulator import Simulator, now_ms
from streams.embedded.stack import SIGNALS
from streams.intake.gateway import application
from streams.settings import Settings
from streams.sources.adapter import UNREADABLE
from streams.sources.registry import SOURCES, connection
from tests.attack.server import SECRETS, Acknowledging

ENVIRONMENT = {
    **SECRETS,
    "LEADSTREAM_GATEWAY_URL": "http://gateway",
    "LEADSTREAM_PUBLIC_URL": "http://gateway",
}
CONNECTION = connection(lambda _name: "", "Europe/Paris")
FAULTS = Faults(redelivered=0.1, broken=0.05, late=0.05, reordered=0.05)
NOW = now_ms()


class Firm:
    """A market that is played on a gateway without sockets, run after run."""

    def __init__(self, tmp_path, faults=FAULTS, days=30, rate=30.0):
        self.path = tmp_path / "simulated"
        begun = played.fresh(7, 1, faults, NOW, days)
        self.played = replace(begun, market=replace(begun.market, rate=rate))
        self.producer = Acknowledging(keep=1_000_000)
        self.app = application(Settings.of(ENVIRONMENT), lambda: self.producer)
        self.figures = Counter()
        self.refused = 0

    def run(self, play):
        asyncio.run(self._run(play))

    async def _run(self, play):
        def connect():
            return httpx.AsyncClient(transport=httpx.ASGITransport(self.app))

        async with self.app.router.lifespan_context(self.app):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            simulator = Simulator(ENVIRONMENT, self.played, connect)
            await play(simulator, asyncio.Event())
        simulator.close()
        self.figures.update(simulator.ledger.figures)
        self.refused += simulator.ledger.refused
        played.keep(self.path, self.played, playing=False)
        self.played, why = played.read(self.path, 7, self.played.market.faults, now_ms())
        assert why == ""

    def stored(self):
        """Count what was published, by id of its events, and what can't be read."""
        names, letters = Counter(), 0
        for _, _, value, headers in self.producer.records:
            vendor = SOURCES[headers["leadstream-source"].decode()]
            try:
                found = vendor.normalise(vendor.decode(value), now_ms(), CONNECTION)
            except UNREADABLE:
                letters += 1
                continue
            letters += len(found.rejected)
            names.update(event.id for event in found.events)
        return names, letters

    def agrees(self):
        names, letters = self.stored()
        assert self.refused == 0
        assert letters == self.figures["dead_letters"]
        assert len(names) == self.figures["accepted"] + self.figures["held"]
        assert sum(names.values()) - len(names) == self.figures["duplicates"]


def nothing(_done, _of):
    pass


async def past(simulator, stop, now=None):
    await simulator.history(now or now_ms(), nothing, stop)


def test_every_body_of_a_history_is_taken_and_the_ledger_knows_each(tmp_path):
    firm = Firm(tmp_path)
    firm.run(past)
    firm.agrees()
    assert firm.figures["held"] > 500
    assert firm.figures["leads"] > 20
    assert set(firm.played.made) == set()


def test_a_history_that_was_stopped_again_and_again_goes_on_and_repeats_nothing(tmp_path):
    firm, whole = Firm(tmp_path, rate=80.0), Firm(tmp_path / "whole", rate=80.0)
    whole.path.parent.mkdir()
    whole.run(past)

    async def some(simulator, stop):
        def step(done, _of):
            if done >= 60:
                stop.set()

        await simulator.history(NOW, step, stop)

    for _ in range(4):
        firm.run(some)
        assert firm.played.made
        firm.agrees()
    firm.run(past)
    firm.agrees()
    assert firm.played.made == {}
    assert set(firm.stored()[0]) >= {name for name in whole.stored()[0] if "broken" not in name}


def test_the_next_run_makes_what_fell_due_in_between_and_then_goes_on_live(tmp_path):
    firm = Firm(tmp_path, rate=1_000.0, days=1)
    end = now_ms()

    async def until_an_hour_ago(simulator, stop):
        await past(simulator, stop, end - HOUR)

    firm.run(until_an_hour_ago)
    before = len(firm.producer.records)
    assert firm.played.until == end - HOUR

    async def both(simulator, stop):
        await past(simulator, stop)
        await simulator.live(time.monotonic() + 3, 60, stop)
        assert simulator.agenda.next(now_ms()).due > simulator.played.until

    firm.run(both)
    firm.agrees()
    assert len(firm.producer.records) > before
    assert firm.played.until > end
    (window,) = firm.played.market.denser
    assert window.end == firm.played.until
    firm.run(past)
    firm.agrees()


def test_a_run_that_was_killed_begins_another_market_with_ids_of_its_own(tmp_path):
    path, now = tmp_path / "simulated", NOW
    first, why = played.read(path, 7, FAULTS, now)
    assert (first.market.began, why) == (now - schedule.HISTORY_DAYS * DAY, "")
    played.keep(path, first, playing=True)
    second, why = played.read(path, 7, FAULTS, now)
    assert "killed" in why
    assert second.market.run == first.market.run + 1
    assert second.market.began == first.market.began  # its history was never made
    second.until = now
    played.keep(path, second, playing=True)
    third, _ = played.read(path, 7, FAULTS, now)
    assert third.market.began == now  # the history was made: it is not made twice


@pytest.mark.parametrize("text", ["3", "", "{}", '{"market": {}}', "[1]", "\x00"])
def test_a_file_of_another_release_or_a_broken_one_begins_another_market(tmp_path, text):
    path = tmp_path / "simulated"
    path.write_text(text)
    found, why = played.read(path, 7, FAULTS, now_ms())
    assert "another market" in why
    assert found.market.run > 100_000


def test_other_faults_or_another_seed_begin_another_market_from_now_on(tmp_path):
    path, now = tmp_path / "simulated", now_ms()
    first = played.fresh(7, 1, FAULTS, now)
    played.keep(path, replace(first, until=now), playing=False)
    assert played.read(path, 7, FAULTS, now) == (replace(first, until=now), "")
    for seed, faults in ((8, FAULTS), (7, Faults())):
        other, why = played.read(path, seed, faults, now)
        assert (other.market.run, other.market.began, other.market.faults) == (2, now, faults)
        assert "another market" in why


@pytest.fixture
def heeded():
    """Heed the signals, also where the tests run in the background, which ignores Ctrl-C."""
    before = {sign: signal.signal(sign, signal.default_int_handler) for sign in SIGNALS}
    yield
    for sign, handler in before.items():
        signal.signal(sign, handler)


@pytest.mark.usefixtures("heeded")
def test_a_signal_lets_what_is_on_its_way_arrive_and_leaves_the_handlers_as_they_were():
    before = {sign: signal.getsignal(sign) for sign in SIGNALS}
    done = []

    async def play(stop):
        os.kill(os.getpid(), signal.SIGINT)
        await stop.wait()
        await asyncio.sleep(0)
        done.append("drained")

    assert asyncio.run(demo.until_asked(play)) is True
    assert done == ["drained"]
    assert {sign: signal.getsignal(sign) for sign in SIGNALS} == before

    async def over(_stop):
        done.append("over")

    assert asyncio.run(demo.until_asked(over)) is False
    assert done == ["drained", "over"]


@pytest.mark.usefixtures("heeded")
def test_what_does_not_end_when_it_is_asked_to_is_cancelled(monkeypatch):
    monkeypatch.setattr(demo, "DRAIN_SECONDS", 0.05)
    ended = []

    async def play(_stop):
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    assert asyncio.run(demo.until_asked(play)) is True
    assert ended == [True]


def test_what_is_ignored_stays_ignored_and_stops_nothing():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)

    async def play(stop):
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0)
        assert not stop.is_set()

    try:
        assert asyncio.run(demo.until_asked(play)) is False
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_went_wrong_while_playing_is_not_swallowed():
    async def play(_stop):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(demo.until_asked(play))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--faults", "lost=1"], "is no fault"),
        (["--faults", "broken=0.9"], "from 0 to 0.2"),
        (["--speed", "0"], "--speed"),
        (["--speed", "1000"], "--speed"),
    ],
)
def test_wrong_options_are_refused_before_anything_starts(tmp_path, options, why):
    found = CliRunner().invoke(app, ["demo", "--home", str(tmp_path / "home"), *options])
    assert found.exit_code == 2
    assert why in " ".join(found.output.replace("│", " ").split())
    assert not (tmp_path / "home").exists()
