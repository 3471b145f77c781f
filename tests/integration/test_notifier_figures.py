"""What the notifier asks ClickHouse: usual delays by source, and records' addresses."""

import time
import uuid

import orjson

from streams.notify.shown import LEAST, Reader

LEAD, OTHER = str(uuid.UUID(int=7)), str(uuid.UUID(int=8))
SECOND, DAY = 1_000, 86_400_000
_TOUCHES = {
    "lead_id": "UUID",
    "event_id": "String",
    "origin": "String",
    "kind": "LowCardinality(String)",
    "copied": "UInt8",
    "held": "UInt8",
    "content": "String",
    "event_time": "DateTime64(3, 'UTC')",
    "received_at": "DateTime64(3, 'UTC')",
}
_STATES = {
    "generation": "UInt16",
    "lead_id": "UUID",
    "record_url": "String",
    "revision": "UInt64",
    "is_deleted": "UInt8",
}


def arrived(source, behind, received, *, copied=0):
    body = orjson.dumps({"source": source}).decode()
    at, name = received - behind, str(uuid.uuid4())
    content = orjson.dumps([at, 1, 0, name, LEAD, "lead.touch", body]).decode()
    return [LEAD, name, LEAD, "event", copied, 0, content, at, received]


def insert(client, table, columns, rows):
    client.insert(table, rows, column_names=list(columns), column_type_names=list(columns.values()))


def test_the_usual_delay_of_a_source_is_that_of_its_last_week_without_imports(emptied, engine):
    now = int(time.time() * 1000)
    rows = [arrived("hubspot", n * SECOND, now - n) for n in range(1, 101)]
    rows += [arrived("hubspot", 400 * DAY, now) for _ in range(100)]  # an import
    rows += [arrived("hubspot", 3_600 * SECOND, now, copied=1) for _ in range(100)]
    rows += [arrived("hubspot", 3_600 * SECOND, now - 8 * DAY) for _ in range(100)]
    rows += [arrived("segment", SECOND, now) for _ in range(LEAST - 1)]
    insert(emptied, "touches", _TOUCHES, rows)
    reader = Reader(engine, 1)
    reader.refresh()
    assert (reader.generation, reader.away) == (1, "")
    assert reader.delays.keys() == {"hubspot"}
    assert 94 * SECOND <= reader.delays["hubspot"] <= 96 * SECOND


def test_the_address_of_a_lead_is_that_of_the_shown_generation(emptied, engine):
    rows = [[1, LEAD, "https://crm.example.com/7", 1, 0], [2, LEAD, "https://x.example.com", 1, 0]]
    insert(emptied, "lead_state", _STATES, [*rows, [1, OTHER, "", 1, 0]])
    reader = Reader(engine, 1)
    assert reader.records([LEAD, OTHER]) == {LEAD: "https://crm.example.com/7"}
    assert reader.away == ""
