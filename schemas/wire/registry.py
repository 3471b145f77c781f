"""The registry of topics and their records: model, key, partition and meaning of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schemas import deadletters, sources, topics
from schemas.events import LeadEvent

from .models import alerts, events, facts, letters, notices, raw, rows, stated, touches

JSON, BYTES, MSGPACK = "application/json", "application/octet-stream", "application/msgpack"


@dataclass(frozen=True)
class Message:
    """A kind of record: its name, its value's model (None: bytes), key, headers and meaning."""

    name: str
    model: Any
    meaning: str
    key: str = ""
    headers: Any = None
    content_type: str = JSON
    versioned: Any = None  # what holds the version, where the value does not


@dataclass(frozen=True)
class Channel:
    """A topic: how its records find their partition, and which there are."""

    topic: topics.Topic
    partitioning: str
    messages: tuple[Message, ...]
    address: str = ""  # where it is not the topic's name: with parameters in braces


_BY_KEY = "by key, as Kafka's own partitioner does"
_TICK = Message("Tick", raw.Tick, "The watermark of one partition of the topic before.")
_BODY = Message(
    "Body",
    None,
    "A vendor's body as it came.",
    "the event's subject, or none",
    raw.RawHeaders,
    BYTES,
)
_RESUME = Message(
    "Resume", raw.Nothing, "From here on a parked source is read again.", "", raw.ResumeHeaders
)
_MARKER = Message("Marker", rows.Marker, "Where the partition goes on.", "NUL, `next:<partition>`")
_WAKE = Message(
    "Wake", raw.Nothing, "A timer that failed is tried again.", "a row's key", raw.WakeHeaders
)
_STATE = Message("State", facts.State, "A lead's absolute state.", "<generation>:<lead>")


def _changelog(worker: str, meaning: str) -> topics.Topic:
    name = f"leadstream-{worker}-changelog"
    return topics.Topic(name, worker, worker, -1, meaning, {"cleanup.policy": "compact"})


def _raw(topic: str) -> Channel:
    return Channel(_TOPIC[topic], "any; a tick goes to each", (_BODY, _TICK, _RESUME))


_TOPIC = {topic.name: topic for topic in topics.TOPICS}
_STATED_KEY = "what a later statement must share to replace it, as a JSON array"

CHANNELS: tuple[Channel, ...] = (
    _raw(topics.RAW_WEB),
    _raw(topics.RAW_ADS),
    _raw(topics.RAW_CRM),
    Channel(
        _TOPIC[topics.RAW_IMPORT],
        _BY_KEY,
        (
            Message("ImportedEvent", LeadEvent, "An event that a mapping file made.", "an alias"),
            _RESUME,
        ),
    ),
    Channel(
        _TOPIC[topics.EVENTS],
        f"{_BY_KEY}; a tick goes to each",
        (
            Message("EventByAlias", events.EventByAlias, "A canonical event.", "an alias"),
            Message("Link", events.Link, "An alias learns of an identity.", "an alias"),
            Message("Ask", events.Ask, "An alias asks another for its identity.", "an alias"),
            _TICK,
            _WAKE,
        ),
    ),
    Channel(
        _TOPIC[topics.TOUCHES],
        f"{_BY_KEY}; a tick goes to each",
        (
            Message("EventInput", touches.EventInput, "An event of a lead.", "an identity"),
            Message("EdgeInput", touches.EdgeInput, "A join of identities.", "an identity"),
            Message(
                "DefinitionInput",
                touches.DefinitionInput,
                "A later version of the funnel, to each partition.",
                "NUL, then `common`",
            ),
            _TICK,
            _WAKE,
        ),
    ),
    Channel(
        _TOPIC[topics.FACTS],
        "the partition of lead.touches that made it",
        (
            Message("Fact", facts.Fact, "A revision of a fact.", "the lead"),
            Message("State", facts.State, "A lead's absolute state.", "the lead"),
            Message("Cut", facts.Cut, "How far a partition was folded."),
            Message("AliasOf", facts.AliasOf, "What an alias is to an identity."),
            Message("DefinitionTaken", facts.DefinitionTaken, "A version that a partition took."),
            Message("HoleAccepted", facts.HoleAccepted, "A loss that a person accepted."),
        ),
    ),
    Channel(_TOPIC[topics.STATE], _BY_KEY, (_STATE,)),
    Channel(
        _TOPIC[topics.ALERTS],
        _BY_KEY,
        (
            Message(
                "Alert", alerts.Alert, "A level that a clock reached, or took back.", "the lead"
            ),
        ),
    ),
    Channel(
        _TOPIC[topics.NOTICES],
        _BY_KEY,
        (
            Message(
                "Stall",
                notices.Stall,
                "A clock that somebody is notified of: its alerts and notices.",
                'JSON: ["stall", the fact\'s id]',
            ),
            Message(
                "Notification",
                notices.Notification,
                "A message to one recipient, and which channels took it.",
                'JSON: ["message", id]',
            ),
            Message(
                "Snooze",
                notices.Snooze,
                "A lead or a clock of which nobody is notified for a while.",
                'JSON: ["snooze", subject, when it was asked for]',
            ),
            Message(
                "Place",
                notices.Place,
                "How far a partition of lead.alerts was read.",
                'JSON: ["place", partition]',
            ),
            Message(
                "Shown", notices.Shown, "The generation that was shown last.", 'JSON: ["shown"]'
            ),
        ),
    ),
    Channel(
        _TOPIC[topics.SPEND],
        _BY_KEY,
        (Message("Spend", stated.SpendRecord, "A cost.", _STATED_KEY),),
    ),
    Channel(
        _TOPIC[topics.TARGETS],
        _BY_KEY,
        (Message("Target", stated.TargetRecord, "A target.", _STATED_KEY),),
    ),
    Channel(
        _TOPIC[topics.RATES],
        _BY_KEY,
        (Message("Rate", stated.RateRecord, "A currency's rate.", _STATED_KEY),),
    ),
    Channel(
        _TOPIC[topics.SURVEYS],
        _BY_KEY,
        (Message("Answer", stated.AnswerRecord, "An answer.", _STATED_KEY),),
    ),
    Channel(
        _TOPIC[topics.DEADLETTERS],
        _BY_KEY,
        (
            Message(
                "LetterPiece",
                None,
                "A piece of a letter: together, a line of JSON (Envelope), then the bytes.",
                "the letter's id",
                letters.LetterHeaders,
                BYTES,
                deadletters.Letter,
            ),
            Message(
                "LetterMark",
                None,
                "What became of a letter. It has no value.",
                "the letter's id",
                letters.MarkHeaders,
                BYTES,
                deadletters.Mark,
            ),
        ),
    ),
    Channel(
        _TOPIC[topics.PARKED],
        _BY_KEY,
        (
            Message(
                "ParkedBody",
                None,
                "A raw record as it came, with where it stood.",
                "its own",
                letters.ParkedHeaders,
                BYTES,
            ),
        ),
    ),
    Channel(
        _TOPIC[topics.SOURCES],
        _BY_KEY,
        (
            Message(
                "SourceState",
                sources.SourceState,
                "A source is read or parked.",
                'JSON: ["source", source, topic, partition]',
            ),
            Message(
                "Moved",
                sources.Moved,
                "How far a source's parked records were sent again.",
                'JSON: ["moved", source]',
            ),
        ),
    ),
    Channel(
        _changelog(topics.ADVANCE.name, "one row a lead, behind checksum and fence"),
        "the partition of lead.touches that made it",
        (
            Message(
                "LeadHead",
                rows.LeadHead,
                "A lead's row: 25 bytes, then msgpack.",
                "an identity",
                None,
                MSGPACK,
            ),
            Message(
                "EventsPage",
                rows.KeptEvents,
                "Older events of a lead: how many, in 4 bytes, their ids, in 8 each, then msgpack.",
                "NUL, `page:`, the row's key and `e` with a number",
                None,
                MSGPACK,
            ),
            Message(
                "FactsPage",
                dict[str, rows.Emitted],
                "What was stated of older facts of a lead, in msgpack.",
                "NUL, `page:`, the row's key and `f` with a number",
                None,
                MSGPACK,
            ),
            _MARKER,
        ),
    ),
    Channel(
        _changelog(topics.RESOLVE.name, "one row an alias, behind checksum and fence"),
        "the partition of lead.events that made it",
        (
            Message("AliasRow", rows.AliasRow, "An alias' row.", "the alias' keyed hash"),
            Message(
                "Page",
                dict[str, Any],
                "Notes of an alias that its row has no room for.",
                "NUL, `page:`, the row's key and a number",
            ),
            _MARKER,
        ),
        "leadstream-resolve-{partitions}-resolve-changelog",
    ),
)
# Parts of records that are no record by themselves, but have a form of their own.
PARTS = (letters.Envelope, deadletters.Letter, deadletters.Mark)
