"""Who comes when, and which bodies are due: a Poisson process at one daily rate.

What is past at the start is history and what comes later is live, and nothing else differs: the
same people go on, and new ones come at the same rate. Time is an argument of everything here;
nothing sleeps.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from . import person
from .faults import Delivery, Faults, deliveries
from .hours import DAY, HOUR, WEEK, busy, local, wall
from .posts import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator

RATE = 400.0  # people a day, of whom most only look around: some 200 bodies in a busy hour
HISTORY_DAYS = 45  # so that some customers are older than the 30 days that onboarding may take
_STREAM, _OF_DAY = 10_000_000, 4_000  # numbers of the people of one stream, and of one of its days
_REPORTS = 6  # the hour at which ad accounts report the day before


class Window(NamedTuple):
    """From when to when (ms) so many times as many people come."""

    start: int
    end: int
    times: int


class Arrival(NamedTuple):
    """Somebody who comes."""

    at: int
    who: Identity


@dataclass(frozen=True)
class Market:
    """A market: a function of these values. `run` keeps two markets' ids apart; `began` is ms."""

    seed: int
    run: int
    began: int
    faults: Faults = Faults()  # noqa: RUF009 - frozen
    denser: tuple[Window, ...] = ()
    rate: float = RATE

    def with_denser(self, window: Window) -> Market:
        """Return the market with more people in a window; everybody else comes all the same."""
        return replace(self, denser=(*self.denser, window)) if window.times > 1 else self

    def arrivals(self, start: int, end: int) -> Iterator[Arrival]:
        """Yield who comes from `start` to before `end`, day by day, in no order within a day."""
        day, first = local(max(start, self.began)).date(), local(self.began).date()
        while (midnight := wall(day, 0)) < end:
            number, after = (day - first).days, wall(day + timedelta(days=1), 0)
            for arrival in self._of_day(number, midnight, after):
                if max(start, self.began) <= arrival.at < end:
                    yield arrival
            day += timedelta(days=1)

    def _of_day(self, number: int, midnight: int, after: int) -> Iterator[Arrival]:
        reports = midnight + _REPORTS * HOUR
        yield Arrival(reports, Identity(self.run, number * _OF_DAY))
        yield from self._stream(0, number, midnight, after)
        for window in self.denser:
            if window.start < after and window.end > midnight:
                for stream in range(1, window.times):
                    for arrival in self._stream(stream, number, midnight, after):
                        if window.start <= arrival.at < window.end:
                            yield arrival

    def _stream(self, stream: int, number: int, midnight: int, after: int) -> Iterator[Arrival]:
        """Yield a day's people of one stream: the busiest hour's process, thinned out elsewhere."""
        rng = random.Random(f"{self.seed}-{self.run}-{stream}-{number}")
        gap, at, count = DAY / 24 * WEEK / 7 / self.rate, float(midnight), 0
        while (at := at + rng.expovariate(1 / gap)) < after:
            moment = local(int(at))
            if rng.random() < busy(moment.hour, moment.weekday()) and count + 1 < _OF_DAY:
                count += 1
                yield Arrival(
                    int(at), Identity(self.run, stream * _STREAM + number * _OF_DAY + count)
                )

    def deliveries(self, arrival: Arrival) -> tuple[Delivery, ...]:
        """Make what arrives of one person, in its order."""
        make = person.way if arrival.who.place % _OF_DAY else person.accounts
        posts = make(self.seed, arrival.who, arrival.at)
        return deliveries(f"{self.seed}-{arrival.who.name}", posts, self.faults)


class Course(NamedTuple):
    """One person's deliveries, of which so many were made."""

    who: Identity
    deliveries: tuple[Delivery, ...]
    made: int

    @property
    def due(self) -> int:
        """When the next one is due (ms)."""
        return self.deliveries[self.made].due


class Agenda:
    """The coming deliveries, the next ones first; it asks the market who comes in an hour."""

    def __init__(self, market: Market, until: int) -> None:
        """Everybody who came before `until` (ms) is on it already, or never will be: see `add`."""
        self.market, self.until = market, until
        self._heap: list[tuple[int, int, Course]] = []

    def add(self, course: Course) -> None:
        """Put somebody on it, if there is more to come."""
        if course.made < len(course.deliveries):
            heapq.heappush(self._heap, (course.due, course.who.place, course))

    def _reach(self, moment: int) -> None:
        while self.until <= moment:
            start, self.until = self.until, self.until + HOUR
            for arrival in self.market.arrivals(start, self.until):
                self.add(Course(arrival.who, self.market.deliveries(arrival), 0))

    def take(self, now: int) -> list[Course]:
        """Take whoever has something due; give them back by `add` once it was made."""
        self._reach(now)
        found = []
        while self._heap and self._heap[0][0] <= now:
            found.append(heapq.heappop(self._heap)[2])
        return found

    def next(self, now: int) -> Delivery:
        """Return what comes next, at `now` or later."""
        self._reach(now)
        while not self._heap:
            self._reach(self.until)
        course = self._heap[0][2]
        return course.deliveries[course.made]

    @property
    def waiting(self) -> int:
        """How many people have more to come."""
        return len(self._heap)


def known(market: Market, until: int, now: int) -> Iterator[Arrival]:
    """Yield who came before `now` and may have something due after `until`, or to come."""
    for arrival in market.arrivals(until - person.LONGEST, now):
        lasting = arrival.who.place % _OF_DAY == 0 or not person.visits(market.seed, arrival.who)
        if lasting or arrival.at + person.LONGEST_VISIT > until:
            yield arrival


def course(market: Market, arrival: Arrival, until: int, made: int) -> Course:
    """Return somebody's deliveries: all due by `until` were made, and at least so many."""
    found = market.deliveries(arrival)
    return Course(arrival.who, found, max(made, sum(one.due <= until for one in found)))
