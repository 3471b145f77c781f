"""Every topic and every worker: who writes, who reads, how long a record is kept.

`leadstream topics apply` makes the broker agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

DAY_MS = 86_400_000
PARKED_DAYS = 14  # as long as raw topics keep their records


@dataclass(frozen=True)
class Topic:
    """One topic. `retention_ms` of -1 keeps for ever; `config` is in Kafka's own words.

    `written_by` and `read_by` are those beside the workers; of these WORKERS knows.
    """

    name: str
    written_by: str
    read_by: str
    retention_ms: int
    meaning: str
    config: dict[str, str] = field(default_factory=dict)

    @property
    def producers(self) -> str:
        """Return who writes it, workers first."""
        return _listed(
            [one.name for one in WORKERS.values() if self.name in one.writes], self.written_by
        )

    @property
    def consumers(self) -> str:
        """Return who reads it, workers first."""
        workers = [one.name for one in WORKERS.values() if self.name in one.reads + one.follows]
        return _listed(workers, self.read_by)

    def settings(self) -> dict[str, str]:
        """Return the topic's configuration as Kafka takes it."""
        return {
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": "2097152",
            **self.config,
        }


def _listed(workers: list[str], others: str) -> str:
    return ", ".join([*workers, *filter(None, [others])])


# Stamped by the broker: the stamp is the received_at of every body, and what a tick is held
# against.
_RAW = _STAMPED = {"message.timestamp.type": "LogAppendTime"}
_COMPACTED = {"cleanup.policy": "compact"}

RAW_WEB = "lead.raw.web"
RAW_ADS = "lead.raw.ads"
RAW_CRM = "lead.raw.crm"
RAW_IMPORT = "lead.raw.import"
EVENTS = "lead.events"
TOUCHES = "lead.touches"
FACTS = "lead.facts"
STATE = "lead.state"
ALERTS = "lead.alerts"
NOTICES = "lead.notices"
SPEND = "lead.spend"
TARGETS = "lead.targets"
RATES = "lead.rates"
SURVEYS = "lead.surveys"
DEADLETTERS = "lead.deadletters"
PARKED = "lead.parked"
SOURCES = "lead.sources"

RAW_LIVE = (RAW_WEB, RAW_ADS, RAW_CRM)


class Engine(StrEnum):
    """How a worker works (streams/engine): each record by itself, into rows, or to a database."""

    TRANSFORM = "transform"
    FOLD = "fold"
    SINK = "sink"


@dataclass(frozen=True)
class Worker:
    """One worker, `leadstream worker NAME`, and the topics on either side of it.

    It works through the records of `reads`, looks into `follows` beside that, and writes `writes`;
    all write dead letters. A fold takes its watermark from the partitions of `upstream`. A worker
    passes its watermark on to `tick_to`. Of one with `per_generation` each generation of facts has
    its own.
    """

    name: str
    engine: Engine
    meaning: str
    reads: tuple[str, ...]
    writes: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    tick_to: str | None = None
    per_generation: bool = False


NORMALISE = Worker(
    "normalise",
    Engine.TRANSFORM,
    "reads vendors' bodies",
    reads=RAW_LIVE,
    writes=(EVENTS, SPEND, PARKED, SOURCES),
    follows=(SOURCES,),
    tick_to=EVENTS,
)
NORMALISE_IMPORT = Worker(
    "normalise-import",
    Engine.TRANSFORM,
    "reads imported files",
    reads=(RAW_IMPORT,),
    writes=(EVENTS, PARKED, SOURCES),
    follows=(FACTS, SOURCES),  # facts: an import yields to live events
)
RESOLVE = Worker(
    "resolve",
    Engine.FOLD,
    "works out whose event it is",
    reads=(EVENTS,),
    writes=(EVENTS, TOUCHES, FACTS),
    upstream=RAW_LIVE,
    tick_to=TOUCHES,
)
ADVANCE = Worker(
    "advance",
    Engine.FOLD,
    "folds a lead's history",
    reads=(TOUCHES,),
    writes=(TOUCHES, FACTS, STATE, ALERTS),
    upstream=(EVENTS,),
    per_generation=True,
)
DELIVER = Worker(
    "deliver",
    Engine.SINK,
    "writes to ClickHouse",
    reads=(FACTS, TOUCHES, SPEND, TARGETS, RATES, SURVEYS, DEADLETTERS),
)
WORKERS: dict[str, Worker] = {
    one.name: one for one in (NORMALISE, NORMALISE_IMPORT, RESOLVE, ADVANCE, DELIVER)
}
READS: dict[str, tuple[str, ...]] = {name: one.reads for name, one in WORKERS.items()}
# A fold has exactly one topic, since fences of two can't be compared (engine e2).
STATEFUL = tuple(name for name, one in WORKERS.items() if one.engine is Engine.FOLD)

TOPICS: tuple[Topic, ...] = (
    Topic(
        RAW_WEB,
        "gateway, ticker, anyone",
        "",
        14 * DAY_MS,
        "bodies of web sources as they came",
        _RAW,
    ),
    Topic(
        RAW_ADS,
        "gateway, retriever, ticker, anyone",
        "retriever",
        14 * DAY_MS,
        "bodies of ad platforms as they came",
        _RAW,
    ),
    Topic(
        RAW_CRM,
        "gateway, retriever, ticker, anyone",
        "retriever",
        14 * DAY_MS,
        "bodies of CRM systems as they came",
        _RAW,
    ),
    Topic(
        RAW_IMPORT,
        "import, people",
        "",
        14 * DAY_MS,
        "rows of imported files as events",
        _RAW,
    ),
    Topic(
        EVENTS,
        "people",
        "",
        14 * DAY_MS,
        "canonical events and links, keyed by alias",
    ),
    Topic(
        TOUCHES,
        "people",
        "",
        -1,
        "events and edges of a lead, keyed by lead",
    ),
    Topic(
        FACTS,
        "people",
        "",
        90 * DAY_MS,
        "facts and cuts, in the partition of their lead",
    ),
    Topic(STATE, "", "anyone", -1, "one row a lead, the newest", _COMPACTED),
    Topic(
        ALERTS,
        "",
        "notifier, anyone",
        30 * DAY_MS,
        "stalled and breached leads, and their retractions",
    ),
    Topic(
        NOTICES,
        "notifier, people",
        "notifier",
        -1,
        "whom the notifier has notified of what, and what people snoozed",
        _COMPACTED,
    ),
    Topic(
        SPEND,
        "import",
        "",
        -1,
        "what an ad account cost on a day, the latest statement wins",
    ),
    # the broker's stamp is the order of two statements of one key
    Topic(
        TARGETS,
        "records, import",
        "",
        -1,
        "what a KPI shall reach in a period, the latest statement wins",
        _STAMPED,
    ),
    Topic(
        RATES,
        "records",
        "",
        -1,
        "what a currency is worth from a day on, the latest statement wins",
        _STAMPED,
    ),
    Topic(
        SURVEYS,
        "records",
        "",
        -1,
        "scores that people gave, by hash, the latest answer wins",
        _STAMPED,
    ),
    Topic(
        DEADLETTERS,
        "every worker, retriever, people",
        "people",
        90 * DAY_MS,
        "what could not be read, with why and the bytes",
    ),
    # a parked record carries where it stood, so it is a little larger than it was
    Topic(
        PARKED,
        "",
        "people",
        PARKED_DAYS * DAY_MS,
        "records of parked sources",
        {"max.message.bytes": "2228224"},
    ),
    Topic(
        SOURCES,
        "people",
        "notifier, people",
        -1,
        "what is parked",
        _COMPACTED,
    ),
)
