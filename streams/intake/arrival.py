"""Has what was published arrived? Committed offsets and watermarks answer; no id is counted.

A worker has read what lies below its group's committed offsets. All facts of what came before a
moment are in ClickHouse once the watermark of every partition has passed that moment there.
"""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import stamina
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from schemas.errors import LeadstreamError
from sinks.clickhouse import generations
from sinks.clickhouse.files import statement
from streams import connections

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.settings import Settings

ROUNDS = 3  # an event, the links that it raises, what those set free: each may come behind a tick
IN_TURN = 5  # times as long may one partition wait while a late sink serves the others
_WATERMARKS = statement(__file__, "arrival_watermarks")


class Stalled(LeadstreamError):  # noqa: N818 - it names what to look at
    """What was published does not arrive."""


def ends(settings: Settings, topic: str) -> dict[TopicPartition, int]:
    """Return the end offset of each partition of a topic; an away broker is asked for a minute.

    Raises:
        KafkaError: the broker did not answer within it.

    """
    retrying = stamina.RetryingCaller(timeout=60.0, attempts=None)
    return retrying(KafkaError, _ends, settings, topic)


def _ends(settings: Settings, topic: str) -> dict[TopicPartition, int]:
    consumer = connections.consumer(settings)
    try:
        found: dict[TopicPartition, int] = consumer.end_offsets(
            [TopicPartition(topic, number) for number in range(settings.partitions)]
        )
        return found
    finally:
        consumer.close()


def left(admin: KafkaAdminClient, group: str, wanted: dict[TopicPartition, int]) -> int:
    """Return how many records below `wanted` a worker's group has not committed yet."""
    known = admin.list_group_offsets({group: list(wanted)})[group]
    done = {place: max(0, known[place].offset) if place in known else 0 for place in wanted}
    return sum(max(0, end - done[place]) for place, end in wanted.items())


def read_by(
    settings: Settings,
    group: str,
    wanted: dict[TopicPartition, int],
    on_progress: Callable[[int], None],
    stall_seconds: float = 120.0,
) -> None:
    """Wait until a worker has committed all below `wanted`; `on_progress` gets how many are left.

    Raises:
        Stalled: nothing moved for `stall_seconds`.

    """
    last, moved = -1, time.monotonic()
    admin = None
    try:
        while True:
            try:
                admin = admin or connections.admin(settings)
                count = left(admin, group, wanted)
            except Exception:  # noqa: BLE001 - the broker may be restarting: the limit ends the wait
                admin, count = None, last
            on_progress(max(count, 0))
            if count == 0:
                return
            if count != last:
                last, moved = count, time.monotonic()
            if time.monotonic() - moved > stall_seconds:
                raise Stalled(
                    f"{group} has {count} records left and nothing moves: see `leadstream status`"
                )
            time.sleep(0.2)
    finally:
        if admin:
            admin.close()


def folded(
    client_of: Callable[[], Any],
    partitions: int,
    after_ms: int,
    seconds: float = 60.0,
    generation: int | None = None,
) -> None:
    """Wait until every watermark in ClickHouse is after `after_ms`, so that all before is folded.

    While watermarks move, however slowly, what lies before them is being folded. A sink that is far
    behind serves one partition after another: while any watermark moves, another may stand IN_TURN
    times as long.

    Raises:
        Stalled: no watermark moved for `seconds`; the text names the partition that stands, or
            what ClickHouse answered.

    """
    moved = fell_behind = time.monotonic()
    furthest, times, refused = 0, dict[int, int](), ""
    while time.monotonic() < min(moved + seconds, fell_behind + IN_TURN * seconds):
        before = times
        try:
            client, refused = client_of(), ""
            asked = {"g": generation or generations.active(client)}
            times = dict(client.query(_WATERMARKS, parameters=asked).result_rows)
        except Exception as error:  # noqa: BLE001 - it may be restarting: the limit ends the wait
            refused = f"{type(error).__name__}: {error}"
        reached = [0 if refused else times.get(number, 0) for number in range(partitions)]
        slowest = min(reached, default=0)
        if slowest > after_ms:
            return
        if slowest > furthest:
            fell_behind, furthest = time.monotonic(), slowest
        if times != before:
            moved = time.monotonic()
        time.sleep(0.2)
    why = _stands(partitions, times, refused)
    raise Stalled(
        f"time does not reach ClickHouse: {why}; "
        "see `leadstream status` and docs/runbooks/time-stands.md"
    )


def _stands(partitions: int, times: dict[int, int], refused: str) -> str:
    if refused:
        return f"ClickHouse does not answer ({refused})"
    silent = [number for number in range(partitions) if number not in times]
    if silent:
        return f"no cut of partition {', '.join(map(str, silent))} has come yet"
    number = min(times, key=times.__getitem__)
    at = datetime.fromtimestamp(times[number] / 1000, UTC)
    return f"partition {number} stands at {at:%Y-%m-%d %H:%M:%S} UTC"


def settled(
    client_of: Callable[[], Any], partitions: int, seconds: float = 120.0, chains: float = 15.0
) -> None:
    """Wait until what was published before, and all that follows from it, is in ClickHouse.

    Edges go from neighbour to neighbour, so a chain of merges takes as many rounds as it is long:
    while edges arrive, more may. Where others go on publishing they always do, so that ends after
    `chains` seconds.

    Raises:
        Stalled: no watermark moved for `seconds`; the text says where.

    """
    end, edges = time.monotonic() + chains, -1
    for number in itertools.count(1):
        folded(client_of, partitions, int(time.time() * 1000), seconds)
        known, edges = edges, _edges(client_of)
        if number >= ROUNDS and (known == edges >= 0 or time.monotonic() > end):
            return


def _edges(client_of: Callable[[], Any]) -> int:
    """Return how many edges have arrived; -1 while ClickHouse does not answer."""
    try:
        counted = client_of().query("SELECT count() FROM touches WHERE kind = 'edge'")
        return int(counted.first_row[0])
    except Exception:  # noqa: BLE001 - ClickHouse may be restarting: the next round asks again
        return -1
