"""Definitions on their way to the workers.

A later version is a record that every partition reads. A definition that changes the past becomes a
new generation, which folds all history beside the one that is shown.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from typing import TYPE_CHECKING, Any

from kafka.errors import GroupIdNotFoundError, UnknownTopicOrPartitionError

from schemas import topics
from schemas.errors import LeadstreamError
from schemas.reading import FunnelError, Problem, incompatible, load, load_all
from sinks.clickhouse import generations
from streams import connections
from streams.engine.changelog import COMMON
from streams.intake import arrival
from streams.settings import DROPPED, LIVE_FROM

from . import holes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kafka import TopicPartition

    from schemas.funnel import Funnel
    from streams.settings import Settings

TAKEN_SECONDS = 60.0
STOPS_SECONDS = 20.0  # a worker that has to end writes what it has first


class NotReady(LeadstreamError):  # noqa: N818 - a state, and who ends it
    """A generation can't be changed, shown or dropped yet."""


def add(
    settings: Settings,
    client: Any,
    path: Path,
    generation: int,
    write: Callable[[Funnel, int], bytes],
    start_of: Callable[[Funnel], int],
) -> Funnel:
    """Publish a later version to every partition of a generation; return it once workers took it.

    `write` returns the record of a version, `start_of` when a version begins (ms).

    Raises:
        FunnelError: it can't follow the versions that the workers have, or begins before tomorrow.
        NotReady: there is no such generation, or no worker took the version.

    """
    fresh, standing = load(path), generations.versions(client, generation)
    if not standing:
        raise NotReady(f"there is no generation {generation}: see `leadstream definitions list`")
    # A version that some partition has is sent again: that completes a run that broke off, and a
    # repeat changes nothing.
    known = [one for one in standing if one != fresh]
    wrong = [clash.text for clash in incompatible([*known, fresh])]
    if start_of(fresh) < time.time() * 1000 + 3_600_000:
        wrong.append(
            f"effective_from: {fresh.effective_from} has begun: a version applies to what begins "
            "later, so write tomorrow or later; to change the past, adopt it as a new generation "
            "(`leadstream adopt`)"
        )
    if wrong:
        raise FunnelError(path, [Problem(1, "versions", text) for text in wrong])
    folder = settings.home / "generations" / str(generation)
    if folder.is_dir():
        shutil.copy(path, folder / f"{fresh.funnel}-{fresh.version}.yaml")
    _send(settings, write(fresh, generation))
    end = time.monotonic() + TAKEN_SECONDS
    while fresh not in generations.versions(client, generation):
        if time.monotonic() > end:
            raise NotReady(
                f"no worker took version {fresh.version}: "
                "see `leadstream status` and the dead letters, then run this again"
            )
        time.sleep(0.3)
    return fresh


def _send(settings: Settings, record: bytes) -> None:
    """Send a record to every partition of lead.touches."""
    producer = connections.producer(settings, linger_ms=0)
    try:
        for partition in range(settings.partitions):
            sent = producer.send(topics.TOUCHES, record, key=COMMON, partition=partition)
            sent.get(timeout=30)
    finally:
        producer.close(timeout=5)


def prepare_generation(settings: Settings, client: Any, source: Path) -> int:
    """Write a new generation's folder, and return the generation's number.

    It holds the definitions, and from which offsets of lead.touches on it forwards and notifies:
    what lies below, the generation that is shown has seen to.

    Raises:
        FunnelError: the definitions can't be used.

    """
    load_all(source)
    root = settings.home / "generations"
    root.mkdir(parents=True, exist_ok=True)
    known = [int(folder.name) for folder in root.iterdir() if folder.name.isdigit()]
    number = max([*known, *(one.generation for one in generations.history(client))], default=1) + 1
    fresh = root / f"{number}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for file in sorted(source.glob("*.yaml")) if source.is_dir() else [source]:
        shutil.copy(file, fresh)
    text = json.dumps(
        {str(place.partition): at for place, at in _seen_to(settings, client).items()}
    )
    (fresh / LIVE_FROM).write_text(text)
    fresh.rename(root / str(number))  # whole or not at all: somebody may start a worker on it
    return number


def _seen_to(settings: Settings, client: Any) -> dict[TopicPartition, int]:
    """Return up to where the shown generation has read lead.touches.

    A worker that was stopped, since this release does not carry its generation on, is behind.
    """
    ends = arrival.ends(settings, topics.TOUCHES)
    shown = settings.model_copy(update={"generation": generations.active(client)})
    consumer = connections.consumer(settings)
    try:
        ran = shown.changelog(topics.ADVANCE.name) in consumer.topics()
    finally:
        consumer.close()
    known = holes.positions(shown, topics.ADVANCE.name, list(ends)) if ran else {}
    return {
        place: min(end, known[place].next_offset) if place in known else end
        for place, end in ends.items()
    }


def caught_up(
    client_of: Callable[[], Any], settings: Settings, generation: int, seconds: float = 600.0
) -> None:
    """Wait until a generation has folded all up to now: only then it may be shown.

    Raises:
        NotReady: its workers have not caught up within `seconds`, or never read anything.

    """
    try:
        arrival.folded(client_of, settings.partitions, int(time.time() * 1000), seconds, generation)
    except arrival.Stalled as error:
        late = f"generation {generation} has not caught up after {seconds:.0f} s"
        raise NotReady(f"{late}: is its worker running? {error}") from None


def drop(settings: Settings, client: Any, generation: int) -> None:
    """Delete a generation that is not shown: its facts, its worker's group and changelog.

    Raises:
        NotReady: it is shown, no generation has this number, or its worker runs.

    """
    folder = settings.home / "generations" / str(generation)
    if generation == generations.active(client):
        raise NotReady(
            f"generation {generation} is shown: "
            "show another one first (`leadstream adopt`, `leadstream rollback`)"
        )
    if not folder.is_dir() and not generations.versions(client, generation):
        raise NotReady(f"there is no generation {generation}: see `leadstream definitions list`")
    if folder.is_dir():
        (folder / DROPPED).touch()  # the stack ends its worker, and starts it no more
    own = settings.model_copy(update={"generation": generation})
    worker = own.app_id(topics.ADVANCE.name)
    admin = connections.admin(settings)
    try:
        if holes.members(admin, worker, settings.session_timeout + STOPS_SECONDS):
            running = f"the worker of generation {generation} runs"
            raise NotReady(f"{running}: stop it, then run this again")
        ends = arrival.ends(settings, topics.FACTS)
        arrival.read_by(settings, settings.app_id(topics.DELIVER.name), ends, lambda _: None)
        generations.drop(client, generation)
        with contextlib.suppress(GroupIdNotFoundError):
            admin.delete_groups([worker])
        with contextlib.suppress(UnknownTopicOrPartitionError):
            admin.delete_topics([own.changelog(topics.ADVANCE.name)])
    finally:
        admin.close()
