"""Making the broker agree with the topics registry: what is missing is made, what differs is set, nothing is dropped."""

from __future__ import annotations

from typing import NamedTuple

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic

from schemas.topics import TOPICS


class Difference(NamedTuple):
    """What `apply` does to a topic."""

    topic: str
    what: str


def apply(brokers: str, partitions: int, replication: int, *, dry: bool = False) -> list[Difference]:
    """Bring the broker's topics to the registry; with `dry`, only say what differs."""
    client = KafkaAdminClient(bootstrap_servers=brokers.split(","), client_id="leadstream-topics")
    try:
        there = set(client.list_topics())
        missing = [topic for topic in TOPICS if topic.name not in there]
        out = [Difference(topic.name, f"make it: {partitions} partitions, {topic.settings()}") for topic in missing]
        if missing and not dry:
            client.create_topics([NewTopic(topic.name, partitions, replication, topic_configs=topic.settings()) for topic in missing])
        for topic in TOPICS:
            if topic.name in there:
                out += _settings(client, topic.name, topic.settings(), dry)
        return out
    finally:
        client.close()


def _settings(client: KafkaAdminClient, name: str, wanted: dict[str, str], dry: bool) -> list[Difference]:
    found = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    now: dict[str, str] = _flat(found)
    differing = {key: value for key, value in wanted.items() if now.get(key) != value}
    if differing and not dry:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=differing)])
    return [Difference(name, f"{key}: {now.get(key)} -> {value}") for key, value in differing.items()]


def _flat(found: object) -> dict[str, str]:
    """Read names and values out of what kafka-python gives: its shape differs between versions."""
    out: dict[str, str] = {}
    if isinstance(found, dict):
        for value in found.values():
            if isinstance(value, dict):
                out |= {name: str(said.get("value", said) if isinstance(said, dict) else said) for name, said in value.items()}
        return out
    for answer in found if isinstance(found, (list, tuple)) else ():
        for resource in getattr(answer, "resources", ()):
            out |= {entry[0]: str(entry[1]) for entry in resource[4]}
    return out
