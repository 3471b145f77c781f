"""Bringing the broker's topics to the registry: create what is missing, set what differs.

Nothing is removed. The numbers of partitions and replicas are compared but never changed here: a
key would move to another partition, and copying replicas is an operator's decision. Settings that
somebody added to a topic are noted.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic

from schemas.errors import LeadstreamError
from schemas.topics import TOPICS, Topic
from streams import connections

if TYPE_CHECKING:
    from streams.settings import Settings

MAKE, SET, STANDS, NOTE = "make", "set", "stands", "note"
_TOPIC_OVERRIDE = 1  # Kafka's number, and kafka-python's name, of the source "set on this topic"
_OVERRIDES = (_TOPIC_OVERRIDE, "DYNAMIC_TOPIC_CONFIG", "TOPIC_CONFIG")
_SEEN_SECONDS = 5.0  # within which every broker has heard of a change


class Refused(LeadstreamError):  # noqa: N818 - the operator decides about it
    """The broker refused a setting."""


class Difference(NamedTuple):
    """How a topic differs. `apply` does make and set; stands needs a person; note is no fault."""

    topic: str
    what: str
    kind: str = SET


class Found(NamedTuple):
    """A topic as the broker has it."""

    partitions: int
    replicas: int
    settings: Mapping[str, str]
    overrides: frozenset[str] = frozenset()


def apply(settings: Settings, *, dry: bool = False) -> list[Difference]:
    """Bring the broker's topics to the registry, unless `dry`; return what differed before.

    Raises:
        Refused: the broker refused a setting.

    """
    client = connections.admin(settings, client_id="leadstream-topics")
    try:
        known = _found(client)
        differing = _compare_all(known, settings)
        if not dry:
            _create(client, {one.topic for one in differing if one.kind == MAKE}, settings)
            _alter(client, {one.topic for one in differing if one.kind == SET}, known)
            if any(one.kind in (MAKE, SET) for one in differing):
                _wait(client, settings)
        return differing
    finally:
        client.close()


def _compare_all(known: Mapping[str, Found], settings: Settings) -> list[Difference]:
    numbers = settings.partitions, settings.replication
    return [one for topic in TOPICS for one in compare(topic, known.get(topic.name), *numbers)]


def _create(client: KafkaAdminClient, names: set[str], settings: Settings) -> None:
    numbers = settings.partitions, settings.replication
    fresh = [
        NewTopic(topic.name, *numbers, topic_configs=topic.settings())
        for topic in TOPICS
        if topic.name in names
    ]
    if fresh:
        client.create_topics(fresh)


def _alter(client: KafkaAdminClient, names: set[str], known: Mapping[str, Found]) -> None:
    resources = [
        ConfigResource(
            ConfigResourceType.TOPIC, topic.name, configs=_differing(topic, known[topic.name])
        )
        for topic in TOPICS
        if topic.name in names
    ]
    if not resources:
        return
    answers = by_topic(client.alter_configs(resources))
    refused = [f"{name}: {result}" for name, result in sorted(answers.items()) if result != "OK"]
    if refused:
        raise Refused(f"the broker refused: {'; '.join(refused)}")


def _wait(client: KafkaAdminClient, settings: Settings) -> None:
    """Wait until the broker shows what was changed; it hears of it a moment later."""
    end = time.monotonic() + _SEEN_SECONDS
    while time.monotonic() < end:
        differing = _compare_all(_found(client), settings)
        if not any(one.kind in (MAKE, SET) for one in differing):
            return
        time.sleep(0.05)


def compare(
    topic: Topic, found: Found | None, partitions: int, replication: int
) -> list[Difference]:
    """Return how a topic differs from its declaration; `found` is None where there is none."""
    if found is None:
        what = f"make it: {partitions} partitions, {topic.settings()}"
        return [Difference(topic.name, what, MAKE)]
    out = []
    if found.partitions != partitions:
        how = "set LEADSTREAM_PARTITIONS to that, or make the topic again"
        what = f"{found.partitions} partitions, declared {partitions}: {how}"
        out.append(Difference(topic.name, what, STANDS))
    if found.replicas != replication:
        how = "reassign its partitions by Kafka's own tool, or set LEADSTREAM_REPLICATION"
        what = f"{found.replicas} replicas, declared {replication}: {how}"
        out.append(Difference(topic.name, what, STANDS))
    out += [
        Difference(topic.name, f"{key}: {found.settings.get(key)} -> {value}")
        for key, value in _differing(topic, found).items()
    ]
    added = sorted(found.overrides - topic.settings().keys())
    out += [
        Difference(topic.name, f"{key}={found.settings.get(key)} is set and not declared", NOTE)
        for key in added
    ]
    return out


def _differing(topic: Topic, found: Found) -> dict[str, str]:
    return {
        key: value for key, value in topic.settings().items() if found.settings.get(key) != value
    }


def _found(client: KafkaAdminClient) -> dict[str, Found]:
    ours = {topic.name for topic in TOPICS} & set(client.list_topics())
    if not ours:
        return {}
    described = {one["name"]: one["partitions"] for one in client.describe_topics(sorted(ours))}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in sorted(ours)]
    answers = by_topic(client.describe_configs(resources, config_filter="all"))
    return {name: _topic(described[name], answers[name]) for name in ours}


def without_members(settings: Settings, groups: Collection[str]) -> list[str]:
    """Return those of these consumer groups to which no process belongs."""
    client = connections.admin(settings, client_id="leadstream-groups")
    try:
        found = client.describe_groups(list(groups))
        return [group for group in groups if not found.get(group, {}).get("members")]
    finally:
        client.close()


def by_topic(answer: Any) -> dict[str, Any]:
    """Return kafka-python 3's answer, {kind of resource: {topic: result}}, by topic."""
    return {name: result for topics in answer.values() for name, result in topics.items()}


def _topic(partitions: list[Any], settings: dict[str, Any]) -> Found:
    replicas = min((len(one["replica_nodes"]) for one in partitions), default=0)
    values = {key: str(one["value"]) for key, one in settings.items()}
    return Found(
        len(partitions),
        replicas,
        values,
        frozenset(key for key, one in settings.items() if _overridden(one)),
    )


def _overridden(setting: dict[str, Any]) -> bool:
    source = setting.get("config_source", setting.get("source"))
    return getattr(source, "name", source) in _OVERRIDES
