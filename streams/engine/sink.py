"""A worker that is a sink. What it read is acknowledged only when the other side has it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.deadletters import LetterKind

from .commit import Out, send_all
from .letters import Post, letter
from .logic import MustAct
from .worker import Hooks, Worker, die

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from faust.types import TP

    from .recovery import SafeApp

# Records a second of an import or a catch-up, where larger writes matter more than latency.
BUSY = 5_000
THROUGHPUT = 10
SHORTEST = 0.02  # seconds between two writes

log = logging.getLogger("leadstream.engine")


class Refused(NamedTuple):
    """A record that a sink could not write, and why; `error` is one that broke a rule of ours."""

    record: Any
    kind: LetterKind
    reason: str
    error: Exception | None = None


class SinkWorker(Worker):
    """A sink: chunks are collected, written together, and acknowledged when they are durable."""

    def __init__(
        self,
        app: SafeApp,
        post: Post,
        topics: Sequence[str],
        partitions: int,
        hooks: Hooks,
        write: Callable[[Sequence[tuple[TP, Sequence[Any]]]], Sequence[Refused]],
        every: float = 0.2,
        most: int = 10_000,
    ) -> None:
        """Write each `every` seconds or `most` records, whichever comes first.

        `write` is run in a thread and blocks until all is durable. It returns the records that it
        could not write; they become dead letters before the acknowledgement.
        """
        super().__init__(app, post, topics, partitions, hooks)
        self.write, self.every, self.most = write, every, most
        self._waiting: list[tuple[TP, Sequence[Any], int, Any]] = []
        self._room, self._full = asyncio.Event(), asyncio.Event()
        self._room.set()
        app.task(self._run)

    async def handle(self, tp: TP, records: Sequence[Any], generation: int, event: Any) -> bool:
        fresh = await self.undone(tp, records, self.next_offset(tp, generation))
        if fresh is None:
            return self.drop(event)
        self.did(tp, generation, records)
        self._waiting.append((tp, fresh, generation, event))
        if sum(len(chunk[1]) for chunk in self._waiting) >= self.most:
            self._room.clear()
            self._full.set()
        await self._room.wait()
        return False

    async def _run(self) -> None:
        """Write at intervals until Faust cancels it.

        A worker that stops first waits until what it has read is acknowledged.
        """
        try:
            loop = asyncio.get_running_loop()
            began = loop.time()
            while True:
                before, began = began, loop.time()
                # Use a rate: after a slow write even light traffic fills a batch.
                rate = await self._flush() / max(began - before, 0.001)
                wait = self.every * (THROUGHPUT if rate > BUSY else 1)
                await self.app.wait(
                    self._full.wait(), timeout=max(SHORTEST, wait - (loop.time() - began))
                )
                if self.app.should_stop:
                    await asyncio.sleep(SHORTEST)  # the wait above ends at once from now on
        except asyncio.CancelledError:
            raise
        except MustAct as error:
            self.stop(str(error))
        except BaseException:
            log.exception("%s: unexpected", self.name)
            die(f"{self.name} ends: what was not written must not be acknowledged")

    async def _flush(self) -> int:
        batch, self._waiting = self._waiting, []
        self._full.clear()
        self._room.set()
        if not batch:
            return 0
        refused = await asyncio.to_thread(
            self.write, [(tp, records) for tp, records, _, _ in batch if records]
        )
        letters: list[Out] = []
        for one in refused:
            reason = one.reason if one.error is None else self.failures.log(one.record, one.error)
            made = letter(self.post, one.record, one.kind, reason)
            self.hooks.dead(self.post.source_of(one.record), made)
            letters += made
        if letters:
            await send_all(self.app.producer._ensure_producer(), letters, self.partitions)
        self.hooks.between("written")
        for _, records, generation, event in batch:
            self.hooks.count("read", len(records))
            if generation == self.app.consumer_generation_id:
                event.ack()
            else:
                self.drop(event)
        return sum(len(chunk[1]) for chunk in batch)
