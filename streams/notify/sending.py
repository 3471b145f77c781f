"""Senders: one for each channel of each recipient, so that none waits for another's.

A sender tries a message again with growing pauses for as long as its patience lasts, then gives it
up and counts as failing. While it fails it tries each message once, so that a channel that is away
for a day does not cost an hour a message; the first one that it takes makes it well.

A channel may take a message and the answer be lost, or this process die before it is written down.
Such a message is sent on, under its id, even if it does not stand any more, and is taken back
afterwards: else somebody would have heard of a lead and never that it was taken back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import stamina

from schemas.notify import CRM

from . import channels
from .deciding import channels_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.notice_book import Book
    from schemas.wire.models.notices import Notification

    from .wording import Words

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
HANGS_SECONDS = 120.0  # of one try: apprise's own limits are shorter
THREADS = 32
TAKEN, FAILED, REFUSED, STALE = "taken", "failed", "refused", "stale"

log = logging.getLogger("leadstream.notifier")


class Outcome(NamedTuple):
    """What a channel made of a message."""

    message: str
    channel: str
    what: str


class Failing(NamedTuple):
    """A channel that took nothing when it was tried last: since when (unix s), and why."""

    to: str
    channel: str
    since: float
    why: str


class Senders:
    """All senders of a notifier."""

    def __init__(
        self,
        words: Callable[[], Words],
        stands: Callable[[Notification], bool],
        secret: str,
        patience: float,
    ) -> None:
        """`words` gives the book as it is now; `patience` is how long (s) a message is tried.

        What does not stand any more and was certainly not taken is not tried again.
        """
        self._words, self._stands = words, stands
        self._secret, self._patience = secret, patience
        self._queues: dict[tuple[str, str], asyncio.Queue[tuple[Notification, bool]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(THREADS, "notices")
        self.outcomes: asyncio.Queue[Outcome] = asyncio.Queue()
        self.failing: dict[tuple[str, str], Failing] = {}

    def take(self, message: Notification, *, again: bool = False) -> None:
        """Send a message by each of its channels that has not taken it yet.

        `again` is one that may have been sent before this process began.
        """
        for channel in message.channels:
            if channel in (*message.taken, *message.failed):
                continue
            place = (message.to, channel)
            if place not in self._queues:
                self._queues[place] = asyncio.Queue()
                task = asyncio.create_task(self._run(*place))
                self._tasks.add(task)
            self._queues[place].put_nowait((message, again))

    async def stop(self) -> None:
        """End all; what was not taken is left to the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, to: str, channel: str) -> None:
        while True:
            message, again = await self._queues[to, channel].get()
            what = await self._patiently(to, channel, message, unsure=again)
            self.outcomes.put_nowait(Outcome(message.id, channel, what))

    async def _patiently(
        self, to: str, channel: str, message: Notification, *, unsure: bool
    ) -> str:
        """Try until it is taken, refused or stale, or the patience ends.

        A failing channel is tried once.
        """
        place = (to, channel)
        attempts = 1 if place in self.failing else None
        if not address_of(self._words().book, to, channel):
            log.warning("%s %s: the book does not name it any more", to, channel)
            return FAILED
        try:
            async for attempt in stamina.retry_context(
                on=channels.NotTaken,
                attempts=attempts,
                timeout=self._patience,
                wait_initial=FIRST_PAUSE,
                wait_max=LONGEST_PAUSE,
            ):
                if not unsure and not self._stands(message):
                    return STALE
                with attempt:
                    try:
                        await self._once(to, channel, message)
                    except channels.NotTaken as error:
                        unsure = unsure or not error.certain
                        raise
        except channels.NotTaken as error:
            self._fails(place, str(error))
            return FAILED
        except channels.Refused as error:
            log.warning("%s %s refused a message for good: %s", to, channel, error)
            return REFUSED
        except Exception as error:
            log.exception("%s %s: unexpected", to, channel)
            self._fails(place, type(error).__name__)
            return FAILED
        if self.failing.pop(place, None):
            log.info("%s %s takes messages again", to, channel)
        return TAKEN

    def _fails(self, place: tuple[str, str], why: str) -> None:
        since = self.failing[place].since if place in self.failing else time.time()
        self.failing[place] = Failing(*place, since, why)
        log.error("%s %s does not take messages: %s", *place, why)

    async def _once(self, to: str, channel: str, message: Notification) -> None:
        words = self._words()
        address = address_of(words.book, to, channel)
        if not address:
            raise channels.NotTaken("the book does not name this channel any more")
        loop = asyncio.get_running_loop()
        if to == CRM:
            work = loop.run_in_executor(
                self._threads, channels.post, address, self._secret, message, words
            )
        else:
            work = loop.run_in_executor(
                self._threads, channels.send, address, words.book.mail, message, words
            )
        try:
            async with asyncio.timeout(HANGS_SECONDS):
                await work
        except TimeoutError as error:
            with contextlib.suppress(asyncio.CancelledError):
                work.cancel()
            raise channels.NotTaken("it hangs") from error


def address_of(book: Book, to: str, channel: str) -> str:
    """Return the address of a channel by its name; empty where the book has another one there."""
    known, entry = channels_of(book, to), book.entry(to)
    return entry.to[known.index(channel)] if entry and channel in known else ""
