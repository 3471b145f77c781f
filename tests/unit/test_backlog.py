"""How far a consumer is finished: offsets are committed in order, whatever finishes first."""

from hypothesis import given
from hypothesis import strategies as st

from streams.intake.backlog import Backlog


def test_what_waits_holds_the_offset_and_what_does_not_moves_it():
    backlog = Backlog()
    backlog.read("a", 0, waits=False)
    backlog.read("a", 1, waits=True)
    backlog.read("a", 2, waits=False)
    assert backlog.due() == {"a": 1}
    backlog.committed({"a": 1})
    assert (backlog.due(), backlog.advanced) == ({}, False)
    backlog.finish("a", 1)
    assert (backlog.due(), backlog.advanced) == ({"a": 3}, True)


def test_a_partition_that_was_lost_is_forgotten_and_its_late_ends_are_nobodys():
    backlog = Backlog()
    backlog.read("a", 5, waits=True)
    backlog.read("b", 5, waits=True)
    backlog.keep({"b"})
    backlog.finish("a", 5)
    backlog.finish("b", 5)
    assert backlog.due() == {"b": 6}


def test_a_partition_that_is_read_again_from_before_begins_again():
    backlog = Backlog()
    for offset in (5, 6):
        backlog.read("a", offset, waits=True)
    backlog.finish("a", 6)
    backlog.read("a", 5, waits=True)
    assert backlog.due() == {"a": 5}
    backlog.finish("a", 5)
    assert backlog.due() == {"a": 6}


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_no_offset_is_due_before_all_records_before_it_are_finished(waiting, random):
    backlog, open_ones = Backlog(), [offset for offset, waits in enumerate(waiting) if waits]
    for offset, waits in enumerate(waiting):
        backlog.read("a", offset, waits=waits)
    random.shuffle(open_ones)
    while open_ones:
        assert backlog.due().get("a", 0) <= min(open_ones)
        backlog.finish("a", open_ones.pop())
    assert backlog.due() == {"a": len(waiting)}
