"""Plays a firm's web, ads and CRM systems: real vendor bodies, real signatures, over HTTP to the gateway.

It keeps a ledger of its own, apart from the pipeline: what was sent, repeated, broken, left anonymous and joined.
The demo's counters must equal it. Each person posts in order; many persons post at once.
"""

from __future__ import annotations

import asyncio
import functools
import operator
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson

from streams.sources.registry import SOURCES
from streams.sources.vendors import salesforce

from .ledger import Ledger
from .sending import Sent, signed

DAY = 86_400_000
PORTAL, PAGES = 4242, ("/", "/pricing/", "/product/", "/blog/", "/demo/")
_REDELIVERED, _BROKEN, _ANONYMOUS = 0.03, 0.006, 0.12
_CAMPAIGNS = (
    ("google", "cpc", "brand"),
    ("facebook", "social", "spring"),
    ("newsletter", "email", "october"),
    ("", "", ""),
)


@dataclass(frozen=True)
class Post:
    """One body, and what it adds to the ledger once accepted."""

    source: str
    body: Any
    at: int
    events: int = 1
    held: int = 0
    dead: int = 0
    joins: int = 0
    releases: int = 0  # page views of this person, held until this body said who it is
    repeatable: bool = True
    repeats: int = 0  # events that an earlier body has said: the retrieval of a lead says its creation again


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Person:
    """One person's way: how they come, what sales does with them. `at` moves on; `pace` stretches the waits."""

    def __init__(self, number: int, rng: random.Random, start: int, pace: float, run: str) -> None:
        """`run` keeps the ids of two runs on one home apart."""
        self.rng, self.at, self.pace = rng, start, pace
        self.name = f"{run}n{number}"
        self.email = f"{self.name}@example.com"
        self.contact = int(run, 36) * 1_000_000 + number if run else 10_000_000 + number
        self._ids = self.pages = 0

    def _wait(self, hours: float) -> int:
        self.at += int(self.rng.expovariate(1 / (hours * 3_600_000)) * self.pace) + 1
        return self.at

    def _id(self) -> str:
        self._ids += 1
        return f"{self.name}-{self._ids}"

    # ---------------------------------------------------------------- bodies
    def _segment(self, kind: str, **fields: Any) -> dict[str, Any]:
        return {
            "type": kind,
            "messageId": self._id(),
            "anonymousId": f"anon-{self.name}",
            "timestamp": _iso(self.at),
            **fields,
        }

    def page(self) -> Post:
        """A page view, held until its visitor is known."""
        self.pages += 1
        source, medium, name = self.rng.choice(_CAMPAIGNS)
        context = {
            "page": {"path": self.rng.choice(PAGES)},
            "campaign": {"source": source, "medium": medium, "name": name},
        }
        body = self._segment("page", context=context, properties={})
        return Post("segment", body, self.at, held=1, repeatable=False)

    def form(self, form: str) -> Post:
        """A form that gives the email."""
        body = self._segment("track", event="Form Submitted", properties={"form_id": form, "email": self.email})
        return Post("segment", body, self.at, releases=self.pages)

    def _hub(self, subscription: str, **fields: Any) -> dict[str, Any]:
        self._ids += 1
        return {
            "eventId": self._ids, "subscriptionId": 1, "portalId": PORTAL, "appId": 1, "occurredAt": self.at,
            "subscriptionType": subscription, "attemptNumber": 0, "objectId": self.contact, **fields,
        }  # fmt: skip

    def contact_property(self, name: str, value: str) -> dict[str, Any]:
        """A change of a HubSpot contact's property."""
        return self._hub("contact.propertyChange", propertyName=name, propertyValue=value)

    # ---------------------------------------------------------------- ways
    def live(self) -> Iterator[Post]:
        """Live the whole way, body by body."""
        way = self.rng.random()
        if way < _ANONYMOUS:
            for _ in range(self.rng.randint(1, 4)):
                yield self.page()
                self._wait(0.2)
            return
        if way < 0.6:
            for _ in range(self.rng.randint(0, 3)):
                yield self.page()
                self._wait(0.5)
            yield self.form(self.rng.choice(["demo", "contact", "ebook", "ebook"]))
        elif way < 0.75:
            yield from self._meta()
        elif way < 0.9:
            yield self._google()
        else:
            yield from self._salesforce()
            return
        if self.rng.random() < 0.8:
            self._wait(2)
            yield from self._hubspot()

    def _meta(self) -> Iterator[Post]:
        lead = f"{self.contact}77"
        created = self.at // 1000
        value = {"created_time": created, "leadgen_id": lead, "page_id": "1", "form_id": "9"}
        broken = [{"field": "leadgen"}] if self.rng.random() < 0.1 else []
        changes = [{"field": "leadgen", "value": value}, *broken]
        yield Post("meta", {"object": "page", "entry": [{"id": "1", "time": 1, "changes": changes}]}, self.at, dead=len(broken))
        self._wait(0.1)
        answer = {"name": "email", "values": [self.email]}
        found = {"id": lead, "created_time": _iso(created * 1000), "form_id": "9", "field_data": [answer], "campaign_id": "spring"}
        yield Post("meta", found, self.at, joins=1, repeats=1)

    def _google(self) -> Post:
        columns = [{"column_id": "EMAIL", "string_value": self.email}]
        body = {
            "lead_id": f"g-{self.name}",
            "user_column_data": columns,
            "form_id": 1,
            "campaign_id": 7,
            "lead_submit_time": _iso(self.at),
        }
        return Post("google", {**body, "is_test": self.rng.random() < 0.03}, self.at, joins=1)

    def _hubspot(self) -> Iterator[Post]:
        first = [
            self._hub("contact.creation", changeFlag="CREATED", changeSource="INTEGRATION"),
            self.contact_property("email", self.email),
        ]
        yield Post("hubspot", first, self.at, events=2, joins=1)
        self._wait(3)
        fate = self.rng.random()
        if fate < 0.25:
            return  # marketing goes on nurturing
        assigned = [
            self.contact_property("lifecyclestage", "marketingqualifiedlead"),
            self.contact_property("hubspot_owner_id", f"owner-{self.contact % 7}"),
        ]
        yield Post("hubspot", assigned, self.at, events=2)
        if fate < 0.45:
            return  # nobody decides: it will be recycled by itself
        self._wait(6)
        yield Post("hubspot", [self.contact_property("notes_last_contacted", str(self.at))], self.at)
        self._wait(20)
        if fate < 0.62:
            reason = self.rng.choice(["UNQUALIFIED", "BAD_TIMING"])
            yield Post("hubspot", [self.contact_property("hs_lead_status", reason)], self.at)
            return
        yield Post("hubspot", [self.contact_property("hs_lead_status", "CONNECTED")], self.at)
        if fate < 0.72:
            return
        self._wait(48)
        yield from self._deal()

    def _deal(self) -> Iterator[Post]:
        deal = self.contact + 500_000_000
        opened = [
            self._hub("deal.creation", objectId=deal),
            self._hub(
                "deal.associationChange",
                associationType="DEAL_TO_CONTACT",
                fromObjectId=deal,
                toObjectId=self.contact,
                objectId=deal,
            ),
            self._hub(
                "deal.propertyChange",
                objectId=deal,
                propertyName="amount",
                propertyValue=str(self.rng.randint(5, 90) * 100),
            ),
        ]
        yield Post("hubspot", opened, self.at, events=3, joins=1)
        self._wait(96)
        end = self.rng.random()
        if end > 0.25:
            stage = "closedwon" if end > 0.6 else "closedlost"
            yield Post(
                "hubspot",
                [self._hub("deal.propertyChange", objectId=deal, propertyName="dealstage", propertyValue=stage)],
                self.at,
            )

    def _salesforce(self) -> Iterator[Post]:
        record = salesforce.canonical(f"00Q{self.contact:012d}")

        def change(kind: str, **fields: Any) -> dict[str, Any]:
            self._ids += 1
            header = {
                "entityName": "Lead", "recordIds": [record], "changeType": kind, "transactionKey": f"{self.name}-{self._ids}",
                "sequenceNumber": 1, "commitTimestamp": self.at, "changedFields": list(fields),
            }  # fmt: skip
            return {"ChangeEventHeader": header, **fields}

        created = change(
            "CREATE",
            Email=self.email,
            Status="Open - Not Contacted",
            LeadSource="Cold Call",
            Company="Acme",
            OwnerId="005x",
        )
        yield Post("salesforce", created, self.at, events=2, joins=1)
        self._wait(10)
        if self.rng.random() < 0.6:
            yield Post("salesforce", change("UPDATE", Status="Working - Contacted"), self.at)
            self._wait(60)
            status = self.rng.choice(["Closed - Converted", "Closed - Not Converted"])
            yield Post("salesforce", change("UPDATE", Status=status), self.at)


def spend(day: datetime, rng: random.Random) -> list[Post]:
    """What the ad accounts cost on a day."""
    at, text = int(day.timestamp() * 1000), day.date().isoformat()
    cost = {"costMicros": str(rng.randint(40, 90) * 1_000_000), "clicks": "40", "impressions": "900"}
    segments = {"date": text, "device": "MOBILE"}
    customer = {"id": "11", "currencyCode": "EUR"}
    google = {"results": [{"campaign": {"id": "7"}, "customer": customer, "segments": segments, "metrics": cost}]}
    row = {"account_id": "22", "ad_id": "5", "spend": f"{rng.randint(20, 60)}.50", "impressions": "400"}
    meta = {"data": [{**row, "date_start": text, "date_stop": text}]}
    return [Post("google-spend", google, at, events=0), Post("meta-spend", meta, at, events=0)]


def broken(rng: random.Random, at: int) -> Post:
    """A body that nobody can read, signed all the same."""
    kinds = [
        Post("segment", {"type": "track", "event": "Lost", "messageId": f"b{at}"}, at, 0, 0, 1),
        Post("hubspot", {"not": "a list"}, at, 0, 0, 1),
    ]
    return rng.choice(kinds)


class Simulator:
    """Posts what persons live through. `environment` holds the stack's address and the vendors' secrets."""

    def __init__(self, environment: dict[str, str], seed: int, run: str) -> None:
        """The same seed plays the same firm."""
        self.environment, self.run, self.seed = environment, run, seed
        self.base, self.public = environment["LEADSTREAM_GATEWAY_URL"], environment["LEADSTREAM_PUBLIC_URL"]
        self.ledger = Ledger()
        self._numbers = iter(range(1, 1_000_000))
        self._rng = random.Random(seed)

    async def history(self, days: int, persons: int, told: Callable[[int, int], None]) -> None:
        """Play the past: persons spread over the days, as fast as the gateway takes them."""
        now = int(time.time() * 1000)
        posts: list[Post] = functools.reduce(
            operator.iadd, (spend(datetime.now(UTC) - timedelta(days=day + 1), self._rng) for day in range(days)), []
        )
        done = 0
        gate = asyncio.Semaphore(24)
        async with httpx.AsyncClient(timeout=30) as client:
            for post in posts:
                await self._post(client, post)

            async def play(number: int) -> None:
                nonlocal done
                async with gate:
                    rng = random.Random(f"{self.seed}-{number}")
                    start = now - rng.randint(0, days * DAY)
                    for post in Person(number, rng, start, 1.0, self.run).live():
                        if post.at > now:
                            break
                        await self._deliver(client, post, rng)
                done += 1
                told(done, persons)

            await asyncio.gather(*(play(next(self._numbers)) for _ in range(persons)))

    async def live(self, until: float, per_second: float) -> None:
        """Play the present until a monotonic time: new persons whose whole way takes seconds, dated now."""
        tasks: set[asyncio.Task[None]] = set()
        async with httpx.AsyncClient(timeout=30) as client:
            async for number in self._arrivals(until, per_second):
                task = asyncio.create_task(self._live_one(client, number, until))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.gather(*tasks)

    async def _arrivals(self, until: float, per_second: float) -> AsyncIterator[int]:
        while time.monotonic() < until:
            yield next(self._numbers)
            await asyncio.sleep(self._rng.expovariate(per_second))

    async def _live_one(self, client: httpx.AsyncClient, number: int, until: float) -> None:
        rng = random.Random(f"{self.seed}-{number}")
        person = Person(number, rng, int(time.time() * 1000), 0.0, self.run)
        way = person.live()
        while time.monotonic() < until:
            person.at = int(time.time() * 1000)
            post = next(way, None)
            if post is None:
                return
            await self._deliver(client, post, rng)
            await asyncio.sleep(rng.uniform(0.3, 1.5))

    async def _deliver(self, client: httpx.AsyncClient, post: Post, rng: random.Random) -> None:
        if rng.random() < _BROKEN:
            await self._post(client, broken(rng, post.at))
        await self._post(client, post)
        if post.repeatable and rng.random() < _REDELIVERED:
            body = post.body
            if post.source == "hubspot":
                body = [{**event, "attemptNumber": 1} for event in body]
            again = Post(post.source, body, post.at, 0, 0, post.dead)
            if await self._post(client, again):
                self.ledger.duplicates += post.events + post.repeats

    async def _post(self, client: httpx.AsyncClient, post: Post) -> bool:
        path, sent = self._signed(post)
        for _ in range(5):
            try:
                answer = await client.post(f"{self.base}{path}", content=sent.body, headers=sent.headers, params=sent.query)
            except httpx.HTTPError:
                await asyncio.sleep(1)
                continue
            if answer.status_code not in (429, 503):
                break
            await asyncio.sleep(float(answer.headers.get("retry-after", "1")))
        else:
            self.ledger.refused += 1
            return False
        if answer.status_code != 202:
            self.ledger.refused += 1
            return False
        ledger = self.ledger
        ledger.published[post.source] += 1
        ledger.accepted += post.events - post.held + post.releases
        ledger.held += post.held - post.releases
        ledger.dead_letters += post.dead
        ledger.duplicates += post.repeats
        ledger.merged += post.joins
        return True

    def _signed(self, post: Post) -> tuple[str, Sent]:
        """Sign a body as its vendor does; give the path that it goes to."""
        vendor = SOURCES[post.source.removesuffix("-spend")]
        routes = [route for route in vendor.routes if ("/spend/" in route.path) is post.source.endswith("-spend")]
        name = vendor.secrets[0].name if routes[0].proof else "ingest_token"
        secret, body = self.environment[f"LEADSTREAM_{name.upper()}"], orjson.dumps(post.body)
        address = f"{self.public}{routes[0].path}"
        proof = vendor.name if routes[0].proof else ""
        return routes[0].path, signed(proof, secret, body, address, int(time.time() * 1000))
