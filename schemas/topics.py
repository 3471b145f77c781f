"""Every topic: who writes it, who reads it, how long it is kept.

`leadstream topics apply` makes the broker agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field

DAY_MS = 86_400_000
PARKED_DAYS = 14  # as long as raw topics keep their records


@dataclass(frozen=True)
class Topic:
    """One topic. `retention_ms` of -1 keeps for ever; `config` is in Kafka's own words."""

    name: str
    producers: str
    consumers: str
    retention_ms: int
    meaning: str
    config: dict[str, str] = field(default_factory=dict)

    def settings(self) -> dict[str, str]:
        """Return the topic's configuration as Kafka takes it."""
        return {
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": "2097152",
            **self.config,
        }


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

# What each worker reads; a stateful one has exactly one topic, since fences of two can't be
# compared (engine e2).
READS: dict[str, tuple[str, ...]] = {
    "normalise": RAW_LIVE,
    "normalise-import": (RAW_IMPORT,),
    "resolve": (EVENTS,),
    "advance": (TOUCHES,),
    "deliver": (FACTS, TOUCHES, SPEND, TARGETS, RATES, SURVEYS, DEADLETTERS),
}
STATEFUL = ("resolve", "advance")

TOPICS: tuple[Topic, ...] = (
    Topic(
        RAW_WEB,
        "gateway, ticker, anyone",
        "normalise",
        14 * DAY_MS,
        "bodies of web sources as they came",
        _RAW,
    ),
    Topic(
        RAW_ADS,
        "gateway, retriever, ticker, anyone",
        "normalise, retriever",
        14 * DAY_MS,
        "bodies of ad platforms as they came",
        _RAW,
    ),
    Topic(
        RAW_CRM,
        "gateway, retriever, ticker, anyone",
        "normalise, retriever",
        14 * DAY_MS,
        "bodies of CRM systems as they came",
        _RAW,
    ),
    Topic(
        RAW_IMPORT,
        "import",
        "normalise-import",
        14 * DAY_MS,
        "rows of imported files as events",
        _RAW,
    ),
    Topic(
        EVENTS,
        "normalise, normalise-import, resolve",
        "resolve",
        14 * DAY_MS,
        "canonical events and links, keyed by alias",
    ),
    Topic(
        TOUCHES,
        "resolve, advance",
        "advance, deliver",
        -1,
        "events and edges of a lead, keyed by lead",
    ),
    Topic(
        FACTS,
        "resolve, advance",
        "deliver, normalise-import",
        90 * DAY_MS,
        "facts and cuts, in the partition of their lead",
    ),
    Topic(STATE, "advance", "anyone", -1, "one row a lead, the newest", _COMPACTED),
    Topic(
        ALERTS,
        "advance",
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
        "normalise, import",
        "deliver",
        -1,
        "what an ad account cost on a day, the latest statement wins",
    ),
    # the broker's stamp is the order of two statements of one key
    Topic(
        TARGETS,
        "records, import",
        "deliver",
        -1,
        "what a KPI shall reach in a period, the latest statement wins",
        _STAMPED,
    ),
    Topic(
        RATES,
        "records",
        "deliver",
        -1,
        "what a currency is worth from a day on, the latest statement wins",
        _STAMPED,
    ),
    Topic(
        SURVEYS,
        "records",
        "deliver",
        -1,
        "scores that people gave, by hash, the latest answer wins",
        _STAMPED,
    ),
    Topic(
        DEADLETTERS,
        "every worker, retriever, people",
        "deliver, people",
        90 * DAY_MS,
        "what could not be read, with why and the bytes",
    ),
    # a parked record carries where it stood, so it is a little larger than it was
    Topic(
        PARKED,
        "normalise, normalise-import",
        "people",
        PARKED_DAYS * DAY_MS,
        "records of parked sources",
        {"max.message.bytes": "2228224"},
    ),
    Topic(
        SOURCES,
        "normalise, normalise-import, people",
        "normalise, normalise-import, notifier, people",
        -1,
        "what is parked",
        _COMPACTED,
    ),
)
