"""An import yields to live events."""

from streams.agents.pace import behind


def test_an_import_waits_while_any_partition_is_more_than_two_seconds_behind_or_unheard_of():
    assert behind({}, 2, 10_000)
    assert behind({0: 10_000}, 2, 10_000)
    assert behind({0: 10_000, 1: 7_999}, 2, 10_000)
    assert not behind({0: 10_000, 1: 8_000}, 2, 10_000)
