"""Asking a vendor's API: at its rate, within a deadline, again when that helps, and no longer.

An answer is one of: taken; too many requests (wait as long as the vendor says); the vendor has a
fault (so many attempts, with growing pauses); the token is wrong (wait until it works, since
everything else would be refused too); the record is gone; this request will never be answered. Only
the last two, and attempts that ran out, end without the record.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import logging
import random
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from schemas.errors import LeadstreamError
from streams import metrics
from streams.sources.adapter import UNREADABLE, decoded, why
from streams.sources.retrieval import Ask, Verdict, named_error

from .buckets import refilled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streams.settings import Settings
    from streams.sources.retrieval import Retrieval
    from streams.sources.vendor import Vendor

LARGEST_ANSWER = 4_000_000  # bytes
MOST_PAGES = 100
LONGEST_WAIT = 3_600.0  # seconds; a vendor that says more is asked after so long
LOOPBACK = ("127.0.0.1", "localhost", "::1")

log = logging.getLogger("leadstream.retriever")


class NotRetrieved(LeadstreamError):  # noqa: N818 - it says what is missing and whose move it is
    """A record that the vendor does not return."""

    def __init__(self, what: str, text: str) -> None:
        """Keep `what`: gone, refused or given_up, as the metric has it."""
        super().__init__(text)
        self.what = what


class Pace:
    """A token bucket that can be held: until then nobody gets a turn. `clock` returns seconds."""

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Allow `rate` turns a second, and `burst` at once."""
        self._rate, self._burst, self._clock = rate, burst, clock
        self._turns, self._since, self._held = burst, clock(), 0.0

    def wait(self) -> float:
        """Take a turn and return 0, or return how many seconds to wait for one."""
        now = self._clock()
        if now < self._held:
            return self._held - now
        left, wait = refilled(self._turns, self._since, now, self._rate, self._burst)
        self._turns, self._since = left, now
        return wait

    async def turn(self) -> None:
        """Wait for a turn and take it."""
        wait = self.wait()
        while wait:
            await asyncio.sleep(wait)
            wait = self.wait()

    def hold(self, seconds: float) -> None:
        """Refuse turns for so many seconds from now."""
        self._held = max(self._held, self._clock() + seconds)


class _Reply(NamedTuple):
    status: int
    retry_after: float | None
    value: Any  # the JSON; None where it is none


class Asker:
    """Asks one vendor. `refused` says which setting to change, while its token is refused."""

    def __init__(self, vendor: Vendor, retrieval: Retrieval, read: Callable[[], Settings]) -> None:
        """Read the settings by `read`, later again: a token in a file may have changed.

        Raises:
            ValueError: the address, the token or a rate can't be used; the text names the setting.

        """
        self._vendor, self._retrieval, self._read = vendor, retrieval, read
        self._settings = settings = read()
        self._base = address(settings, retrieval)
        default = (retrieval.rate, max(1.0, retrieval.rate))
        self.pace = Pace(*settings.rates("retriever_rates").get(vendor.name, default))
        self._token = token(settings, retrieval)
        self._client = httpx.AsyncClient(timeout=settings.retriever_deadline)
        self._free = asyncio.Semaphore(settings.retriever_parallel)
        self.refused = ""

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _count(self, what: str) -> None:
        metrics.RETRIEVALS.labels(self._vendor.name, what).inc()

    async def complete(self, ask: Ask, publish: Callable[[bytes], Awaitable[None]]) -> None:
        """Get a record, page by page, and publish the bodies that each page makes.

        Raises:
            NotRetrieved: the vendor does not return it.

        """
        following: Ask | None = ask
        for _ in range(MOST_PAGES):
            if following is None:
                return
            value = await self._answer(following)
            try:
                found = self._retrieval.answers(following, value)
            except UNREADABLE as error:
                raise NotRetrieved("refused", f"the answer can't be read: {why(error)}") from error
            for body in found.bodies:
                await publish(body)
            following = found.following
        if following is not None:
            raise NotRetrieved("refused", f"it has more than {MOST_PAGES} pages")

    async def _answer(self, ask: Ask) -> Any:
        """Return the JSON of an answer; None for a missing record that is not needed."""
        failed = limited = 0
        while True:
            async with self._free:
                reply, trouble = await self._once(ask)
            verdict = self._judge(reply)
            match verdict:
                case Verdict.TAKEN:
                    self._works()
                    return reply.value
                case Verdict.LATER:
                    self._count("limited")
                    limited += 1
                    self.pace.hold(reply.retry_after or self._pause(limited))
                case Verdict.TOKEN:
                    self._refuse(reply)
                case Verdict.AGAIN:
                    failed += 1
                    if failed >= self._settings.retriever_attempts:
                        raise NotRetrieved(
                            "given_up",
                            f"{trouble or self._named(reply)}, {failed} times: "
                            "replay the letter once the vendor is well",
                        )
                    self._count("retried")
                    await asyncio.sleep(max(self._pause(failed), reply.retry_after or 0.0))
                case _:
                    self._works()
                    if not ask.needed:
                        return None
                    what = "gone" if verdict is Verdict.GONE else "refused"
                    raise NotRetrieved(what, self._named(reply))

    def _judge(self, reply: _Reply) -> Verdict:
        if not reply.status:
            return Verdict.AGAIN
        verdict = self._retrieval.judged(reply.status, reply.value)
        broken = verdict is Verdict.TAKEN and reply.value is None
        return Verdict.AGAIN if broken else verdict  # a proxy's page, half an answer

    def _named(self, reply: _Reply) -> str:
        word = named_error(reply.value)
        return f"{self._vendor.name} answers {reply.status}{f' ({word})' if word else ''}"

    def _pause(self, failed: int) -> float:
        """Return a pause (seconds) that doubles, up to the longest, of which half is chance."""
        first, longest = self._settings.retriever_pause, self._settings.retriever_longest
        full: float = min(longest, first * 2 ** min(max(0, failed - 1), 30))
        return full * (0.5 + random.random() / 2)

    def _works(self) -> None:
        if self.refused:
            log.info("%s takes the token again", self._vendor.name)
        self.refused = ""
        metrics.TOKEN_REFUSED.labels(self._vendor.name).set(0)

    def _refuse(self, reply: _Reply) -> None:
        """Hold all requests, since none would be answered, and read the token again."""
        self._count("token_refused")
        name = f"LEADSTREAM_{self._retrieval.token.name.upper()}"
        text = f"{self._named(reply)} to the token: set {name} to {self._retrieval.token.meaning}"
        if text != self.refused:
            log.warning("%s; its notifications wait", text)
        self.refused = text
        metrics.TOKEN_REFUSED.labels(self._vendor.name).set(1)
        with contextlib.suppress(ValueError, OSError):  # a file that is being replaced
            self._token = token(self._read(), self._retrieval) or self._token
        self.pace.hold(self._settings.retriever_token_pause)

    async def _once(self, ask: Ask) -> tuple[_Reply, str]:
        """Send one request; return its answer, and why there is none where there is none."""
        await self.pace.turn()
        self._count("asked")
        try:
            async with asyncio.timeout(self._settings.retriever_deadline):
                return await self._sent(ask), ""
        except TimeoutError:
            seconds = f"{self._settings.retriever_deadline:g}"
            return _Reply(0, None, None), f"{self._vendor.name} does not answer within {seconds} s"
        except (httpx.HTTPError, OSError) as error:
            kind = type(error).__name__
            return _Reply(0, None, None), f"{self._vendor.name} can't be reached ({kind})"

    async def _sent(self, ask: Ask) -> _Reply:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # a compressed answer has no bound
            **dict(ask.headers),
        }
        request = self._client.stream(
            "GET", self._base + ask.path, params=ask.params, headers=headers
        )
        async with request as response:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > LARGEST_ANSWER:
                    text = f"its answer is larger than {LARGEST_ANSWER} bytes"
                    raise NotRetrieved("refused", text)
        try:
            value = decoded(bytes(body))
        except ValueError:
            value = None
        return _Reply(response.status_code, retry_after(response.headers.get("retry-after")), value)


def retry_after(header: str | None) -> float | None:
    """Return the seconds of Retry-After, a number or a date (RFC 9110); None if unreadable."""
    if not header:
        return None
    if header.isascii() and header.isdigit():
        return min(float(header[:10]), LONGEST_WAIT)
    try:
        until = email.utils.parsedate_to_datetime(header)
    except (ValueError, TypeError):
        return None
    return min(max(0.0, until.timestamp() - time.time()), LONGEST_WAIT)


def token(settings: Settings, retrieval: Retrieval) -> str:
    """Return the vendor's token that is set now, "" where none is.

    Raises:
        ValueError: it holds what no header can.

    """
    found = next(iter(settings.secret(retrieval.token.name)), "").strip()
    if not all("!" <= letter <= "~" for letter in found):
        name = f"LEADSTREAM_{retrieval.token.name.upper()}"
        raise ValueError(f"{name} is no token: it holds a blank, a line's end or no ASCII")
    return found


def address(settings: Settings, retrieval: Retrieval) -> str:
    """Return the API's address, without a slash at its end.

    Raises:
        ValueError: there is none, or a token would travel readable.

    """
    option = retrieval.address
    name = f"LEADSTREAM_{option.name.upper()}"
    found = (settings.option(option.name) or option.default).rstrip("/")
    try:
        url = urlsplit(found)
        secure = url.scheme == "https" or (url.scheme == "http" and url.hostname in LOOPBACK)
        good = secure and bool(url.hostname) and not (url.query or url.fragment or url.username)
        url.port  # noqa: B018 - it raises where it is none
    except ValueError:  # an open bracket, a port that is no number
        good = False
    if not good:
        raise ValueError(f"{name} is no address of https: set it to {option.meaning}")
    return found
