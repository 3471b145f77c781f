"""The demo on a real stack: ledger and pipeline agree, run after run, in each generation."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from streams.cli import demo
from streams.embedded import played
from streams.embedded.market.faults import Faults
from streams.embedded.simulator import now_ms
from tests.benchmarks.preview import stricter
from tests.conftest import run_cli

pytestmark = pytest.mark.ci
FAULTS = Faults(redelivered=0.1, broken=0.03, late=0.05, reordered=0.05)


@pytest.fixture
def play(stack, monkeypatch):
    """Return a function that plays a market on the stack; the demo's command starts its own."""
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)
    path = stack.home / "simulated"

    def run(run_number=None, days=20, speed=1):
        if run_number is not None:
            begun = played.fresh(7, run_number, FAULTS, now_ms(), days)
            small = replace(begun, market=replace(begun.market, rate=60.0))
            played.keep(path, small, playing=False)
        out = Console(file=io.StringIO())
        found = demo.Play(stack, stack.home, out, speed).run(7, FAULTS, 3.0)
        assert found["differs"] == {}
        assert (found["agrees"], found["verified"], found["drained"]) == (True, True, True)
        assert found["ledger"]["refused"] == 0
        return found

    return run


def test_a_demo_agrees_with_its_ledger_run_after_run_and_after_an_adoption(stack, play, tmp_path):
    first = play(1)
    assert first["leads"] > 20
    assert first["held"] > 500
    assert first["dead_letters"] > 0
    assert first["duplicates_dropped"] > 100
    second = play(speed=100)  # goes on with the same market, and repeats nothing
    assert second["ledger"]["refused"] == 0
    stricter(tmp_path / "stricter.yaml")
    run_cli("adopt", tmp_path / "stricter.yaml", "--json", home=stack.home)
    assert play(3, 5)["accepted"] > 0
    run_cli("definitions", "drop", "1", "--json", home=stack.home)
    assert play(4, 5)["accepted"] > 0
