"""The composition root: which worker reads which topics with which pure function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas import reading, sources, topics
from streams import connections, metrics
from streams.agents.advance import Advance
from streams.agents.deliver import Deliver
from streams.agents.drift import Drift
from streams.agents.normalise import Ignored, normalise, normalise_import
from streams.agents.pace import Pace
from streams.agents.resolve import Resolve
from streams.engine import recovery
from streams.engine.breaker import Breakers, Limits
from streams.engine.letters import Post
from streams.engine.logic import Effects, Logic
from streams.engine.sink import Refused, SinkWorker
from streams.engine.stateful import Stateful
from streams.engine.stateless import Parking, Stateless
from streams.engine.worker import Hooks
from streams.settings import Settings, role_of, write_stopped
from streams.sources import registry
from streams.sources.drift import CHANGES
from streams.sources.registry import SOURCES

if TYPE_CHECKING:
    from faust.types import TP

    from streams.engine.recovery import SafeApp

Write = Callable[[Sequence[tuple[Any, Sequence[Any]]]], Sequence[Refused]]


def build(settings: Settings, worker: str, hooks: Hooks | None = None) -> SafeApp:
    """Make one worker's Faust app. One app, one consumer group, one set of agents each."""
    if worker not in topics.WORKERS:
        raise ValueError(f"worker {worker!r} is none of {', '.join(topics.WORKERS)}")
    spec = topics.WORKERS[worker]
    datadir = settings.home / "faust" / worker
    datadir.parent.mkdir(parents=True, exist_ok=True)
    app = recovery.build(
        settings.app_id(worker),
        settings.brokers,
        settings.partitions,
        settings.replication,
        settings.session_timeout,
        str(datadir),
        connections.faust_credentials(settings),
        lambda **options: connections.async_consumer(settings, **options),
    )
    role = role_of(settings, worker)
    hooks = hooks or _hooks(settings, worker, role)
    post = Post(topics.DEADLETTERS, worker, _source_of(spec), role)
    _ENGINES[spec.engine](Frame(app, settings, spec, post, hooks), _PROCESSORS[spec])
    return app


class Frame(NamedTuple):
    """What each engine takes, whatever its processor."""

    app: SafeApp
    settings: Settings
    spec: topics.Worker
    post: Post
    hooks: Hooks


def _transform(frame: Frame, make: Callable[[Settings, Hooks], Transform]) -> None:
    app, settings, spec, post, hooks = frame
    limits = Limits(settings.breaker_window, settings.breaker_share, settings.breaker_least)
    breakers = Breakers(spec.name, limits, topics.PARKED, topics.SOURCES)
    parking = Parking(
        breakers, lambda: connections.async_consumer(settings, auto_offset_reset="earliest")
    )
    made = make(settings, hooks)
    Stateless(
        app,
        post,
        spec.reads,
        settings.partitions,
        hooks,
        made.turn,
        spec.tick_to,
        parking,
        made.wait,
    )


def _fold(frame: Frame, make: Callable[[Settings, Hooks], Logic]) -> None:
    app, settings, spec, post, hooks = frame
    (topic,) = spec.reads
    logic = make(settings, hooks)
    Stateful(app, post, topic, settings.partitions, hooks, logic, spec.upstream, spec.tick_to)


def _sink(frame: Frame, make: Callable[[Settings, Hooks], Write]) -> None:
    app, settings, spec, post, hooks = frame
    write, every, most = make(settings, hooks), settings.sink_every, settings.sink_rows
    SinkWorker(app, post, spec.reads, settings.partitions, hooks, write, every, most)


class Transform(NamedTuple):
    """The processor of a transform: a record in, outputs out; `wait` may hold a chunk back."""

    turn: Callable[[Any], Effects]
    wait: Callable[[], Awaitable[None]] | None = None


def _normalise(settings: Settings, hooks: Hooks) -> Transform:
    ignored = Ignored(settings.ignored(), hooks.count)
    zone = reading.in_force(settings.funnel).reporting.zone if settings.funnel.name else "UTC"
    connection, look = registry.connection(settings.option, zone), drift_detector(settings).look
    return Transform(lambda record: normalise(record, connection, ignored, look))


def _normalise_import(settings: Settings, hooks: Hooks) -> Transform:
    ignored = Ignored(settings.ignored(), hooks.count)
    return Transform(lambda record: normalise_import(record, ignored), Pace(settings).wait)


def _resolve(settings: Settings, hooks: Hooks) -> Resolve:
    return Resolve(settings.identity(), hooks.count)


def _advance(settings: Settings, hooks: Hooks) -> Advance:
    folder, from_offsets = reading.load_all(settings.funnel), settings.adoption_offsets()
    return Advance(folder, settings.generation, hooks.count, from_offsets)


def _deliver(settings: Settings, _hooks: Hooks) -> Write:
    from sinks.clickhouse.writer import Writer  # noqa: PLC0415 - only the sink needs ClickHouse

    return Deliver(Writer(settings)).write


# What a worker does stands here, what it reads and writes in schemas/topics.py.
_PROCESSORS: dict[topics.Worker, Callable[[Settings, Hooks], Any]] = {
    topics.NORMALISE: _normalise,
    topics.NORMALISE_IMPORT: _normalise_import,
    topics.RESOLVE: _resolve,
    topics.ADVANCE: _advance,
    topics.DELIVER: _deliver,
}
_ENGINES: dict[topics.Engine, Callable[[Frame, Callable[[Settings, Hooks], Any]], None]] = {
    topics.Engine.TRANSFORM: _transform,
    topics.Engine.FOLD: _fold,
    topics.Engine.SINK: _sink,
}


def drift_detector(settings: Settings) -> Drift:
    """Make the detector of changed bodies; its counters begin at 0, so a first change is a rise."""
    for source in SOURCES:
        for change in CHANGES:
            metrics.SCHEMA_DRIFT.labels(source, change)
    return Drift(
        lambda source, change: metrics.SCHEMA_DRIFT.labels(source, change).inc(), settings.home
    )


def _source_of(spec: topics.Worker) -> Callable[[Any], str]:
    """Return what names a record's source for a worker: on our own topics only imports are one.

    Anybody may claim any name, so names that are none of ours are one source: breakers and labels
    are bounded.
    """
    if spec is topics.NORMALISE:
        return lambda record: _known(sources.source_of(record.headers))
    return lambda _record: "import" if spec is topics.NORMALISE_IMPORT else ""


class Labels:
    """Vendors' words as labels: only the first so many of each source, which bounds the metrics."""

    def __init__(self, most: int = 100) -> None:
        self._most, self._known = most, dict[str, set[str]]()

    def bounded(self, source: str, word: str) -> str:
        """Return the word, or `other` once its source has sent too many."""
        known, kept = self._known.setdefault(source, set()), word[:60]
        if kept not in known and len(known) >= self._most:
            return "other"
        known.add(kept)
        return kept


def _hooks(settings: Settings, worker: str, role: str) -> Hooks:
    labels = Labels()

    def count(what: str, number: int) -> None:
        if number:
            metrics.RECORDS.labels(worker, what).inc(number)

    def gauge(_name: str, partition: int, value: float) -> None:
        metrics.TIME.labels(worker, str(partition)).set(value / 1000)

    def parked(source: str, place: TP, is_parked: bool) -> None:
        metrics.PARKED.labels(_known(source), place.topic, str(place.partition)).set(int(is_parked))

    def letter(source: str, number: int) -> None:
        metrics.DEAD_LETTERS.labels(worker, source).inc(number)

    def ignored(source: str, kind: str) -> None:
        metrics.IGNORED.labels(source, labels.bounded(source, kind)).inc()

    def dropped(source: str, detail: str) -> None:
        metrics.DROPPED.labels(source, labels.bounded(source, detail)).inc()

    def stopping(reason: str) -> None:
        write_stopped(settings.home, role, reason)

    return Hooks(
        count,
        gauge,
        parked=parked,
        letter=letter,
        ignored=ignored,
        dropped=dropped,
        stopping=stopping,
    )


def _known(source: str) -> str:
    """Return the name of a source that there is; any other name is `unknown`."""
    return source if source in SOURCES or source in ("", "import") else "unknown"
