"""What is exported: an AsyncAPI 3 document, JSON Schemas, the table of docs/wire-formats.md.

JSON Schemas are written as draft 07, which every AsyncAPI tool reads: what pydantic writes in the
words of 2020-12 (`prefixItems`, `$defs`) is put into the older ones. Nothing forbids unknown keys.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from . import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .registry import Channel, Message

DRAFT = "http://json-schema.org/draft-07/schema#"
_PARAMETER = re.compile(r"{(\w+)}")
_REF = "#/components/schemas/{model}"


def document() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document of all topics."""
    payloads, schemas = _schemas()
    channels, messages, operations = {}, {}, {}
    for channel in registry.CHANNELS:
        topic, named = channel.topic, {}
        for message in channel.messages:
            name = _id(topic.name, message.name)
            messages[name] = _message(message, payloads)
            named[message.name] = {"$ref": f"#/components/messages/{name}"}
        address = channel.address or topic.name
        channels[topic.name] = {
            "address": address,
            "description": f"{topic.meaning}. Partition: {channel.partitioning}.",
            "messages": named,
            "bindings": {"kafka": {"topicConfiguration": _configuration(channel)}},
        }
        if parameters := _PARAMETER.findall(address):
            channels[topic.name]["parameters"] = {one: {} for one in parameters}
        for action, who in (("send", topic.producers), ("receive", topic.consumers)):
            for one in who.split(", "):
                operations[f"{one.replace(' ', '_')}.{action}.{topic.name}"] = {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{topic.name}"},
                    "summary": f"{one} {'writes' if action == 'send' else 'reads'} {topic.name}",
                }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "leadstream",
            "version": "2.0.0",
            "description": "The records of leadstream's topics. Readers ignore keys that they do "
            "not know; see docs/wire-formats.md for how a form changes.",
        },
        "defaultContentType": registry.JSON,
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }


def json_schemas() -> dict[str, dict[str, Any]]:
    """Return a JSON Schema for each topic whose values are JSON, by topic."""
    found = {}
    for channel in registry.CHANNELS:
        models = [one.model for one in channel.messages if one.model is not None]
        if not models:
            continue
        adapters = [(str(n), "validation", TypeAdapter(model)) for n, model in enumerate(models)]
        made, shared = TypeAdapter.json_schemas(
            adapters,  # type: ignore[arg-type]
            ref_template="#/definitions/{model}",
        )
        found[channel.topic.name] = _plain(
            {
                "$schema": DRAFT,
                "title": channel.topic.name,
                "description": channel.topic.meaning,
                "anyOf": [made[str(n), "validation"] for n in range(len(models))],
                "definitions": shared["$defs"],
            }
        )
    return found


def table() -> list[str]:
    """Return the lines of the table in docs/wire-formats.md: one a kind of record."""
    lines = [
        "| topic | record | version | key | written by | read by | kept | meaning |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for channel in registry.CHANNELS:
        topic = channel.topic
        compacted = topic.config.get("cleanup.policy") == "compact"
        days = topic.retention_ms // 86_400_000
        kept = "the newest of a key" if compacted else "for good" if days < 0 else f"{days} days"
        lines += [
            f"| `{topic.name}` | {one.name} | {version(one.versioned or one.model)} "
            f"| {one.key or 'none'} | {topic.producers} | {topic.consumers} | {kept} "
            f"| {one.meaning} |"
            for one in channel.messages
        ]
    return lines


def version(model: Any) -> str:
    """Return the version of a record's form; a dash for one that has none."""
    found = set(_versions(TypeAdapter(model).json_schema())) if model is not None else set()
    return str(max(found)) if found else "-"


def _versions(schema: dict[str, Any]) -> Iterator[int]:
    for one in (schema, *schema.get("$defs", {}).values()):
        stated = one.get("properties", {}).get("version", {}).get("const")
        if stated is not None and (one is schema or "oneOf" in schema):
            yield stated


def _schemas() -> tuple[dict[int, Any], dict[str, Any]]:
    """Return the schema of each model by its id, and what they share by name."""
    models: dict[int, Any] = {id(one): one for one in registry.PARTS}
    for channel in registry.CHANNELS:
        for message in channel.messages:
            models |= {id(one): one for one in (message.model, message.headers) if one is not None}
    adapters = [(key, "validation", TypeAdapter(model)) for key, model in models.items()]
    made, shared = TypeAdapter.json_schemas(adapters, ref_template=_REF)  # type: ignore[arg-type]
    return {key: _plain(made[key, "validation"]) for key in models}, _plain(shared["$defs"])


def _message(message: Message, payloads: dict[int, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": message.name,
        "contentType": message.content_type,
        "summary": message.meaning,
        "payload": {"description": "bytes"}
        if message.model is None
        else payloads[id(message.model)],
    }
    if message.headers is not None:
        made["headers"] = payloads[id(message.headers)]
    if message.key:
        made["bindings"] = {"kafka": {"key": {"type": "string", "description": message.key}}}
    return made


def _configuration(channel: Channel) -> dict[str, Any]:
    settings = channel.topic.settings()
    return {
        "cleanup.policy": [settings.get("cleanup.policy", "delete")],
        "retention.ms": int(settings["retention.ms"]),
        "max.message.bytes": int(settings["max.message.bytes"]),
    }


def _id(topic: str, name: str) -> str:
    return f"{topic}.{name}"


def _plain(schema: Any) -> Any:
    """Return a schema in the words of draft 07, which forbids no unknown key."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {}
    for key, value in schema.items():
        if key == "prefixItems":
            made["items"] = _plain(value)
        elif key == "$ref":
            made[key] = value
        elif not (
            (key == "additionalProperties" and value is False)
            or (key == "discriminator" and isinstance(value, dict) and "propertyName" in value)
        ):
            made[key] = _plain(value)
    return made
