"""Making the broker agree with the topics registry: what is missing is made, what differs is set, nothing is removed.

The number of partitions and of replicas is compared but never changed here: a key would move to another partition,
and copying replicas is an operator's decision. Settings that somebody added to a topic are noted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
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
_SEEN_SECONDS = 5.0


class Refused(LeadstreamError):  # noqa: N818 - it says what the broker refused; the operator decides
    """The broker refused a setting."""


class Difference(NamedTuple):
    """How a topic differs. `kind`: make and set are what `apply` does; stands needs somebody; note is no fault."""

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
    """Bring the broker's topics to the registry; with `dry`, only say what differs. An empty answer says that nothing does."""
    partitions, replication = settings.partitions, settings.replication
    client = connections.admin(settings, client_id="leadstream-topics")
    try:
        there = _found(client)
        out = [
            one
            for topic in TOPICS
            for one in compare(topic, there.get(topic.name), partitions, replication)
        ]
        if not dry:
            _carry_out(client, out, there, partitions, replication)
        return out
    finally:
        client.close()


def _carry_out(
    client: KafkaAdminClient,
    differing: list[Difference],
    there: dict[str, Found],
    partitions: int,
    replication: int,
) -> None:
    made = {one.topic for one in differing if one.kind == MAKE}
    changed = {one.topic for one in differing if one.kind == SET}
    fresh = [
        NewTopic(topic.name, partitions, replication, topic_configs=topic.settings())
        for topic in TOPICS
        if topic.name in made
    ]
    if fresh:
        client.create_topics(fresh)
    wanted = {
        topic.name: _differing(topic, there[topic.name])
        for topic in TOPICS
        if topic.name in changed
    }
    if wanted:
        resources = [
            ConfigResource(ConfigResourceType.TOPIC, name, configs=configs)
            for name, configs in wanted.items()
        ]
        refused = {
            name: result
            for name, result in by_topic(client.alter_configs(resources)).items()
            if result != "OK"
        }
        if refused:
            raise Refused(
                "; ".join(f"{name}: {result}" for name, result in sorted(refused.items()))
            )
    end = time.monotonic() + _SEEN_SECONDS
    while (
        made | changed and time.monotonic() < end
    ):  # a broker learns from its controller a moment later
        now = _found(client)
        if not any(
            one.kind in (MAKE, SET)
            for topic in TOPICS
            for one in compare(topic, now.get(topic.name), partitions, replication)
        ):
            return
        time.sleep(0.05)


def compare(
    topic: Topic, found: Found | None, partitions: int, replication: int
) -> list[Difference]:
    """Say how a topic differs from its declaration."""
    if found is None:
        return [
            Difference(topic.name, f"make it: {partitions} partitions, {topic.settings()}", MAKE)
        ]
    out = []
    if found.partitions != partitions:
        how = "set LEADSTREAM_PARTITIONS to that, or make the topic again"
        out.append(
            Difference(
                topic.name, f"{found.partitions} partitions, declared {partitions}: {how}", STANDS
            )
        )
    if found.replicas != replication:
        how = "reassign its partitions by Kafka's own tool, or set LEADSTREAM_REPLICATION"
        out.append(
            Difference(
                topic.name, f"{found.replicas} replicas, declared {replication}: {how}", STANDS
            )
        )
    settings = _differing(topic, found).items()
    out += [
        Difference(topic.name, f"{key}: {found.settings.get(key)} -> {value}")
        for key, value in settings
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


def by_topic(answer: Any) -> dict[str, Any]:
    """Return kafka-python 3's answer by topic: it is {kind of resource: {topic: what is said of it}}."""
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
