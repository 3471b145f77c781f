"""Definitions on their way to the workers: a later version as a record; one that reaches back as a new generation."""

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
from streams.settings import DROPPED

from . import holes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from schemas.funnel import Funnel
    from streams.settings import Settings

TAKEN_SECONDS = 60.0
STOPS_SECONDS = 20.0  # a worker that is told to end writes what it has first


class NotReady(LeadstreamError):  # noqa: N818 - whoever asked must wait, look at the workers, or show another one first
    """A generation can't be shown, or dropped, yet."""


def add(
    settings: Settings,
    client: Any,
    path: Path,
    generation: int,
    write: Callable[[Funnel, int], bytes],
    start_of: Callable[[Funnel], int],
) -> Funnel:
    """Publish a later version to every partition of a generation, beside those in force; it must begin tomorrow or later.

    Raises:
        FunnelError: it can't follow the versions that the workers know; the text says why and what to do.
        NotReady: there is no such generation, or it was sent, and no worker took it.

    """
    fresh, standing = load(path), generations.versions(client, generation)
    if not standing:
        raise NotReady(f"there is no generation {generation}: see `leadstream definitions list`")
    # a version that some partition took already is sent again: a run that broke half way is completed, and a repeat changes nothing
    known = [one for one in standing if one != fresh]
    wrong = [clash.text for clash in incompatible([*known, fresh])]
    if start_of(fresh) < time.time() * 1000 + 3_600_000:
        wrong.append(
            f"effective_from: {fresh.effective_from} has begun: a version holds for what begins later, so write tomorrow or later; "
            "what shall change the past is adopted as a new generation (`leadstream adopt`)"
        )
    if wrong:
        raise FunnelError(path, [Problem(1, "versions", text) for text in wrong])
    folder = settings.home / "generations" / str(generation)
    if folder.is_dir():
        shutil.copy(path, folder / f"{fresh.funnel}-{fresh.version}.yaml")
    producer = connections.producer(settings, linger_ms=0)
    try:
        for partition in range(settings.partitions):
            producer.send(
                topics.TOUCHES, write(fresh, generation), key=COMMON, partition=partition
            ).get(timeout=30)
    finally:
        producer.close(timeout=5)
    end = time.monotonic() + TAKEN_SECONDS
    while fresh not in generations.versions(client, generation):
        if time.monotonic() > end:
            raise NotReady(
                f"no worker took version {fresh.version}: see `leadstream status` and the dead letters, then run this again"
            )
        time.sleep(0.3)
    return fresh


def prepare_generation(settings: Settings, client: Any, source: Path) -> int:
    """Write a new generation's folder: its definitions, and where lead.touches ended when it was born. Give its number.

    Raises:
        FunnelError: the definitions can't be used.

    """
    load_all(source)
    root = settings.home / "generations"
    known = (
        [int(folder.name) for folder in root.iterdir() if folder.name.isdigit()]
        if root.is_dir()
        else []
    )
    number = max([*known, *(one.generation for one in generations.history(client))], default=1) + 1
    fresh = root / f"{number}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for file in sorted(source.glob("*.yaml")) if source.is_dir() else [source]:
        shutil.copy(file, fresh)
    ends = arrival.ends(settings, topics.TOUCHES)
    (fresh / "birth.json").write_text(
        json.dumps({str(place.partition): end for place, end in ends.items()})
    )
    fresh.rename(
        root / str(number)
    )  # whole or not at all: a worker may be started on it by another hand
    return number


def caught_up(
    client_of: Callable[[], Any], settings: Settings, generation: int, seconds: float = 600.0
) -> None:
    """Wait until a generation has caught up with now: only then it may be shown. Going back is showing the one before.

    Raises:
        NotReady: its workers have not caught up in time, or never read anything.

    """
    try:
        arrival.folded(client_of, settings.partitions, int(time.time() * 1000), seconds, generation)
    except arrival.Stalled as error:
        raise NotReady(
            f"generation {generation} has not caught up after {seconds:.0f} s: is its worker running? {error}"
        ) from None


def drop(settings: Settings, client: Any, generation: int) -> None:
    """End a generation that is not shown: its worker, its facts, its changelog. The archive and the other generations stay.

    Raises:
        NotReady: it is shown, there is none of this number, or its worker runs.

    """
    folder = settings.home / "generations" / str(generation)
    if generation == generations.active(client):
        raise NotReady(
            f"generation {generation} is shown: show another one first (`leadstream adopt`, `leadstream rollback`)"
        )
    if not folder.is_dir() and not generations.versions(client, generation):
        raise NotReady(f"there is no generation {generation}: see `leadstream definitions list`")
    if folder.is_dir():
        (folder / DROPPED).touch()  # the stack ends its worker, and starts it no more
    own = settings.model_copy(update={"generation": generation})
    worker = own.app_id("advance")
    admin = connections.admin(settings)
    try:
        if holes.members(admin, worker, settings.session_timeout + STOPS_SECONDS):
            raise NotReady(
                f"the worker of generation {generation} runs: stop it, then run this again"
            )
        arrival.read_by(
            settings,
            settings.app_id("deliver"),
            arrival.ends(settings, topics.FACTS),
            lambda _: None,
        )
        generations.drop(client, generation)
        with contextlib.suppress(GroupIdNotFoundError):
            admin.delete_groups([worker])
        with contextlib.suppress(UnknownTopicOrPartitionError):
            admin.delete_topics([own.changelog("advance")])
    finally:
        admin.close()
