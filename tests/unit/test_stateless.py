"""What becomes of one raw record: read, parked, or one letter, however many parts of it are bad."""

import asyncio
from types import SimpleNamespace

from schemas import deadletters
from schemas.sources import SourceState
from streams.engine.breaker import Breakers, Limits
from streams.engine.commit import MAX_RECORD
from streams.engine.letters import Failures, Post
from streams.engine.logic import Effects, Rejected
from streams.engine.stateless import MOST_PARTS, Stateless, read_states
from streams.engine.worker import Hooks
from tests.support.kafka import record
from tests.support.records import HERE


def worker(turn, **limits):
    breakers = Breakers("normalise", Limits(**limits), "lead.parked", "lead.sources")
    post = Post("lead.deadletters", "normalise", lambda _record: "hubspot")
    return SimpleNamespace(
        post=post, breakers=breakers, turn=turn, hooks=Hooks(), failures=Failures("normalise")
    )


def kinds(outs):
    return [
        deadletters.described(out.headers).kind for out in outs if out.topic == "lead.deadletters"
    ]


def test_a_body_of_half_a_million_bad_parts_is_one_letter():
    """A letter for each filled the memory, and the worker was killed as hanging at each start."""
    bad = worker(lambda _record: Effects(rejected=tuple(Rejected("no") for _ in range(500_000))))
    outs = Stateless.one(bad, HERE, record(b"[0]", HERE.topic))
    assert kinds(outs) == ["refused"]
    assert deadletters.described(outs[0].headers).reason.startswith("500000 of its parts")
    few = worker(lambda _record: Effects(rejected=tuple(Rejected("no") for _ in range(MOST_PARTS))))
    assert len(Stateless.one(few, HERE, record(b"[0]", HERE.topic))) == MOST_PARTS


def test_a_record_of_a_parked_source_that_kafka_would_refuse_is_a_letter():
    """It came compressed: as it is, the broker would refuse it at each start again."""
    made = worker(lambda _record: Effects(), least=1, share=0.1)
    made.breakers.count(HERE, "hubspot", record(b"", HERE.topic, offset=0), dead=True)
    large = Stateless.one(made, HERE, record(b"x" * (MAX_RECORD + 1), HERE.topic, offset=5))
    assert set(kinds(large)) == {"too_large"}
    assert max(out.size for out in large) < MAX_RECORD
    (small,) = Stateless.one(made, HERE, record(b"x", HERE.topic, offset=6))
    assert small.topic == "lead.parked"


class Read:
    """A consumer of one partition that holds these records."""

    def __init__(self, records):
        self.records, self.at = records, 0

    async def start(self):
        pass

    async def stop(self):
        pass

    def assign(self, places):
        self.place = places[0]

    async def end_offsets(self, places):
        return dict.fromkeys(places, len(self.records))

    async def position(self, _place):
        return self.at

    async def getmany(self, timeout_ms):
        self.at = len(self.records)
        return {self.place: self.records}


def test_a_state_of_a_later_release_is_counted_and_the_others_are_read():
    state = SourceState(
        source="meta", topic="t", partition=0, state="parked", offset=1, at=1, worker="normalise"
    )
    later = state.model_dump_json().replace('"version":1', '"version":2').encode()
    records = [
        record(state.model_dump_json().encode(), key=state.key),
        record(later, key=state.key.replace(b"meta", b"google")),
        record(b"{}", key=b'["a later kind"]'),
        record(b"{}", key=b"no JSON"),
    ]
    unread = []
    assert asyncio.run(read_states(Read(records), "lead.sources", 1, unread.append)) == [state]
    assert unread == [3]
