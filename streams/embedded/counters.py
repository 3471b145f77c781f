"""What the pipeline itself says it did, to be held against the simulator's ledger: from ClickHouse, Kafka and metrics."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx

from streams.intake import deadletters

if TYPE_CHECKING:
    from streams.settings import Settings

_SAMPLE = re.compile(r'^leadstream_records_total\{what="(\w+)",worker="([\w-]+)"\} ([0-9.e+]+)$', re.MULTILINE)


def worker_counts(addresses: list[str]) -> Counter[str]:
    """Sum what the workers counted since they started, as `worker.what`."""
    total: Counter[str] = Counter()
    for address in addresses:
        text = httpx.get(f"http://{address}/metrics", timeout=5).text
        for what, worker, value in _SAMPLE.findall(text):
            total[f"{worker}.{what}"] += int(float(value))
    return total


def archived(client: Any) -> int:
    """Count the distinct events in the archive."""
    statement = "SELECT uniqExact((event_id, origin)) FROM touches WHERE kind = 'event' AND copied = 0"
    return int(client.query(statement).first_row[0])


def merged(client: Any) -> int:
    """Count the strong aliases that were joined to another of the same lead."""
    return int(client.query("SELECT sum(length(origins)) - count() FROM v_lead_state").first_row[0] or 0)


def dead_letters(settings: Settings) -> int:
    """Count the dead letters, whatever became of them."""
    return len(deadletters.read(settings, deadletters.Chosen(all=True)))


def latency(client: Any, since_ms: int) -> dict[str, float | None]:
    """Give p50 and p99 in seconds from an event's own time to its row, of events dated and received since `since_ms`."""
    statement = (
        "SELECT quantilesExact(0.5, 0.99)(dateDiff('millisecond', event_time, ingested_at)), count() FROM touches "
        "WHERE kind = 'event' AND copied = 0 AND held = 0 "
        "AND toUnixTimestamp64Milli(event_time) >= {s:Int64} AND toUnixTimestamp64Milli(received_at) >= {s:Int64}"
    )
    (p50, p99), count = client.query(statement, parameters={"s": since_ms}).first_row
    return {"p50": p50 / 1000 if count else None, "p99": p99 / 1000 if count else None, "n": count}
