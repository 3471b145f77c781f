"""What resuming a parked source knows before it begins."""

import time

from schemas import topics
from schemas.sources import Moved, SourceState
from streams.operate.parked import lost

DAY = topics.DAY_MS


def state(days, what="parked"):
    at = int(time.time() * 1000) - int(days * DAY)
    return SourceState(
        source="meta",
        topic="lead.raw.ads",
        partition=0,
        state=what,
        offset=1,
        at=at,
        worker="normalise",
    )


def test_what_was_parked_within_the_topics_days_is_all_there_whatever_was_removed_before_it():
    assert lost({0: 500, 1: 0}, None, [state(13)]) == 0


def test_what_was_parked_longer_may_be_gone_as_far_as_the_topic_was_cut():
    assert lost({0: 500, 1: 40}, None, [state(15)]) == 540


def test_what_was_sent_again_before_is_not_gone():
    moved = Moved(source="meta", moved={0: 450, 1: 60}, at=1, by="ann")
    assert lost({0: 500, 1: 40}, moved, [state(15)]) == 50


def test_a_source_that_is_read_has_nothing_to_lose():
    assert lost({0: 500}, None, [state(15, "read")]) == 0
