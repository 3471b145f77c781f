"""How long an import waits for its own last event: as long as time moves, and no longer."""

import itertools
import time
from types import SimpleNamespace

from streams.intake import arrival


def clickhouse(told):
    """Give what answers as ClickHouse does: each question hears the next time told, the last one again and again."""
    times = iter(told)
    last = told[0]

    def query(_statement, parameters):
        nonlocal last
        assert parameters == {"g": 1}
        last = next(times, last)
        return SimpleNamespace(first_row=(last, 2))

    return lambda: SimpleNamespace(query=query)


def test_a_busy_machine_is_waited_for_while_its_time_moves():
    began = time.monotonic()
    assert arrival.folded(clickhouse([1, 2, 3, 4, 5, 6]), 2, after_ms=5, seconds=0.5, generation=1)
    assert time.monotonic() - began > 0.5


def test_time_that_stands_is_given_up():
    assert not arrival.folded(clickhouse([1, 2, 2]), 2, after_ms=5, seconds=0.5, generation=1)


def test_a_partition_that_has_told_nothing_is_not_overlooked():
    assert not arrival.folded(clickhouse([9]), 3, after_ms=5, seconds=0.3, generation=1)


def test_a_chain_of_merges_is_waited_for_as_long_as_edges_arrive(monkeypatch):
    """Edges go from neighbour to neighbour: three rounds were too few for a chain of a hundred."""
    monkeypatch.setattr(arrival, "folded", lambda *_of: True)
    arrived = iter([3, 5, 7, 9, 11, 11])
    client = SimpleNamespace(query=lambda _statement: SimpleNamespace(first_row=(next(arrived),)))
    assert arrival.settled(lambda: client, 2)
    assert next(arrived, None) is None


def test_edges_that_never_end_are_others_and_end_the_wait(monkeypatch):
    monkeypatch.setattr(arrival, "folded", lambda *_of: True)
    arrived = itertools.count()
    client = SimpleNamespace(query=lambda _statement: SimpleNamespace(first_row=(next(arrived),)))
    assert arrival.settled(lambda: client, 2, chains=0.2)
