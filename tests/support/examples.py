"""The records in tests/contract/examples, and today's readers of each topic.

A file is one record: key, headers and value; `<name>.<version>[.<note>].json`. What was released is
never edited: a form that changes gets a file of its next version beside the ones before.
"""

import base64
import json
from dataclasses import replace
from functools import reduce
from operator import or_
from pathlib import Path
from types import SimpleNamespace

import msgspec
import orjson
from pydantic import TypeAdapter

from schemas import deadletters, sources, topics
from schemas.reading import FUNNELS, load
from schemas.wire import facts, notices, registry, touches, versions
from sinks.clickhouse.writer import Written
from streams.agents.advance import Advance
from streams.agents.deliver import Deliver
from streams.agents.normalise import normalise, normalise_import
from streams.agents.resolve import Resolve
from streams.domain import alias_row, head
from streams.engine import ticks
from streams.engine.changelog import Marker, fence
from streams.sources.adapter import Connection
from tests.support.kafka import record

FOLDER = Path(__file__).parents[1] / "contract" / "examples"
FUNNEL = load(FUNNELS / "default.yaml")
STAMP = 1_775_000_000_000  # when a record came, where its reader asks
TP = SimpleNamespace
ADVANCE, RESOLVE = "leadstream-advance-changelog", "leadstream-resolve-changelog"


def paths():
    return sorted(FOLDER.glob("*/*.json"))


def named(path):
    """Give topic, name and version of an example."""
    name, version, *_ = path.name.split(".")
    return path.parent.name, name, int(version)


def newest():
    """Give the examples of the newest version of each record."""
    latest = {}
    for topic, name, version in map(named, paths()):
        latest[topic, name] = max(version, latest.get((topic, name), 0))
    return [path for path in paths() if named(path)[2] == latest[named(path)[:2]]]


def example(path):
    return json.loads(path.read_text(encoding="utf-8"))


def as_record(topic, body):
    """Give an example as a consumer hands it over."""
    value, key = body["value"], body["key"]
    headers = [
        (name, text.encode() if isinstance(text, str) else orjson.dumps(text))
        for name, text in body["headers"].items()
    ]
    return record(
        written(value),
        topic,
        None if key is None else key.encode(),
        tuple(headers),
        offset=7,
        timestamp=STAMP,
    )


def written(value):
    """Give an example's value as bytes: JSON, or what its text says, which may be base64."""
    if not isinstance(value, str):
        return orjson.dumps(value)
    return base64.b64decode(value[7:]) if value.startswith("base64:") else value.encode()


def _delivered(one):
    """Give the rows that the sink makes of a record, or why it refuses it."""
    batches = []
    writer = SimpleNamespace(write=lambda batch: batches.append(batch.rows) or Written())
    place = TP(topic=one.topic, partition=0)
    refused = Deliver(writer).write([(place, [one])])
    return [(each.kind, each.reason) for each in refused] or batches


def _advanced(one):
    logic = Advance([FUNNEL], 1, lambda *_: None)
    logic.init_shared(0)
    return logic.record(one, None, STAMP)


def _touch(one):
    tick = ticks.read(one.value)
    if tick:
        return tick
    touch = touches.load(one.value)
    if touch["record"] == "definition":
        return {**touch, "version": None}
    return _advanced(one), _delivered(one)


def _event(one):
    logic = Resolve(b"k" * 32, lambda *_: None)
    return ticks.read(one.value) or logic.record(one, None, STAMP)


def _raw(one):
    return ticks.read(one.value) or normalise(one, Connection())


def _described(one):
    return deadletters.described(one.headers), _delivered(one)


def _unversioned(body):
    return {**body, "version": None}


def _alias(one):
    """Give an alias' row, and of what it holds what is read when it has an identity."""
    read = alias_row.load("", one.value, lambda _name: None)
    held = [(since, each["event"], each["received_at"]) for since, each in read.held]
    return replace(read, held=()), held


READERS = {
    topics.RAW_WEB: _raw,
    topics.RAW_CRM: lambda one: one.headers,
    topics.RAW_IMPORT: normalise_import,
    topics.EVENTS: _event,
    topics.TOUCHES: _touch,
    topics.FACTS: _delivered,
    topics.STATE: lambda one: {**facts.load(one.value), "version": None, "body": None},
    topics.ALERTS: lambda one: _unversioned(versions.read(topics.ALERTS, one.value)),
    topics.NOTICES: lambda one: notices.load(one.value),
    topics.SPEND: _delivered,
    topics.TARGETS: _delivered,
    topics.RATES: _delivered,
    topics.SURVEYS: _delivered,
    topics.DEADLETTERS: _described,
    topics.PARKED: lambda one: (one.headers, one.value),
    topics.SOURCES: lambda one: sources.read(one.key, one.value),
    ADVANCE: lambda one: (
        Marker.load(fence(0, 17) + one.value)
        if b"next:" in one.key
        else head.whole(head.load(one.value, lambda _name: None))
    ),
    RESOLVE: _alias,
}


def models(topic):
    """Return what validates a record's value: any of the topic's models; None for bytes."""
    channel = next(one for one in registry.CHANNELS if one.topic.name == topic)
    found = [one.model for one in channel.messages if one.model is not None]
    return TypeAdapter(reduce(or_, found)) if found else None


def fits(adapter, value):
    """Check a value against its model, which must know every key.

    A journey's `*_at` keys are exempt: they are named after the firm's stages.
    """
    if isinstance(value, dict) and value.get("kind") == "journey" and value.get("content"):
        content = {k: one for k, one in value["content"].items() if not k.endswith("_at")}
        adapter.validate_python(value)
        value = {**value, "content": content}
    adapter.validate_python(value, extra="forbid")


def valued(value):
    """Give an example's value as its model describes it: of a lead's row, what is msgpack."""
    return msgspec.msgpack.decode(written(value)[25:]) if isinstance(value, str) else value
