"""Plays a market against the gateway: signed bodies over HTTP, each when it is due.

A person's bodies go out one after the other, many people's at once. What was made, and how often
it was taken, goes to the ledger; how far the market came is kept in `played`, so that another run
goes on from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import orjson

from streams.sources.registry import SOURCES

from .ledger import Ledger
from .market import schedule
from .market.person import visits
from .market.schedule import Agenda, Arrival, Course, Window
from .market.web import joined
from .sending import Sent, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .market.posts import Post
    from .played import Played

AT_ONCE, TRIES = 24, 5
_CHUNK = 50  # people whose past is made by one hand before it asks whether to stop
_LOOKS = 0.25  # seconds between two looks at what is due
_FOREVER = 1 << 50


def now_ms() -> int:
    """Return the present (ms)."""
    return int(time.time() * 1000)


class Last(NamedTuple):
    """The last body that was taken: when (ms), and which."""

    at: int
    post: Post


class Simulator:
    """Posts what people do. `environment` holds the stack's address and the vendors' secrets."""

    def __init__(
        self,
        environment: dict[str, str],
        played: Played,
        connect: Callable[[], httpx.AsyncClient] = lambda: httpx.AsyncClient(timeout=30),
    ) -> None:
        self._connect = connect
        self.environment, self.played = environment, played
        self.base, self.public = (
            environment["LEADSTREAM_GATEWAY_URL"],
            environment["LEADSTREAM_PUBLIC_URL"],
        )
        self.ledger = Ledger()
        self.last: Last | None = None
        self.agenda = Agenda(played.market, 0)
        # Of who has more to come: the course, and how much of it was made before this run.
        self._courses: dict[int, tuple[Course, int]] = {}
        self._before = {index: dict(one) for index, one in played.short.items()}

    # ---------------------------------------------------------------- the past
    async def history(
        self, now: int, step: Callable[[int, int], None], stop: asyncio.Event
    ) -> None:
        """Make all that was due by `now` (ms); `step` gets the people done, and their number."""
        played, market = self.played, self.played.market
        self.agenda = Agenda(market, now)
        people = list(schedule.known(market, played.until, now))
        chunks = iter([people[place : place + _CHUNK] for place in range(0, len(people), _CHUNK)])
        done = 0
        async with self._connect() as client:

            async def hand() -> None:
                nonlocal done
                for chunk in chunks:
                    if stop.is_set():
                        return
                    await self._past(client, chunk, now, stop)
                    done += len(chunk)
                    step(done, len(people))

            await asyncio.gather(*(hand() for _ in range(AT_ONCE)))
        if not stop.is_set():
            played.until, played.made = now, {}

    async def _past(
        self, client: httpx.AsyncClient, chunk: list[Arrival], now: int, stop: asyncio.Event
    ) -> None:
        played, visitors = self.played, []
        for arrival in chunk:
            made = played.made.get(arrival.who.place, 0)
            course = schedule.course(played.market, arrival, played.until, made)
            if visits(played.market.seed, arrival.who):
                visitors.append(course)
            else:
                self._begin(course)
                self._end(await self._make(client, course, now, stop))
        await self._visitors(client, visitors, now)

    async def _visitors(self, client: httpx.AsyncClient, courses: list[Course], now: int) -> None:
        """Make visits: their pages go out many in a body, as trackers send what has gathered."""
        places = [
            (course, place)
            for course in courses
            for place in range(course.made, len(course.deliveries))
        ]
        due = [(course, place) for course, place in places if course.deliveries[place].due <= now]
        pages = [one for one in due if one[0].deliveries[one[1]].post.anonymous]
        for course, place in due:
            if not course.deliveries[place].post.anonymous:
                await self._deliver(client, course, place)
        taken = Counter[int]()
        times = [course.deliveries[place].times for course, place in pages]
        for again in range(max(times, default=0)):
            coming = [one for one, most in enumerate(times) if most > again]
            posts = [pages[one][0].deliveries[pages[one][1]].post for one in coming]
            for post, held in joined(posts):
                if await self._post(client, post):
                    taken.update(coming[one] for one in held)
        for one, (course, place) in enumerate(pages):
            if taken[one] < times[one]:
                self.played.short.setdefault(course.who.place, {})[place] = taken[one]
        for course in courses:
            self._begin(course)
            self._end(course._replace(made=course.made + sum(other is course for other, _ in due)))

    # ---------------------------------------------------------------- the present
    async def live(self, until: float, speed: int, stop: asyncio.Event) -> None:
        """Make what falls due until a monotonic time, with `speed` times as many new people."""
        played = self.played
        if speed > 1:
            played.market = self.agenda.market = played.market.with_denser(
                Window(self.agenda.until, _FOREVER, speed)
            )
        tasks: set[asyncio.Task[None]] = set()
        reached = played.until
        async with self._connect() as client:
            while time.monotonic() < until and not stop.is_set():
                reached = now_ms()
                for course in self.agenda.take(reached):
                    tasks.add(asyncio.create_task(self._due(client, course, reached)))
                over = {task for task in tasks if task.done()}
                tasks -= over
                await asyncio.gather(*over)  # raises what went wrong
                left = min(_LOOKS, max(0.0, until - time.monotonic()))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), left)
            await asyncio.gather(*tasks)
        played.until, played.made = reached, {}
        denser = tuple(one._replace(end=min(one.end, reached)) for one in played.market.denser)
        played.market = replace(played.market, denser=denser)

    async def _due(self, client: httpx.AsyncClient, course: Course, now: int) -> None:
        if course.who.place not in self._courses:
            self._begin(course)
        self._end(await self._make(client, course, now, asyncio.Event()))

    # ---------------------------------------------------------------- one person
    async def _make(
        self, client: httpx.AsyncClient, course: Course, now: int, stop: asyncio.Event
    ) -> Course:
        """Make what is due of one person, in order."""
        while course.made < len(course.deliveries) and course.due <= now and not stop.is_set():
            await self._deliver(client, course, course.made)
            course = course._replace(made=course.made + 1)
        return course

    def _begin(self, course: Course) -> None:
        self._courses.setdefault(course.who.place, (course, course.made))

    def _end(self, course: Course) -> None:
        """Put somebody back on the agenda, or close the person's account."""
        index = course.who.place
        first = self._courses[index][1]
        self._courses[index] = course, first
        if course.made > first:
            self.played.made[index] = course.made
        if course.made < len(course.deliveries):
            self.agenda.add(course)
        else:
            self._close(index)

    def _close(self, index: int) -> None:
        course, first = self._courses.pop(index)
        if course.made > first:
            before, after = self._before.get(index, {}), self.played.short.get(index, {})
            self.ledger.add(_taken(course, first, before), _taken(course, course.made, after))

    def close(self) -> None:
        """Close all accounts: the ledger is complete, and the market can be kept."""
        for index in list(self._courses):
            self._close(index)

    # ---------------------------------------------------------------- one body
    async def _deliver(self, client: httpx.AsyncClient, course: Course, place: int) -> None:
        """Send a delivery as often as it comes; what was not taken each time is noted."""
        post, times = course.deliveries[place].post, course.deliveries[place].times
        taken = 0
        for attempt in range(times):
            taken += await self._post(client, post, attempt)
        if taken < times:
            self.played.short.setdefault(course.who.place, {})[place] = taken

    async def _post(self, client: httpx.AsyncClient, post: Post, attempt: int = 0) -> bool:
        path, sent = self._signed(post, attempt)
        for _ in range(TRIES):
            try:
                answer = await client.post(
                    f"{self.base}{path}", content=sent.body, headers=sent.headers, params=sent.query
                )
            except httpx.HTTPError:
                await asyncio.sleep(1)
                continue
            if answer.status_code not in (429, 503):
                break
            await asyncio.sleep(float(answer.headers.get("retry-after", "1")))
        else:
            self.ledger.refused += 1
            return False
        if answer.status_code != httpx.codes.ACCEPTED:
            self.ledger.refused += 1
            return False
        self.ledger.published[post.source] += 1
        self.last = Last(now_ms(), post)
        return True

    def _signed(self, post: Post, attempt: int) -> tuple[str, Sent]:
        """Sign a body as its vendor does; return the path that it goes to."""
        vendor, spend = SOURCES[post.source.removesuffix("-spend")], post.source.endswith("-spend")
        route = next((one for one in vendor.routes if ("/spend/" in one.path) is spend), None)
        proven = route is not None and route.proof is not None
        name = vendor.secrets[0].name if proven else "ingest_token"
        secret, path = (
            self.environment[f"LEADSTREAM_{name.upper()}"],
            route.path if route else "/v1/events",
        )
        proof = vendor.name if proven else ""
        return path, signed(
            proof, secret, _written(post, attempt), f"{self.public}{path}", now_ms()
        )


def _taken(course: Course, made: int, short: dict[int, int]) -> Iterator[tuple[Post, int]]:
    """Yield what was made of a course up to a place, each with how often it was taken."""
    for place, one in enumerate(course.deliveries[:made]):
        yield one.post, short.get(place, one.times)


def _written(post: Post, attempt: int) -> bytes:
    body: Any = post.body
    if isinstance(body, str):
        return body.encode()
    if post.source == "hubspot" and isinstance(body, list):
        body = [{**event, "attemptNumber": attempt} for event in body]
    return orjson.dumps(body)
