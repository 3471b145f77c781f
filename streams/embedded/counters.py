"""What the pipeline itself says it did, to be held against the simulator's ledger."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx

from schemas import reading
from sinks.clickhouse import generations
from streams.operate import deadletters

from .market.posts import LADDER

if TYPE_CHECKING:
    from streams.settings import Settings

_SAMPLE = re.compile(
    r'^leadstream_records_total\{what="(\w+)",worker="resolve"\} ([0-9.e+]+)$', re.MULTILINE
)


def resolved(address: str) -> dict[str, int]:
    """Return what `resolve` has counted: `held`, `released`, and `duplicates` of what is held.

    Its counts are asked for and no other worker's: each generation of facts has an `advance` of
    its own, which reads all again.
    """
    text = httpx.get(f"http://{address}/metrics", timeout=5).text
    return {what: int(float(value)) for what, value in _SAMPLE.findall(text)}


def counts(client: Any, settings: Settings) -> dict[str, int]:
    """Count what ClickHouse and Kafka know, whatever was restarted and whatever is shown."""
    return {
        "accepted": _number(
            client,
            "SELECT uniqExact((event_id, origin)) FROM touches WHERE kind = 'event' AND copied = 0",
        ),
        "duplicates": _number(
            client,
            "SELECT count() FROM arrivals FINAL WHERE (source_partition, source_offset) NOT IN "
            "(SELECT source_partition, source_offset FROM touches FINAL "
            "WHERE kind = 'event' AND copied = 0)",
        ),
        "merged": _number(client, "SELECT sum(length(origins)) - count() FROM v_lead_state"),
        "dead_letters": len(deadletters.read(settings, deadletters.Chosen(all=True))),
        "leads": _number(client, "SELECT count() FROM v_lead_state"),
        "test_leads": _number(client, "SELECT countIf(test) FROM v_lead_state"),
        **sold(client),
    }


def sold(client: Any) -> dict[str, int]:
    """Count the won deals of leads that are no test, and sum what they brought, in whole units."""
    statement = (
        "SELECT count(), sum(amount) FROM "
        "(SELECT deal, any(amount) AS amount FROM v_deals AS deals INNER JOIN "
        "(SELECT lead_id, journey FROM v_journeys WHERE test = 0) AS journeys "
        "USING (lead_id, journey) "
        "WHERE role = 'primary' AND status = 'won' GROUP BY deal)"
    )
    won, revenue = client.query(statement).first_row
    return {"won": int(won), "revenue": int(revenue or 0)}


def furthest(client: Any) -> dict[str, int]:
    """Count the leads that are no test by the furthest stage that they ever reached."""
    places = ", ".join(
        f"toUInt8(mapContains(entered, '{stage}')) * {place}" for place, stage in enumerate(LADDER)
    )
    leads = (
        f"SELECT lead_id, max(greatest({places})) AS place FROM v_journeys "
        "WHERE test = 0 GROUP BY lead_id"
    )
    statement = f"SELECT place, count() FROM ({leads}) GROUP BY place"
    found = dict(client.query(statement).result_rows)
    return {stage: int(found.get(place, 0)) for place, stage in enumerate(LADDER)}


def by_the_default(client: Any) -> bool:
    """Return whether what is shown was folded under the default funnel: the market goes by it."""
    shown = generations.versions(client, generations.active(client))
    return shown == [reading.load(reading.FUNNELS / "default.yaml")]


def _number(client: Any, statement: str) -> int:
    return int(client.query(statement).first_row[0] or 0)


def latency(client: Any, since_ms: int) -> dict[str, float | None]:
    """Return p50 and p99 (s) from event time to row, of events dated and received since then."""
    statement = (
        "SELECT quantilesExact(0.5, 0.99)(dateDiff('millisecond', event_time, ingested_at)), "
        "count() FROM touches WHERE kind = 'event' AND copied = 0 AND held = 0 "
        "AND toUnixTimestamp64Milli(event_time) >= {s:Int64} "
        "AND toUnixTimestamp64Milli(received_at) >= {s:Int64}"
    )
    (p50, p99), count = client.query(statement, parameters={"s": since_ms}).first_row
    return {"p50": p50 / 1000 if count else None, "p99": p99 / 1000 if count else None, "n": count}
