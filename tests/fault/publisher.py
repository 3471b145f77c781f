"""Senders: they post events without pause and post again what the gateway did not acknowledge."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx
import orjson

from .system import PATIENCE, Stuck

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 100  # events of one post
RATE = 500.0  # events a second: with the faults, two cores catch up within seconds
LEADS = 5_000
KINDS = ("page_view", "page_view", "email_click", "form", "demo_form", "event_attended")
_BACK = (0, 0, 0, 60, 3_600, 86_400, -86_400)  # seconds before now; the last is dated a day ahead


class Publisher:
    """One sender of the source `shop`. Seed and number make the same event, but for its time."""

    def __init__(
        self, environment: Callable[[], dict[str, str]], seed: str, rate: float = RATE
    ) -> None:
        self.environment, self.rng, self.seed, self.rate = (
            environment,
            random.Random(seed),
            seed,
            rate,
        )
        self.accepted: set[str] = set()
        self.ahead: set[str] = set()  # of those dated a day ahead
        self.refused = self.number = 0
        self._extra: list[
            dict[str, Any]
        ] = []  # events that wait to be posted before all others, as fast as can be
        self._lock = threading.Lock()
        self._stop, self._pause, self._idle = (
            threading.Event(),
            threading.Event(),
            threading.Event(),
        )
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._guarded, name="publisher", daemon=True)

    # ---------------------------------------------------------------- life
    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def pause(self) -> None:
        """Stop between two batches; returns when the last one was acknowledged."""
        self._pause.set()
        if not self._idle.wait(PATIENCE):
            raise Stuck("the gateway takes nothing")
        if self._failed:
            raise self._failed

    def go_on(self) -> None:
        """Post again."""
        self._idle.clear()
        self._pause.clear()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(PATIENCE)

    # ---------------------------------------------------------------- what is sent
    def flood(self, number: int) -> None:
        """Post events of one lead."""
        with self._lock:
            self._extra += [self._event(0) for _ in range(number)]

    def flood_alias(self, number: int) -> None:
        """Post events of ever new anonymous ids that all name one address."""
        whom = f"flood-{self.seed}@x.example"
        with self._lock:
            self._extra += [
                self._event(0, email=whom, aliases=[f"segment:anon:{self.seed}-a{self.number}"])
                for _ in range(number)
            ]

    def chain(self, links: int) -> tuple[str, ...]:
        """Post leads and the merges that make one of them, in any order; return the aliases."""
        with self._lock:
            names = tuple(
                f"email:c{self.number}-{place}@{self.seed}.example" for place in range(links + 1)
            )
            events = [self._event(0, email=name.removeprefix("email:")) for name in names]
            events += [
                self._named("merge", time.time(), {"aliases": list(pair)})
                for pair in pairwise(names)
            ]
            self.rng.shuffle(events)
            self._extra += events
        return names

    def _event(self, lead: int, **named: Any) -> dict[str, Any]:
        rng = self.rng
        data: dict[str, Any] = named or {"email": f"p{lead}@x.example"}
        if lead % 3 == 0 and not named:
            data["aliases"] = [
                f"hubspot:1:contact:{lead}",
                f"segment:anon:{self.seed}-{rng.randint(1, 50)}",
            ]
        draw = rng.random()
        if draw < 0.3:
            kind, more = "lead.created", {"kind": rng.choice(KINDS), "direction": "inbound"}
        elif draw < 0.8:
            kind, more = (
                "touch",
                {
                    "kind": rng.choice(KINDS),
                    "direction": rng.choice(["inbound", "human", "automated"]),
                },
            )
        elif draw < 0.9:
            kind, more = "lead.stage_reported", {"stage": rng.choice(["mql", "sal", "sql"])}
        else:
            kind, more = rng.choice(
                [("lead.accepted", {}), ("lead.rejected", {"reason": "not-ready"})]
            )
        back = rng.choice(_BACK)
        if back < 0:
            self.ahead.add(f"shop:{self.seed}-{self.number + 1}")
        return self._named(kind, time.time() - back, {**data, **more})

    def _named(self, kind: str, at: float, data: dict[str, Any]) -> dict[str, Any]:
        self.number += 1
        return {
            "specversion": "1.0",
            "id": f"{self.seed}-{self.number}",
            "source": "shop",
            "type": f"leadstream.{kind}",
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)),
            "data": data,
        }

    # ---------------------------------------------------------------- the thread
    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self._failed = error
            self._idle.set()

    def _run(self) -> None:
        with contextlib.ExitStack() as opened:
            client = None
            while not self._stop.is_set():
                events = self._next()
                if not events:
                    self._idle.set()
                    self._stop.wait(0.05)
                    continue
                if client is None:
                    environment = self.environment()
                    headers = {"Authorization": f"Bearer {environment['LEADSTREAM_INGEST_TOKEN']}"}
                    base = environment["LEADSTREAM_PUBLIC_URL"]
                    client = opened.enter_context(
                        httpx.Client(base_url=base, headers=headers, timeout=25)
                    )
                began = time.monotonic()
                self._post(client, events)
                self._stop.wait(max(0.0, len(events) / self.rate - (time.monotonic() - began)))

    def _next(self) -> list[dict[str, Any]]:
        """Return the next batch; while paused, only what waits."""
        with self._lock:
            events, self._extra = self._extra[:BATCH], self._extra[BATCH:]
            if not events and not self._pause.is_set():
                events = [self._event(self.rng.randint(1, LEADS)) for _ in range(BATCH)]
        return events

    def _post(self, client: httpx.Client, events: list[dict[str, Any]]) -> None:
        body = orjson.dumps(events)
        again = self.rng.random() < 0.05  # a sender that did not hear the answer
        while not self._stop.is_set():
            try:
                answer = client.post("/v1/events", content=body)
            except httpx.HTTPError:
                self.refused += 1
                self._stop.wait(0.3)
                continue
            if answer.status_code == 202:
                if not again:
                    self.accepted |= {f"shop:{event['id']}" for event in events}
                    return
                again = False
            else:
                assert answer.status_code in (429, 503), (answer.status_code, answer.text)
                self.refused += 1
                self._stop.wait(0.5)
