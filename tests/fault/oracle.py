"""The oracle: it knows what was sent, and asks Kafka and ClickHouse what became of it.

- missing 0: every event that was acknowledged stands in the archive;
- twice 0: it stands there once, however often its body was sent; one that was dated ahead is dated
  to its receipt, so a body that came twice has two contents there, of one event of one lead, of
  which the fold takes one;
- wrong 0: folding the archive gives every fact in ClickHouse (`verify`), those of clocks included;
- each poison record stands in the dead letters, once, and nothing else does;
- no alert is raised twice for one run of a clock: a repeat of the same revision is Kafka's, another
  revision with the same content is ours;
- time is never ahead of the clock and never falls;
- a chain of merges is one lead.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson
from kafka import TopicPartition

from schemas import topics
from streams import connections
from streams.audit import verify
from streams.connections import clickhouse_client
from streams.domain import aliases
from streams.intake import arrival
from streams.operate import deadletters, reading

from .system import Stuck

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.settings import Settings

    from .report import Report

SETTLE_SECONDS = 600.0  # a chain of a hundred merges is twenty thousand records in lead.touches
AHEAD_MS = 2_000  # ticks and this process read one clock; a second more is rounding
_ARCHIVED = (
    "SELECT event_id, count(), uniqExact(lead_id, origin) FROM touches FINAL "
    "WHERE kind = 'event' AND copied = 0 GROUP BY event_id"
)
_WATERMARKS = (
    "SELECT source_partition, toUnixTimestamp64Milli(argMax(now, next_offset)) FROM cuts "
    "WHERE generation = 1 GROUP BY source_partition"
)
_LIVING = (
    "SELECT count() FROM lead_state FINAL "
    "WHERE generation = 1 AND is_deleted = 0 AND lead_id IN ({})"
)


class Oracle:
    """What must stand of one home."""

    def __init__(self, settings: Settings, report: Report, say: Callable[[str], None]) -> None:
        self.settings, self.report, self.say = settings, report, say
        self.poisoned: set[str] = set()  # ids of the letters that there must be
        # Bodies of which each must have one letter, wherever it stood last.
        self.garbage: set[bytes] = set()
        self.sent: set[str] = set()  # events that the suite sent to Kafka itself
        self.chains: list[tuple[str, ...]] = []
        self._watermarks: dict[int, int] = {}

    def settle(self) -> None:
        """Wait until what was published, and what it raised on its way, stands in ClickHouse."""
        began = time.monotonic()
        try:
            arrival.settled(
                lambda: clickhouse_client(self.settings),
                self.settings.partitions,
                SETTLE_SECONDS,
                SETTLE_SECONDS,
            )
        except arrival.Stalled as error:
            raise Stuck(str(error)) from None
        self.report.settle_seconds.append(round(time.monotonic() - began, 1))

    def lag(self) -> float:
        """Return how far the slowest partition's time is behind the clock (s)."""
        watermarks = dict(clickhouse_client(self.settings).query(_WATERMARKS).result_rows)
        return (
            time.time() - min(watermarks.values(), default=0) / 1000
            if len(watermarks) == self.settings.partitions
            else float("inf")
        )

    def hold(self, accepted: set[str], ahead: set[str]) -> None:
        """Count what is not as it must be; `ahead` are the events that were dated ahead."""
        client, found = clickhouse_client(self.settings), Counter[str]()
        wanted = accepted | self.sent
        archived = {
            name: homes if name in ahead else rows
            for name, rows, homes in client.query(_ARCHIVED).result_rows
        }
        found["missing"] = len(missing := wanted - archived.keys())
        found["twice"] = len(
            twice := [name for name, count in archived.items() if count > 1 and name in wanted]
        )
        audit = verify.verify(client, self.settings.partitions)
        found["wrong"] = len(audit.missing) + len(audit.extra) + len(audit.different)
        letters = self._letters()
        found["letters_wrong"] = len(letters)
        found["alerts_twice"] = len(alerts := self._alerts_twice())
        self._time(client, found)
        found["unmerged"] = sum(self._living(client, chain) != 1 for chain in self.chains)
        if +found:
            self.say(
                f"  FOUND {dict(+found)}: missing {sorted(missing)[:5]}, twice {twice[:5]}, "
                f"letters {letters[:5]}, alerts {alerts[:3]}"
            )
        if not audit.clean:
            self.say(f"  audit {str(audit.document())[:3000]}")
        self.report.found += found

    def _letters(self) -> list[str]:
        """Return the letters that are too many, and those that lack."""
        found = {
            one.letter.id for one in deadletters.read(self.settings, deadletters.Chosen(all=True))
        }
        places = self._places_of_garbage()
        wrong = [
            f"{len(here & found)} letters of garbage"
            for here in places.values()
            if len(here & found) != 1
        ]
        known = self.poisoned | {place for here in places.values() for place in here}
        return [*wrong, *sorted((found - known) | (self.poisoned - found))]

    def _places_of_garbage(self) -> dict[bytes, set[str]]:
        """Where each body stands: more than once, since what was parked came back."""
        places: dict[bytes, set[str]] = {body: set() for body in self.garbage}
        for record in reading.records(self.settings, topics.RAW_WEB) if places else ():
            if record.value in places:
                places[record.value].add(f"{topics.RAW_WEB}:{record.partition}:{record.offset}:0")
        return places

    def _alerts_twice(self) -> list[str]:
        """Return alerts that another revision of the same clock repeated to the letter."""
        last: dict[str, tuple[int, dict[str, Any]]] = {}
        twice, number = [], 0
        for record in reading.records(self.settings, topics.ALERTS):
            alert = orjson.loads(record.value)
            name, revision, number = alert["id"], alert.pop("revision"), number + 1
            known = last.get(name)
            if known and known[0] != revision and known[1] == alert and alert["what"] == "raised":
                twice.append(f"{name} at {known[0]} and {revision}: {alert}")
            if known is None or revision >= known[0]:
                last[name] = (revision, alert)
        self.alerts = number
        return twice

    def _time(self, client: Any, found: Counter[str]) -> None:
        for partition, watermark in client.query(_WATERMARKS).result_rows:
            found["time_ahead"] += watermark > time.time() * 1000 + AHEAD_MS
            found["time_fell"] += watermark < self._watermarks.get(partition, 0)
            self._watermarks[partition] = watermark

    def _living(self, client: Any, chain: tuple[str, ...]) -> int:
        ids = ", ".join(
            f"'{aliases.origin_id(self.settings.identity(), alias)}'" for alias in chain
        )
        return int(client.query(_LIVING.format(ids)).first_row[0])


def kafka_records(settings: Settings) -> int:
    """Count what was ever written to the topics of a home, the workers' own included."""
    consumer = connections.consumer(settings)
    try:
        places = [
            TopicPartition(topic, partition)
            for topic in consumer.topics()
            if not topic.startswith("__")
            for partition in consumer.partitions_for_topic(topic) or ()
        ]
        return sum(consumer.end_offsets(places).values())
    finally:
        consumer.close()
