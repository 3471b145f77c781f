"""The composition root: which worker reads which topics with which pure function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas import reading, topics
from streams import metrics
from streams.agents.advance import Advance
from streams.agents.deliver import Deliver
from streams.agents.normalise import Ignored, normalise, normalise_import
from streams.agents.pace import Pace
from streams.agents.resolve import Resolve
from streams.engine import recovery
from streams.engine.absorbing import Absorbing
from streams.engine.stateful import Stateful
from streams.engine.stateless import Stateless
from streams.engine.worker import Hooks
from streams.settings import WORKERS, Settings
from streams.sources.adapter import Connection

if TYPE_CHECKING:
    from streams.engine.recovery import SafeApp


def build(settings: Settings, worker: str, hooks: Hooks | None = None) -> SafeApp:
    """Make one worker's Faust app. One app, one consumer group, one set of agents each."""
    partitions = settings.partitions
    datadir = settings.home / "faust" / worker
    datadir.parent.mkdir(parents=True, exist_ok=True)
    app = recovery.build(
        settings.app_id(worker),
        settings.brokers,
        partitions,
        settings.replication,
        settings.session_timeout,
        str(datadir),
    )
    hooks = hooks or _metered(worker)
    dead = topics.DEADLETTERS
    read = topics.READS[worker]
    if worker == "normalise":
        connection, ignored = Connection(settings.salesforce_org, settings.meta_currency), Ignored(settings.ignored(), hooks.count)
        Stateless(
            app,
            worker,
            read,
            partitions,
            hooks,
            dead,
            lambda record: normalise(record, connection, ignored),
            topics.EVENTS,
        )
    elif worker == "normalise-import":
        pace, ignored = Pace(settings.brokers, partitions), Ignored(settings.ignored(), hooks.count)
        Stateless(app, worker, read, partitions, hooks, dead, lambda record: normalise_import(record, ignored), None, wait=pace.wait)
    elif worker == "resolve":
        resolve = Resolve(settings.identity(), hooks.count)
        Stateful(app, worker, read[0], partitions, hooks, dead, resolve, topics.RAW_LIVE, topics.TOUCHES)
    elif worker == "advance":
        advance = Advance(reading.load_all(settings.funnel), settings.generation, hooks.count, settings.born())
        Stateful(app, worker, read[0], partitions, hooks, dead, advance, (topics.EVENTS,), None)
    elif worker == "deliver":
        from sinks.clickhouse.writer import Writer  # noqa: PLC0415 - only the sink needs ClickHouse

        deliver = Deliver(Writer.connect(settings))
        Absorbing(app, worker, read, partitions, hooks, dead, deliver.write, settings.sink_every, settings.sink_rows)
    else:
        raise ValueError(f"worker {worker!r} is none of {', '.join(WORKERS)}")
    return app


def _metered(worker: str) -> Hooks:
    def count(what: str, number: int) -> None:
        if number:
            metrics.RECORDS.labels(worker, what).inc(number)

    def gauge(_name: str, partition: int, value: float) -> None:
        metrics.TIME.labels(worker, str(partition)).set(value / 1000)

    return Hooks(count, gauge)
