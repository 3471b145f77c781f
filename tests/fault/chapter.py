"""A chapter: one fresh home, one deck of faults in rounds; after each the oracle checks it all.

A home a chapter keeps the looks bounded: `verify` folds all that a home has ever heard.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from streams.embedded.home import free_port

from .cluster import Cluster
from .faults import Faults
from .oracle import Oracle, kafka_records
from .parking import park_and_resume
from .proxy import Proxy
from .publisher import RATE, Publisher
from .schedule import THREE, Fault, deck, rounds
from .strangers import Stranger
from .system import System

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .report import Report

DISK_MB = 700
MOST = 120_000  # accepted events of a home: then its chapter is over


def run(
    theme: str,
    seed: str,
    folder: Path,
    report: Report,
    say: Callable[[str], None],
    *,
    long: bool = False,
    number: int | None = None,
    end: float = 0.0,
) -> None:
    """Run a chapter; `number` makes it short, after `end` (monotonic) no further round begins."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    faults = deck(rng, theme, long=long)
    if number is not None:
        faults = faults[:number]
    dealt = rounds(faults)
    say(f"chapter {seed}, {theme}:")
    for place, one in enumerate(dealt, 1):
        say(f"  round {place}: {'; '.join(map(str, one))}")
    with contextlib.ExitStack() as opened:
        disk = None
        if theme == "disk":
            disk = opened.enter_context(_small_disk(folder / "home" / "kafka"))
            if disk is None:
                report.skipped.append(
                    "full disk: mount -t tmpfs is not allowed here, it needs root"
                )
                return
        proxies = opened.enter_context(_proxies(folder / "home")) if theme == "network" else {}
        module = (
            ("tests.fault.up", *(str(proxies[name].port) for name in ("kafka", "clickhouse")))
            if proxies
            else ("streams.cli.main", "up")
        )
        system = Cluster(folder / "home") if theme == THREE else System(folder / "home", module)
        opened.callback(_note_takeovers, system, report)
        opened.callback(system.stop)
        say(f"  up after {system.start()} s")
        _chapter(system, theme, dealt, seed, report, rng, say, proxies, disk, end)
    report.chapters += 1
    shutil.rmtree(folder, ignore_errors=True)


def _chapter(
    system: System,
    theme: str,
    dealt: list[list[Fault]],
    seed: str,
    report: Report,
    rng: random.Random,
    say: Callable[[str], None],
    proxies: dict[str, Proxy],
    disk: Path | None,
    end: float,
) -> None:
    settings = system.settings()
    publisher, stranger, oracle = (
        Publisher(system.environment, seed, RATE),
        Stranger(settings, seed),
        Oracle(settings, report, say),
    )
    faults = Faults(system, publisher, stranger, oracle, report, rng, proxies, disk)
    publisher.start()
    began = time.monotonic()

    def look() -> None:
        system.all_run()
        publisher.pause()
        oracle.settle()
        oracle.hold(publisher.accepted, publisher.ahead)
        report.rounds += 1
        deaths = sum(report.deaths.values())
        say(
            f"  {len(publisher.accepted)} records, {deaths} deaths, "
            f"{time.monotonic() - began:.0f} s, clean {report.clean}"
        )
        assert report.clean, dict(+report.found)

    try:
        for one in dealt:
            publisher.go_on()
            for fault in one:
                time.sleep(rng.uniform(0.3, 3.0))
                say(f"    {time.monotonic() - began:5.0f} s {fault}")
                faults.do(fault)
            look()
            if len(publisher.accepted) > MOST or (end and time.monotonic() > end):
                break
        if theme == "data":
            publisher.go_on()
            park_and_resume(system, publisher, stranger, oracle, report)
            look()
    finally:
        publisher.stop()
        report.records += len(publisher.accepted | oracle.sent)
        report.posts_refused += publisher.refused
        # A run that failed may have no broker; what it found is reported already.
        with contextlib.suppress(Exception):
            report.kafka_records += kafka_records(settings)
            report.alerts += oracle.alerts


def _note_takeovers(system: System, report: Report) -> None:
    report.takeover_seconds += system.takeovers


@contextlib.contextmanager
def _proxies(home: Path) -> Iterator[dict[str, Proxy]]:
    def target(name: str) -> Callable[[], int]:
        return lambda: int(json.loads((home / "ports.json").read_text())[name])

    made = {
        name: Proxy(free_port(), target(port))
        for name, port in (("kafka", "broker"), ("clickhouse", "clickhouse"))
    }
    try:
        yield made
    finally:
        for proxy in made.values():
            proxy.close()


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Path | None]:
    """Mount a file system of its own under a home's broker; nothing where that is not allowed."""
    folder.mkdir(parents=True, mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0700", "tmpfs", str(folder)]
    if (
        shutil.which("mount") is None
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)
