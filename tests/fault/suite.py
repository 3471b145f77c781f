"""The fault suite: a running stack, a seeded schedule of faults, and an oracle that knows what must come out.

Run it: `python -m tests.fault.suite --seed 1 --minutes 30 --report fault-reports`. A seed gives the
same schedule each time, which is printed before it is run. Each seed leaves a report in the folder;
`--sum` adds the reports up, so that a long run may be made in parts, on several machines.

What is held after each round of faults
- missing 0: every event that the gateway acknowledged stands in the archive;
- twice 0: it stands there once, however often its body was sent;
- wrong 0: folding the archive gives every fact in ClickHouse (`verify`);
- each poison record stands in the dead letters, once; nothing else does;
- time goes on: the watermark is current again within a limit after the last fault of a round.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import orjson
from kafka.errors import KafkaError

from schemas import topics
from sinks.clickhouse.writer import connect
from streams import connections
from streams.audit import verify
from streams.embedded.stack import Stack
from streams.intake import arrival, deadletters
from streams.settings import Settings

ROLES = ("normalise", "resolve", "advance", "deliver", "gateway", "ticker", "clickhouse", "broker")
WORKERS = ("normalise", "resolve", "advance", "deliver")
BATCH = 40  # events of one post
RATE = 200.0  # events a second: what two cores take beside the faults
CURRENT_SECONDS = 10.0
PATIENCE = 240.0  # seconds until a round must have settled, faults of the broker included
KINDS = ("page_view", "page_view", "email_click", "form", "demo_form", "event_attended")
POISON = {
    "a tombstone": None,
    "no JSON": b"{",
    "an empty object": b"{}",
    "an unknown kind": b'{"t":"unknown","k":"unknown"}',
    "a list": b"[1,2]",
    "control characters": b"\x01" * 600_000,
    "a tick of somebody else": b'{"tick":[9000000000000,"stranger",0,1000000000]}',
}
# What every topic of ours is fed with; lead.parked and lead.sources are read by people only.
POISONED = (topics.RAW_WEB, topics.RAW_CRM, topics.RAW_IMPORT, topics.EVENTS, topics.TOUCHES, topics.FACTS, topics.SPEND, topics.RATES)


@dataclass(frozen=True)
class Fault:
    """What is done, to whom, and for how long (s) where it lasts."""

    kind: str
    role: str = ""
    seconds: float = 0.0


def schedule(rng: random.Random, number: int) -> list[Fault]:
    """Draw the faults of a round."""
    found = []
    for _ in range(number):
        kind = rng.choices(["kill", "freeze", "poison", "flood", "both", "restart"], [8, 3, 4, 2, 3, 2])[0]
        role = rng.choice(WORKERS if rng.random() < 0.7 else ROLES)
        if kind == "freeze":
            found.append(Fault(kind, role, rng.choice([2.0, 5.0, 9.0])))
        elif kind == "poison":
            found.append(Fault(kind, rng.choice(POISONED)))
        elif kind == "flood":
            found.append(Fault(kind, "", rng.choice([200, 600])))
        else:
            found.append(Fault(kind, role))
    return found


@dataclass
class Report:
    """What a run did and found. Counts add up over runs."""

    seeds: list[int] = field(default_factory=list)
    rounds: int = 0
    records: int = 0
    posts_refused: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    deaths: int = 0
    poison: int = 0
    missing: int = 0
    twice: int = 0
    wrong: int = 0
    letters_wrong: int = 0
    takeover_seconds: list[float] = field(default_factory=list)
    settle_seconds: list[float] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.missing or self.twice or self.wrong or self.letters_wrong)

    def add(self, other: Report) -> None:
        """Add another run."""
        for name, value in other.__dict__.items():
            setattr(self, name, getattr(self, name) + (Counter(value) if name == "faults" else value))

    def document(self) -> dict[str, object]:
        """Give it as JSON."""
        return {**self.__dict__, "faults": dict(self.faults), "clean": self.clean}


class Publisher:
    """Posts events without pause; knows which the gateway acknowledged. What was not is posted again, as a sender does."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self.stack, self.rng, self.seed = stack, random.Random(seed), seed
        self.accepted: set[str] = set()
        self.refused, self.number = 0, 0
        self.flood = 0
        self._stop, self._pause = threading.Event(), threading.Event()
        self._idle = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def pause(self) -> None:
        """Stop between two batches; returns when the last one was acknowledged."""
        self._pause.set()
        assert self._idle.wait(PATIENCE), "the gateway takes nothing"

    def go_on(self) -> None:
        self._idle.clear()
        self._pause.clear()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)

    def _event(self, lead: int) -> dict[str, object]:
        self.number += 1
        rng = self.rng
        draw, now = rng.random(), time.time() - rng.choice([0, 0, 0, 60, 3_600, 86_400])
        data: dict[str, object] = {"email": f"p{lead}@x.example"}
        if lead % 3 == 0:
            data["aliases"] = [f"hubspot:1:contact:{lead}", f"segment:anon:{self.seed}-{rng.randint(1, 50)}"]
        if draw < 0.3:
            kind, more = "lead.created", {"kind": rng.choice(KINDS), "direction": "inbound"}
        elif draw < 0.8:
            kind, more = "touch", {"kind": rng.choice(KINDS), "direction": rng.choice(["inbound", "human", "automated"])}
        elif draw < 0.9:
            kind, more = "lead.stage_reported", {"stage": rng.choice(["mql", "sal", "sql"])}
        else:
            kind, more = rng.choice([("lead.accepted", {}), ("lead.rejected", {"reason": "not-ready"})])
        return {
            "specversion": "1.0",
            "id": f"{self.seed}-{self.number}",
            "source": "shop",
            "type": f"leadstream.{kind}",
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
            "data": {**data, **more},
        }

    def _run(self) -> None:
        environment = self.stack.environment()
        headers = {"Authorization": f"Bearer {environment['LEADSTREAM_INGEST_TOKEN']}"}
        url = f"{environment['LEADSTREAM_PUBLIC_URL']}/v1/events"
        with httpx.Client(headers=headers, timeout=25) as client:
            while not self._stop.is_set():
                if self._pause.is_set():
                    self._idle.set()
                    self._stop.wait(0.05)
                    continue
                leads = [0] * BATCH if self.flood > 0 else [self.rng.randint(1, 2_000) for _ in range(BATCH)]
                self.flood = max(0, self.flood - BATCH)
                began = time.monotonic()
                self._post(client, url, [self._event(lead) for lead in leads])
                if not self.flood:
                    self._stop.wait(max(0.0, BATCH / RATE - (time.monotonic() - began)))

    def _post(self, client: httpx.Client, url: str, events: list[dict[str, object]]) -> None:
        body = orjson.dumps(events)
        again = self.rng.random() < 0.05  # a sender that did not hear the answer
        while not self._stop.is_set():
            try:
                answer = client.post(url, content=body)
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


class Run:
    """One stack under faults."""

    def __init__(self, stack: Stack, seed: int, say=print) -> None:
        self.stack, self.say, self.rng = stack, say, random.Random(seed)
        self.settings = Settings.of(stack.environment())
        self.report = Report(seeds=[seed])
        self.publisher = Publisher(stack, seed)
        self.poisoned: Counter[str] = Counter()

    def round(self, faults: list[Fault], between: float) -> None:
        """Do the faults of a round beside the traffic, then hold what must hold."""
        self.publisher.go_on()
        for fault in faults:
            time.sleep(self.rng.uniform(0.2, between))
            self.say(f"  {fault}")
            self.report.faults[fault.kind] += 1
            self._do(fault)
        self._alive()
        self.publisher.pause()
        self._settle()
        self._hold()
        self.report.rounds += 1

    def _do(self, fault: Fault) -> None:
        match fault.kind:
            case "kill":
                self._kill(fault.role, wait=True)
            case "both":
                self._kill("normalise", wait=False)
                self._kill(fault.role, wait=True)
            case "restart":
                self.stack._processes[fault.role].terminate()
            case "freeze":
                process = self.stack._processes[fault.role]
                os.kill(process.pid, signal.SIGSTOP)
                time.sleep(fault.seconds)
                os.kill(process.pid, signal.SIGCONT)
            case "flood":
                self.publisher.flood += int(fault.seconds)
            case "poison":
                self._poison(fault.role)

    def _kill(self, role: str, *, wait: bool) -> None:
        process, began = self.stack._processes[role], time.monotonic()
        process.kill()
        self.report.deaths += 1
        while wait and self.stack._processes[role] is process:
            assert time.monotonic() - began < PATIENCE, f"{role} was not started again"
            time.sleep(0.05)
        if wait:
            self.report.takeover_seconds.append(round(time.monotonic() - began, 2))

    def _poison(self, topic: str) -> None:
        """Send one record of each kind, straight to Kafka as whoever has access to it may; a broker that is away is waited for."""
        producer = connections.producer(self.settings, delivery_timeout_ms=120_000, request_timeout_ms=10_000, max_block_ms=120_000)
        try:
            for name, body in POISON.items():
                key = None if name == "control characters" else b"poison"
                sent = producer.send(topic, body, key=key, headers=[("leadstream-source", b"shop")] if topic.startswith("lead.raw") else [])
                place = sent.get(timeout=150)
                self.poisoned[f"{topic}:{place.partition}:{place.offset}:0"] += 1
        except KafkaError as error:
            self.say(f"  no poison: {error}")
        finally:
            producer.close(timeout=5)
        self.report.poison += len(POISON)

    def _alive(self) -> None:
        """Wait until every process runs again: a stack that gave one up has no way out."""
        end = time.monotonic() + PATIENCE
        while any(process.poll() is not None for process in list(self.stack._processes.values())):
            assert time.monotonic() < end, {role: one.poll() for role, one in self.stack._processes.items()}
            time.sleep(0.2)

    def _settle(self) -> None:
        began = time.monotonic()
        assert arrival.settled(lambda: connect(self.settings), self.settings.partitions, PATIENCE), "time does not reach ClickHouse"
        self.report.settle_seconds.append(round(time.monotonic() - began, 1))

    def _hold(self) -> None:
        client = connect(self.settings)
        rows = client.query("SELECT event_id, count() FROM touches FINAL WHERE kind = 'event' AND copied = 0 GROUP BY event_id").result_rows
        found = dict(rows)
        missing = self.publisher.accepted - found.keys()
        held = len(missing)
        self.report.missing += held
        self.report.twice += sum(count > 1 for name, count in found.items() if name in self.publisher.accepted)
        audit = verify.verify(client, self.settings.partitions)
        self.report.wrong += len(audit.missing) + len(audit.extra) + len(audit.different)
        letters = {one.letter.id for one in deadletters.read(self.settings, deadletters.Chosen(all=True))}
        self.report.letters_wrong += len(letters ^ self.poisoned.keys())
        if missing or not audit.clean or letters ^ self.poisoned.keys():
            self.say(f"  missing {sorted(missing)[:5]}, audit {audit.document()}, letters {sorted(letters ^ self.poisoned.keys())[:5]}")
        self.report.records, self.report.posts_refused = len(self.publisher.accepted), self.publisher.refused


def run(seed: int, minutes: float, home: Path, faults: int = 6, between: float = 4.0, say=print) -> Report:
    """Run rounds of faults until the time is over; at least one."""
    rng, end = random.Random(seed), time.monotonic() + minutes * 60
    with Stack(home) as stack:
        here = Run(stack, seed, say)
        here.publisher.start()
        try:
            while True:
                drawn = schedule(rng, faults)
                say(f"round {here.report.rounds + 1} of seed {seed}: {', '.join(f'{one.kind} {one.role}'.strip() for one in drawn)}")
                here.round(drawn, between)
                say(f"  {here.report.records} records, {here.report.deaths} deaths, clean {here.report.clean}")
                if time.monotonic() > end or not here.report.clean:
                    return here.report
        finally:
            here.publisher.stop()


def total(folder: Path) -> Report:
    """Add up the reports of a folder."""
    summed = Report()
    for path in sorted(folder.glob("*.json")):
        said = json.loads(path.read_text())
        said.pop("clean")
        summed.add(Report(**said))
    return summed


def main() -> int:
    """Run a seed, or add the reports up."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--minutes", type=float, default=30)
    asked.add_argument("--report", type=Path, default=Path("fault-reports"))
    asked.add_argument("--sum", action="store_true", help="only add up what is there")
    options = asked.parse_args()
    if not options.sum:
        with tempfile.TemporaryDirectory() as folder:
            report = run(options.seed, options.minutes, Path(folder) / "home")
        options.report.mkdir(parents=True, exist_ok=True)
        path = options.report / f"seed-{options.seed}-{int(time.time())}.json"
        path.write_text(json.dumps(report.document(), indent=1))
    summed = total(options.report)
    slow = sorted(summed.takeover_seconds)
    sys.stdout.write(
        f"{summed.records} records, {summed.deaths} deaths, {summed.rounds} rounds, {summed.poison} poison records; "
        f"missing {summed.missing}, twice {summed.twice}, wrong {summed.wrong}, letters wrong {summed.letters_wrong}; "
        f"started again after {slow[len(slow) // 2] if slow else 0} s (median), {slow[-1] if slow else 0} s (most); "
        f"settled after {max(summed.settle_seconds, default=0)} s at most\n"
    )
    return 0 if summed.clean else 1


if __name__ == "__main__":
    sys.exit(main())
