"""When a source is parked, where, and how it comes back."""

from faust.types import TP

from schemas import sources
from schemas.deadletters import RECEIVED_HEADER, REPLAY_HEADER
from schemas.sources import PARKED_HEADER
from streams.engine.breaker import Breakers, Limits
from tests.support.kafka import record

HERE, THERE = TP("lead.raw.crm", 0), TP("lead.raw.crm", 1)


def breakers(**limits):
    return Breakers("normalise", Limits(**limits), "lead.parked", "lead.sources")


def fed(made, dead, good=0, tp=HERE, source="hubspot", begin=0):
    """Count so many letters and then so many good records; return the states that were written."""
    outs = []
    for offset in range(begin, begin + dead + good):
        outs += made.count(
            tp,
            source,
            record(b"", tp.topic, partition=tp.partition, offset=offset),
            dead=offset < begin + dead,
        )
    return [sources.read(out.key, out.value) for out in outs]


def test_a_source_is_parked_behind_the_letter_that_is_too_many():
    (state,) = fed(breakers(), 100)
    found = (state.source, state.partition, state.state, state.offset)
    assert found == ("hubspot", 0, "parked", 100)


def test_few_letters_park_nobody_whatever_their_share():
    assert fed(breakers(), 99) == []


def test_many_letters_among_more_good_ones_park_nobody():
    made = breakers(window=1_000, share=0.5, least=100)
    for begin in range(0, 20_000, 20):
        assert fed(made, 9, 11, begin=begin) == []


def test_letters_of_long_ago_count_no_more():
    made = breakers(window=200, share=0.1, least=20)
    assert fed(made, 15, 400) == []
    assert fed(made, 15, begin=1_000) == []


def test_only_that_source_and_only_in_that_partition_is_parked():
    made = breakers()
    fed(made, 100)
    late = record(b"body", HERE.topic, b"k", [("h", b"v")], offset=150, timestamp=7)
    out = made.parks(HERE, "hubspot", late)
    assert (out.topic, out.key, out.value) == ("lead.parked", b"k", b"body")
    assert dict(out.headers) == {
        "h": b"v",
        PARKED_HEADER: b"lead.raw.crm:0:150",
        RECEIVED_HEADER: b"7",
    }
    assert made.parks(HERE, "segment", late) is None
    assert made.parks(THERE, "hubspot", late) is None


def test_whoever_takes_a_partition_over_parks_what_was_parked_and_nothing_before_it():
    heir = breakers()
    heir.restore(HERE, fed(breakers(), 100))
    assert heir.parks(HERE, "hubspot", record(b"", HERE.topic, offset=100))
    assert heir.parks(HERE, "hubspot", record(b"", HERE.topic, offset=99)) is None
    heir.restore(HERE, [])
    assert heir.parks(HERE, "hubspot", record(b"", HERE.topic, offset=100)) is None


def test_a_source_that_is_read_again_has_its_whole_measure_again():
    made = breakers()
    fed(made, 100)
    (out,) = made.resume(HERE, "hubspot", record(b"", HERE.topic, offset=200))
    assert sources.read(out.key, out.value).state == "read"
    assert made.parks(HERE, "hubspot", record(b"", HERE.topic, offset=201)) is None
    assert fed(made, 99, begin=201) == []


def test_a_record_that_is_parked_twice_keeps_when_it_came_first():
    made = breakers()
    fed(made, 100)
    again = record(b"", HERE.topic, headers=[(RECEIVED_HEADER, b"5")], offset=150, timestamp=9)
    assert dict(made.parks(HERE, "hubspot", again).headers)[RECEIVED_HEADER] == b"5"


def test_what_came_well_before_the_letters_counts_too():
    """The window began with the first letter: a hundred in a row parked a good source."""
    made = breakers(window=1_000, share=0.5, least=100)
    for offset in range(800):
        assert made.count(HERE, "hubspot", record(b"", HERE.topic, offset=offset), dead=False) == []
    assert fed(made, 500, begin=800) == []
    (state,) = fed(made, 1, begin=1_300)
    assert state.reason.startswith("501 of its last 1000")


def test_letters_that_a_person_sends_again_park_nobody():
    made = breakers(least=10)
    for offset in range(50):
        again = record(
            b"", HERE.topic, headers=[(REPLAY_HEADER, b"lead.raw.crm:0:1:0")], offset=offset
        )
        assert made.count(HERE, "hubspot", again, dead=True) == []
