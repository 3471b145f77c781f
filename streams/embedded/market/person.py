"""A person's way: how they come, what marketing, sales and customer success do with them.

Waits are those of firms: minutes to a call, hours to a decision, weeks to a signature, in working
hours. Most is done in time, some is not, so that each clock of the default funnel is met by most
and breached by some.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from . import ads, crm, web
from .hours import DAY, HOUR, MINUTE, local, office, worked
from .others import Automation, Calendar, Success
from .posts import Identity, Post
from .readiness import NO_FIT, NOT_READY, ready_at

if TYPE_CHECKING:
    from collections.abc import Iterator


VISITORS = 0.945  # of all who come: they look around, and never say who they are
LONGEST, LONGEST_VISIT = 150 * DAY, 2 * DAY  # with what comes late a way is over by then
POINTS_STAND = 80 * DAY  # what somebody does is worth less later: nobody is written to so long
_COME = {"web": 52, "meta": 13, "google": 10, "linkedin": 8, "calendly": 7, "cold": 10}
_TEST = 0.04  # of the leads of ads: somebody tries the form
_HOT, _ADS = ("demo_form", "contact_form"), ("meta", "google", "linkedin")


def way(seed: int, who: Identity, start: int) -> tuple[Post, ...]:
    """Make all bodies of a person who comes at `start` (ms), in the order of their dates."""
    rng = _dice(seed, who)
    if _visits(rng):
        return tuple(_visit(web.Browser(who, rng), rng, start, _pages(rng)))
    return tuple(sorted(_Lead(who, rng, start).live(), key=lambda post: post.at))


def visits(seed: int, who: Identity) -> bool:
    """Return whether somebody looks around and no more: a way that is over within hours."""
    return _visits(_dice(seed, who))


def _visits(rng: random.Random) -> bool:
    return rng.random() < VISITORS


def _dice(seed: int, who: Identity) -> random.Random:
    return random.Random(f"{seed}-{who.name}")


def accounts(seed: int, who: Identity, start: int) -> tuple[Post, ...]:
    """Make what the ad accounts report on the morning of `start`: the costs of the day before."""
    return tuple(ads.costs(local(start - DAY).date(), start, _dice(seed, who)))


def _pages(rng: random.Random) -> int:
    return min(24, 1 + int(rng.expovariate(1 / 4)))


def _visit(browser: web.Browser, rng: random.Random, at: int, pages: int) -> Iterator[Post]:
    for _ in range(pages):
        yield browser.page(at)
        at += int(rng.expovariate(1 / (0.8 * MINUTE))) + 1_000


class _Lead:
    """Somebody who says who they are."""

    def __init__(self, who: Identity, rng: random.Random, start: int) -> None:
        self.who, self.rng, self.start = who, rng, start
        self.browser = web.Browser(who, rng)
        self.system = rng.choices(crm.SYSTEMS, crm.SHARES)[0](who, rng)

    def _after(self, at: int, hours: float) -> int:
        """Return when somebody gets round to it: working hours, `hours` on average."""
        return worked(at, self.rng.expovariate(1 / hours)) + self.rng.randrange(1, MINUTE)

    def _luck(self, share: float) -> bool:
        return self.rng.random() < share

    def live(self) -> Iterator[Post]:
        """Live the whole way: what the person does decides when sales gets to hear of it."""
        come = self.rng.choices(list(_COME), list(_COME.values()))[0]
        if come == "cold":
            yield from self._cold()
            return
        test = come in _ADS and self._luck(_TEST)
        done = list(self._comes(come, test=test))
        if not test:
            known = max(post.at for post in done)
            done += [*self._nurtured(known), *self._returns(known)]
        yield from done
        meanings = [meaning for post in done for meaning in post.meanings]
        ready = ready_at(meanings)
        if ready is not None and not test and self._luck(0.94):
            hot = any(one.kind in _HOT for one in meanings if one.at <= ready)
            yield from self._handed(max(ready, self.start), hot=hot)

    def _comes(self, come: str, *, test: bool) -> Iterator[Post]:
        """Name oneself."""
        rng, known = self.rng, self.start
        if come == "web":
            form = rng.choices(("demo", "contact", "ebook"), (20, 10, 70))[0]
            for post in _visit(self.browser, rng, self.start, rng.randint(0, 5)):
                known = post.at + MINUTE
                yield post
            yield self.browser.form(known, form)
        elif come == "google":
            yield ads.google(self.who, self.start, test=test)
        elif come == "calendly":
            yield from self._booking(self.start)
        else:
            later = self.start + rng.randrange(2_000, 2 * MINUTE)
            make = ads.meta if come == "meta" else ads.linkedin
            yield from make(self.who, self.start, later, test=test)

    def _booking(self, at: int) -> Iterator[Post]:
        calendar, end = Calendar(self.who), self.rng.random()
        yield calendar.booked(at)
        if end < 0.15:
            yield calendar.cancelled(at + int(self.rng.uniform(1, 40) * HOUR))
        elif end < 0.27:
            yield calendar.absent(worked(at, self.rng.uniform(10, 30)))

    def _returns(self, at: int) -> Iterator[Post]:
        """Look around again, as somebody who is known."""
        for _ in range(self.rng.randrange(3)):
            at += int(self.rng.uniform(2, 12) * DAY)
            yield from _visit(self.browser, self.rng, at, self.rng.randint(1, 3))

    def _nurtured(self, at: int) -> Iterator[Post]:
        """Get newsletters: automated work, which keeps the nurture clock; a few get none."""
        if not self._luck(0.7):
            return
        machine, known = Automation(self.who), at
        at += int(self.rng.uniform(0.05, 2) * HOUR)
        yield machine.known(at)
        at += (
            int(self.rng.uniform(1, 5) * DAY)
            if self._luck(0.85)
            else int(self.rng.uniform(34, 42) * DAY)
        )
        for _ in range(self.rng.randint(3, 7)):
            at = office(at)
            if at > known + POINTS_STAND:
                return
            yield machine.sent(at)
            if self._luck(0.25):
                yield machine.clicked(at + int(self.rng.uniform(0.1, 20) * HOUR))
            if self._luck(0.06):
                yield machine.attended(worked(at, self.rng.uniform(9, 20)))
            if self._luck(0.02):
                yield machine.unsubscribed(at + HOUR)
                return
            at += int(self.rng.uniform(6, 9) * DAY)

    # ---------------------------------------------------------------- sales
    def _cold(self) -> Iterator[Post]:
        """Be found by sales itself."""
        at = office(self.start)
        yield self.system.created(at, cold=True)
        at = self._after(at, 2)
        yield self.system.called(at)
        yield from self._decided(at)

    def _handed(self, ready: int, *, hot: bool) -> Iterator[Post]:
        """Be handed to sales: a hot lead is called at once, when somebody is there."""
        prompt = hot and office(ready) == ready and self._luck(0.9)
        at = ready + self.rng.randrange(5_000, 40_000) if prompt else self._after(ready, 0.6)
        yield self.system.created(at, cold=False)
        if post := self.system.qualified(at + 10_000):
            yield post
        at += self.rng.randrange(12_000, 60_000)
        yield self.system.assigned(at)
        if self._luck(0.04):
            return  # nobody ever calls
        late = self._luck(0.08)
        at = (
            at + self.rng.randrange(10_000, 120_000)
            if prompt
            else self._after(at, 16 if late else 1.5)
        )
        yield self.system.called(at)
        yield from self._decided(at)

    def _decided(self, at: int) -> Iterator[Post]:
        """Be accepted, rejected, or left lying until the funnel takes the lead back."""
        fate = self.rng.random()
        if fate < 0.07:
            return
        at = self._after(at, 45 if fate > 0.95 else 6)
        if fate < 0.6:
            if post := self.system.rejected(at, self.rng.choice((NOT_READY, NO_FIT))):
                yield post
            return
        if post := self.system.accepted(at):
            yield post
            if fate < 0.68:
                return  # accepted, and nothing comes of it
            if self._luck(0.5):
                yield self.system.called(self._after(at, 5))
            at = self._after(at, 16)
        yield from self._deal(at)

    def _deal(self, at: int) -> Iterator[Post]:
        at = office(at + 10 * MINUTE)
        yield self.system.opened(at)
        if self._luck(0.15):
            return  # forgotten: it stalls
        for _ in range(self.rng.randrange(4)):
            at = self._after(at, 14)
            yield self.system.called(at)
            if self._luck(0.4):
                at += 20 * MINUTE
                yield self.system.moved(at)
        at = self._after(at, 18)
        end = self.rng.random()
        if end < 0.5:
            yield self.system.won(at)
            yield from self._customer(at)
        elif end < 0.88:
            yield self.system.lost(at)

    def _customer(self, at: int) -> Iterator[Post]:
        """Be taken over by customer success, and brought to work with what was bought."""
        success, won = Success(self.who, self.rng), at
        taken = self._after(won, 50 if self._luck(0.15) else 5)
        yield success.accepted(taken)
        yield success.worked(self._after(taken, 12))
        end = self.rng.random()
        if end < 0.1:
            return  # never
        days = self.rng.uniform(33, 45) if end < 0.22 else self.rng.uniform(7, 27)
        yield success.onboarded(office(max(won + int(days * DAY), taken + DAY)))
