"""One source is parked: the others' time goes on, its records wait, and a resume returns them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from schemas import topics
from streams.connections import clickhouse_client
from streams.operate import parked

from .system import ROOT, System, until

if TYPE_CHECKING:
    from .oracle import Oracle
    from .publisher import Publisher
    from .report import Report
    from .strangers import Stranger

SOURCE = "segment"
WATCHED_SECONDS = 15.0
BEHIND_SECONDS = 10.0  # more than this, and other sources' time is held up
CALM = 100.0  # events a second: what is measured is the parking, not the machine
_HERE = "SELECT count() FROM touches WHERE event_id IN ({})"


def park_and_resume(
    system: System, publisher: Publisher, stranger: Stranger, oracle: Oracle, report: Report
) -> None:
    """Park a source by garbage, hold its records, resume it; the oracle then looks for them."""
    settings = oracle.settings
    system.all_run()
    rate, publisher.rate = publisher.rate, CALM
    try:
        until(
            lambda: oracle.lag() < BEHIND_SECONDS / 2,
            "time is not current before a source is parked",
        )
        report.faults["park a source"] += 1
        oracle.garbage |= set(stranger.garbage(105))
        until(
            lambda: _parked(oracle),
            lambda: f"{SOURCE} is not parked everywhere: {parked.parked(settings)}",
            60,
        )
        waiting = stranger.messages(30)
        lags, end = [], time.monotonic() + WATCHED_SECONDS
        while time.monotonic() < end:
            waiting += stranger.messages(1)
            lags.append(oracle.lag())
            time.sleep(0.5)
        report.behind_seconds.append(round(max(lags), 1))
        report.found["behind"] += max(lags) > BEHIND_SECONDS
        report.deaths["normalise"] += system.kill("normalise")  # whoever takes over must know
        system.running(["normalise"])
        waiting += stranger.messages(5)
        oracle.settle()
        early = (
            clickhouse_client(settings)
            .query(_HERE.format(", ".join(f"'{name}'" for name in waiting)))
            .first_row[0]
        )
        report.found["unparked"] += early
        oracle.sent |= set(waiting)
        moved = _resume(system)
        report.parked += moved
        report.garbage = report.garbage + len(oracle.garbage)
        oracle.say(
            f"  {SOURCE} was parked: others at most {max(lags):.1f} s behind, "
            f"{early} came early, {moved} sent again"
        )
    finally:
        publisher.rate = rate


def _parked(oracle: Oracle) -> bool:
    places = {
        one.partition
        for one in parked.parked(oracle.settings)
        if (one.source, one.topic) == (SOURCE, topics.RAW_WEB)
    }
    return len(places) == oracle.settings.partitions


def _resume(system: System) -> int:
    command = [
        sys.executable,
        "-m",
        "streams.cli.main",
        "deadletters",
        "resume",
        SOURCE,
        "--json",
        "--home",
        str(system.home),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return int(json.loads(done.stdout)["sent_again"])
