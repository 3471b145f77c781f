"""The retriever's process: notifications that carry only an id are completed by asking the vendor.

It serves the vendors whose token is set, each by a coroutine of its own (completing.py), so that a
vendor that is slow or away holds nobody else up. How a vendor is asked is in asking.py, what it is
asked in the vendor's own file.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from typing import TYPE_CHECKING

from streams import connections
from streams.probe import BEAT_SECONDS
from streams.sources.registry import SOURCES, retrievable

from .completing import Retriever
from .persistent import Publisher

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.settings import Settings
    from streams.sources.retrieval import Retrieval
    from streams.sources.vendor import Vendor

log = logging.getLogger("leadstream.retriever")


def served(settings: Settings) -> list[tuple[Vendor, Retrieval]]:
    """Return the vendors whose token is set.

    Raises:
        ValueError: there is none, or a rate can't be read; the text names the settings.

    """
    known = [name for name, vendor in SOURCES.items() if vendor.retrieval]
    if strange := sorted(settings.rates("retriever_rates").keys() - set(known)):
        names = ", ".join(known)
        raise ValueError(f"LEADSTREAM_RETRIEVER_RATES: {strange[0]!r} is none of {names}")
    found = retrievable(settings.secret)
    if not found:
        tokens = [one.retrieval.token.name.upper() for one in SOURCES.values() if one.retrieval]
        raise ValueError(
            "no vendor's token is set, so there is nothing to retrieve: set one of "
            f"{', '.join(f'LEADSTREAM_{name}' for name in tokens)} (docs/retrievers.md)"
        )
    return found


class Service:
    """A process: one retriever for each vendor whose token is set."""

    def __init__(self, read: Callable[[], Settings]) -> None:
        """Read the settings by `read`, and again whenever a token is refused.

        Raises:
            ValueError: no token is set, or a setting can't be used; the text says which.

        """
        settings = read()
        connections.python_options(settings)  # raises now, rather than at each attempt to connect
        self._publisher = Publisher(settings)
        self._retrievers = [
            Retriever(vendor, retrieval, read, self._publisher)
            for vendor, retrieval in served(settings)
        ]
        self._stop = asyncio.Event()

    def waits_for(self) -> str:
        """Return what it waits for; "" where it works."""
        found = [self._publisher.failing, *(one.waits_for() for one in self._retrievers)]
        return "; ".join(filter(None, found))

    def stop(self) -> None:
        """Stop serving: what is under way is left to the next start."""
        self._stop.set()

    async def run(self, beat: Callable[[], None]) -> None:
        """Serve until a signal or `stop`; `beat` is called each second while nothing hangs."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ValueError, RuntimeError):  # only the main thread hears signals
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.stop)
        names = ", ".join(one.vendor.name for one in self._retrievers)
        log.info("retrieving what notifications name, of: %s", names)
        serving = asyncio.create_task(self._serve())
        while not self._stop.is_set() and not serving.done():
            if not any(one.hangs() for one in self._retrievers):
                beat()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), BEAT_SECONDS)
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving

    async def _serve(self) -> None:
        try:
            await self._publisher.start()
            async with asyncio.TaskGroup() as group:
                for one in self._retrievers:
                    group.create_task(one.run())
        finally:
            await self._publisher.stop()
