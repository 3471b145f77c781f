"""Where a chunk stands against the next offset, for everything that a broker may hold."""

import pytest

from streams.engine.letters import Post
from streams.engine.position import Held, Kind, Position, position
from streams.engine.worker import Hooks, Worker
from tests.support.kafka import record
from tests.support.records import HERE

OPEN = Held(end=100)


def test_a_chunk_that_begins_with_the_next_offset_is_next():
    assert position(7, 9, 7, OPEN) == Position(Kind.NEXT, 7, 7)


def test_of_a_chunk_that_was_done_in_part_only_the_rest_is_undone():
    found = position(5, 9, 7, OPEN)
    assert found.kind is Kind.NEXT
    records = [record(b"", HERE.topic, offset=offset) for offset in range(5, 10)]
    assert [one.offset for one in found.undone(records)] == [7, 8, 9]


def test_a_chunk_that_was_done_whole_is_a_duplicate():
    found = position(5, 6, 7, OPEN)
    assert found.kind is Kind.DUPLICATE
    assert found.undone([record(b"", HERE.topic, offset=6)]) == []


def test_a_hole_is_sought_as_long_as_the_topic_may_have_it():
    assert position(9, 9, 7, Held(end=100, earliest=3)).kind is Kind.GAP
    assert position(9, 9, 7, Held(end=100, earliest=7)).kind is Kind.GAP


def test_a_hole_whose_records_are_gone_is_lost():
    found = position(9, 9, 7, Held(end=100, earliest=8))
    assert found == Position(Kind.LOST, 9, 7, 8)
    text = found.remedy(HERE, "advance@2")
    assert text.startswith(f"{HERE.topic}[{HERE.partition}] holds 8 and later, but 7 was not read")
    assert "`leadstream holes accept advance@2`" in text


def test_after_a_seek_a_chunk_from_before_it_is_outdated():
    assert position(9, 9, 7, Held(end=100, present=7)).kind is Kind.OUTDATED
    assert position(9, 9, 7, Held(end=100, present=8)).kind is Kind.OUTDATED


def test_a_hole_in_which_the_broker_has_no_record_is_none():
    """A transaction's marker, or what compaction removed."""
    assert position(9, 9, 7, Held(end=100, present=9)).kind is Kind.NEXT


@pytest.mark.parametrize(("end", "kind"), [(6, Kind.AHEAD), (7, Kind.DUPLICATE)])
def test_a_topic_that_ends_before_the_next_offset_was_made_again(end, kind):
    assert position(0, 2, 7, Held(end)).kind is kind


def test_a_topic_that_was_made_again_is_a_persons_to_restore():
    text = position(0, 2, 7, Held(5)).remedy(HERE, "resolve")
    assert "ends at 5, but 7 was to be read next: the topic was made again" in text


def test_an_end_that_is_not_known_yet_stops_nobody():
    assert position(7, 9, 7, Held(None)).kind is Kind.NEXT
    assert position(0, 2, 7, Held(None)).kind is Kind.DUPLICATE


class Idle(Worker):
    """A worker without a table that has no topics."""

    async def handle(self, tp, records, generation, event):
        raise NotImplementedError


def test_a_chunk_that_is_read_again_does_not_move_a_worker_back():
    """It went back to the end of the duplicate, and did all that lies between once more."""
    worker = Idle(None, Post("lead.deadletters", "normalise", str), [], 1, Hooks())
    worker.did(HERE, 1, [record(b"", HERE.topic, offset=offset) for offset in (8, 9)])
    worker.did(HERE, 1, [record(b"", HERE.topic, offset=5)])
    assert worker.next_offset(HERE, 1) == 10
    worker.did(HERE, 2, [record(b"", HERE.topic, offset=5)])  # another began from what is committed
    assert worker.next_offset(HERE, 2) == 6
