"""How long an import waits for its own last event: as long as time moves, and no longer."""

import itertools
import time
from types import SimpleNamespace

import pytest

from streams.intake import arrival


def clickhouse(watermarks):
    """Answer as ClickHouse does: each question gets the next watermark, the last one repeats."""
    times = iter(watermarks)
    last = watermarks[0]

    def query(_statement, parameters):
        nonlocal last
        assert parameters == {"g": 1}
        last = next(times, last)
        return SimpleNamespace(result_rows=[(0, 1_000_000), (1, last)])

    return lambda: SimpleNamespace(query=query)


def test_a_busy_machine_is_waited_for_while_its_time_moves():
    began = time.monotonic()
    arrival.folded(clickhouse([1, 2, 3, 4, 5, 6]), 2, after_ms=5, seconds=0.5, generation=1)
    assert time.monotonic() - began > 0.5


def test_time_that_stands_is_given_up_and_the_partition_is_named():
    with pytest.raises(arrival.Stalled, match="partition 1 stands at 1970-01-01 00:00:02 UTC"):
        arrival.folded(clickhouse([1000, 2000, 2000]), 2, after_ms=5000, seconds=0.5, generation=1)


def test_a_partition_without_a_watermark_is_not_overlooked():
    with pytest.raises(arrival.Stalled, match="no cut of partition 2 has come yet"):
        arrival.folded(clickhouse([9]), 3, after_ms=5, seconds=0.3, generation=1)


def in_turn(*rounds):
    """Return what answers as ClickHouse does: in each round a time for each partition."""
    watermarks = itertools.chain(rounds, itertools.repeat(rounds[-1]))
    return lambda: SimpleNamespace(
        query=lambda _statement, parameters: SimpleNamespace(
            result_rows=[*enumerate(next(watermarks))]
        )
    )


def test_a_partition_is_waited_for_while_the_sink_serves_the_others():
    others = [(1, number) for number in range(5)]
    arrival.folded(in_turn(*others, (9, 9)), 2, after_ms=5, seconds=0.5, generation=1)


def test_but_not_for_ever():
    began = time.monotonic()
    moving = (((1, number),) for number in itertools.count())
    with pytest.raises(arrival.Stalled, match="partition 0 stands"):
        arrival.folded(
            lambda: SimpleNamespace(
                query=lambda *_, **__: SimpleNamespace(result_rows=[*enumerate(next(moving)[0])])
            ),
            2,
            5,
            0.3,
            1,
        )
    assert time.monotonic() - began < 0.3 * arrival.IN_TURN + 1


def test_a_clickhouse_that_refuses_is_named_with_what_it_says():
    def query(_statement, parameters):
        raise ValueError(f"too many questions {parameters['g']}")

    with pytest.raises(
        arrival.Stalled, match=r"ClickHouse does not answer \(ValueError: too many questions 1\)"
    ):
        arrival.folded(
            lambda: SimpleNamespace(query=query), 2, after_ms=5, seconds=0.3, generation=1
        )


def test_a_chain_of_merges_is_waited_for_as_long_as_edges_arrive(monkeypatch):
    """Edges go from neighbour to neighbour: three rounds were too few for a chain of a hundred."""
    monkeypatch.setattr(arrival, "folded", lambda *_of: None)
    arrived = iter([3, 5, 7, 9, 11, 11])
    client = SimpleNamespace(query=lambda _statement: SimpleNamespace(first_row=(next(arrived),)))
    arrival.settled(lambda: client, 2)
    assert next(arrived, None) is None


def test_edges_that_never_end_are_others_and_end_the_wait(monkeypatch):
    monkeypatch.setattr(arrival, "folded", lambda *_of: None)
    arrived = itertools.count()
    client = SimpleNamespace(query=lambda _statement: SimpleNamespace(first_row=(next(arrived),)))
    arrival.settled(lambda: client, 2, chains=0.2)
