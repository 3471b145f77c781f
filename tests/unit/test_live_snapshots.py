"""One refresh serves all who ask the same; costly questions come seldom; the cache is bounded."""

import asyncio
import threading

import pytest

from streams.live import snapshots
from streams.live.snapshots import MOST, Snapshots


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def run(story):
    clock = Clock()

    async def go():
        return await story(Snapshots(clock), clock)

    return asyncio.run(go())


def test_many_who_ask_at_once_get_one_answer_of_one_question():
    async def story(board, clock):
        gate, asked = threading.Event(), []

        def ask():
            asked.append(1)
            assert gate.wait(10)
            return len(asked)

        waiting = [asyncio.create_task(board.get("q", ask)) for _ in range(20)]
        await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(*waiting), asked

    found, asked = run(story)
    assert {one.value for one in found} == {1}
    assert len(asked) == 1


async def settle(board):
    """Wait for what is being asked."""
    asking = [one.asking for one in board._entries.values() if one.asking]
    await asyncio.gather(*asking, return_exceptions=True)


def test_an_answer_serves_for_a_second_and_while_it_is_asked_again_nobody_waits():
    async def story(board, clock):
        seen = []
        for step in (0.0, 0.9, 0.2, 0.0, 0.9, 0.2, 0.0):
            clock.now += step
            seen.append((await board.get("q", lambda: "x")).number)
            await settle(board)
        return seen

    assert run(story) == [1, 1, 1, 2, 2, 2, 3]


def test_what_takes_long_is_asked_seldom_and_seldomer_the_more_questions_there_are():
    async def story(board, clock):
        def slow():
            clock.now += 2.0

        async def number():
            await board.get("slow", slow)
            await settle(board)
            return (await board.get("slow", slow)).number

        await board.get("slow", slow)
        seen = []
        # 2 s of work at three tenths of the time: every 7 s; with five questions every 34 s
        for others, passed in ((0, 6.0), (0, 1.0), (4, 30.0), (4, 4.0)):
            clock.now += passed
            for other in range(others):
                await board.get(other, lambda: None)
            await settle(board)
            seen.append(await number())
        return seen

    assert run(story) == [1, 2, 2, 3]


def test_a_failure_reaches_all_who_ask_until_it_is_due_again_and_the_next_answer_is_well():
    async def story(board, clock):
        def fail():
            raise ValueError("away")

        for _ in range(3):
            with pytest.raises(ValueError, match="away"):
                await board.get("q", fail)
        asked = board.asked
        clock.now += 2
        return asked, (await board.get("q", lambda: "well")).value

    assert run(story) == (1, "well")


def test_a_failure_that_took_long_is_tried_again_soon():
    async def story(board, clock):
        def time_out():
            clock.now += 10.0
            raise ValueError("away")

        with pytest.raises(ValueError, match="away"):
            await board.get("q", time_out)
        clock.now += 2.0
        return (await board.get("q", lambda: "well")).value

    assert run(story) == "well"


def test_the_cache_forgets_what_was_looked_at_longest_ago():
    async def story(board, clock):
        for number in range(MOST + 10):
            await board.get(number, lambda: None)
            await board.get(0, lambda: None)
        return list(board._entries)

    kept = run(story)
    assert len(kept) == MOST
    assert 0 in kept
    assert 1 not in kept


def test_a_visitor_who_leaves_takes_no_answer_from_another():
    async def story(board, clock):
        gate = threading.Event()

        def ask():
            assert gate.wait(10)
            return "x"

        one, two = (asyncio.create_task(board.get("q", ask)) for _ in range(2))
        await asyncio.sleep(0)
        one.cancel()
        gate.set()
        return (await two).value

    assert run(story) == "x"
    assert snapshots.SECONDS == 1.0
