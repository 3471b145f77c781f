"""A worker that turns each record into others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import ticks
from .commit import Out, send_all
from .deadletters import letter
from .logic import Effects, PayloadRejected, Rejected
from .worker import Hooks, Worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from faust.types import TP

    from .recovery import SafeApp


class Stateless(Worker):
    """Reads, turns each record into others, and keeps nothing but its offset. Ticks go behind the chunk's outputs."""

    def __init__(
        self,
        app: SafeApp,
        name: str,
        topics: Sequence[str],
        partitions: int,
        hooks: Hooks,
        deadletters: str,
        turn: Callable[[Any], Effects],
        tick_to: str | None,
        wait: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`turn` is pure: a record in, outputs out. `wait` may hold a chunk back (an import yields to live events)."""
        super().__init__(app, name, topics, partitions, hooks, deadletters)
        self.turn, self.tick_to, self.wait = turn, tick_to, wait

    async def handle(self, tp: TP, records: Sequence[Any], generation: int, event: Any) -> bool:
        fresh = await self.from_next(tp, records, self.position(tp, generation))
        if fresh is None:
            return self.drop(event)
        if self.wait:
            await self.wait()
        outs, told = self._turn_all(fresh)
        if told and self.tick_to:
            tick = ticks.Tick(told, tp.topic, tp.partition, self.partitions).dump()
            outs += [Out(self.tick_to, None, tick, partition) for partition in range(self.partitions)]
        await send_all(self.app.producer._ensure_producer(), outs, self.partitions)
        self.hooks.between("outputs sent")
        if generation != self.app.consumer_generation_id:
            return self.drop(event)
        self._next[tp] = (generation, records[-1].offset + 1)
        return True

    def _turn_all(self, records: Sequence[Any]) -> tuple[list[Out], int]:
        outs: list[Out] = []
        told = 0
        for record in records:
            tick = None if record.headers else ticks.read(record.value)  # a body from outside names its source; a tick does not
            if tick:
                if tick.now <= record.timestamp + ticks.AHEAD_MS:
                    told = max(told, tick.now)
                continue
            try:
                effects = self.turn(record)
            except PayloadRejected as error:
                effects = Effects(rejected=(Rejected(str(error), error.body),))
            except Exception as error:  # noqa: BLE001 - one record that breaks a rule must not stop the others
                effects = Effects(rejected=(Rejected(f"{type(error).__name__}: {error}"),))
            outs += effects.outs
            self.count(bool(effects.rejected) and not effects.outs)
            for part, refused in enumerate(effects.rejected):
                body = letter(record, part, refused.reason, "rejected", refused.body, self.name)
                outs.append(Out(self.deadletters, record.key or b"", body))
        return outs, told
