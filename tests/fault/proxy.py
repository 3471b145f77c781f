"""A network that misbehaves: a TCP proxy whose mood is changed while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Mood = Literal["pass", "slow", "cut", "hole", "refuse", "mute"]
_CHUNK = 262_144
_QUIET = 0.05  # seconds without a byte: the request is whole
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy"


class Proxy:
    """Forwards connections from `port` to wherever `target` says, in one of these moods.

    pass: as it comes. slow: each piece is late by `delay`. cut: connections end, also new ones.
    hole: connections stay, and nothing comes through. refuse: HTTP requests are answered with 503.
    mute: requests pass, and at the first byte of the answer the connection ends.
    """

    def __init__(self, port: int, target: Callable[[], int], delay: float = 0.2) -> None:
        self.port, self._target, self._delay = port, target, delay
        self._mood: Mood = "pass"
        self._trap: tuple[bytes, Callable[[], None]] | None = None
        self._loop = asyncio.new_event_loop()
        self._opened: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        listening = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(listening,), name=f"proxy-{port}", daemon=True
        )
        self._thread.start()
        assert listening.wait(10), f"port {port} can't be opened"

    def feel(self, mood: Mood) -> None:
        """Change the mood; what hung in a hole goes on."""
        self._loop.call_soon_threadsafe(self._change, mood)

    def at(self, text: bytes, do: Callable[[], None]) -> None:
        """Do something once, as soon as a request with these bytes has been passed on."""
        self._trap = (text, do)

    def close(self) -> None:
        """End."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _change(self, mood: Mood) -> None:
        self._mood = mood
        (self._flows.clear if mood == "hole" else self._flows.set)()
        if mood in ("cut", "refuse"):
            for writer in list(self._opened):
                writer.transport.abort()

    def _run(self, listening: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self.port))
        listening.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._opened.add(writer)
        there = None
        try:
            if self._mood == "cut":
                return
            if self._mood == "refuse":
                await self._refuse(reader, writer)
                return
            from_there, there = await asyncio.open_connection("127.0.0.1", self._target())
            self._opened.add(there)
            ways = [
                asyncio.ensure_future(self._copy(*way))
                for way in ((reader, there, False), (from_there, writer, True))
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
        except OSError:
            pass  # the server is away: the connection ends, as it would without us
        finally:
            for one in (writer, there):
                if one is not None:
                    self._opened.discard(one)
                    with contextlib.suppress(OSError):
                        one.transport.abort() if self._mood == "cut" else one.close()

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self._mood == "mute" and answers:
                    return
                if self._mood == "slow":
                    await asyncio.sleep(self._delay)
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
                if self._trap and not answers and self._trap[0] in data:
                    (_, do), self._trap = self._trap, None
                    await asyncio.to_thread(do)

    @staticmethod
    async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await reader.read(_CHUNK):
            return
        with contextlib.suppress(TimeoutError, OSError):
            while await asyncio.wait_for(reader.read(_CHUNK), _QUIET):
                pass
        with contextlib.suppress(OSError):
            writer.write(_BUSY)
            await writer.drain()
