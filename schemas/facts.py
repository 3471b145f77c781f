"""What leadstream states of a lead.

A fact is a function of the set of events, the definitions and the watermark, and of nothing else.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

# What the fold makes of the same events. Raise it by one when a release makes other facts of them
# (tests/unit/test_fold_version.py notices): a generation is carried on only under the version that
# began it. 0 is whatever was folded before there was one.
FOLD_VERSION = 1


class FactKind(StrEnum):
    """Each kind has its table in ClickHouse; sinks/clickhouse/rows.py says its columns."""

    JOURNEY = "journey"  # lead and journey number: milestones, origin, source, exclusion
    TRANSITION = "transition"  # one move from a stage to another, or an entry into the first
    CLOCK = "clock"  # a service level: open, warned, breached, escalated, met, cancelled
    # The acceptance ledger: every hand-off from marketing to sales and how it ended.
    HANDOFF = "handoff"
    DECISION = "decision"  # what the gate decided, rule by rule, with the values seen
    DISAGREEMENT = "disagreement"  # the gate accepts and the CRM rejects, or the reverse
    NOTE = "note"  # what happened and moved nothing: echo, ignored, not the owner's write, unmapped
    DEAL = "deal"  # one deal of one lead
    CONFLICT = "conflict"  # two identities that a link would join and may not


class Fact(NamedTuple):
    """One statement. `at` is the event time in ms UTC; `content` is canonical JSON."""

    id: str
    kind: str
    journey: int
    at: int
    content: str


class Change(NamedTuple):
    """A revision of a fact.

    A tombstone (`content` is None) carries the event time that it takes back (history h12).

    `notified`: the level of a clock of which the revision before it notified somebody; else empty.
    """

    id: str
    kind: str
    journey: int
    at: int
    revision: int
    content: str | None
    notified: str = ""


def fact_id(lead: str, journey: int, what: str, occurrence: int | str = 0) -> str:
    """Return a fact's id: 8 bytes as 16 hex digits, made of what it is, never of its cause.

    See history h12.
    """
    return blake2b(f"{lead}|{journey}|{what}|{occurrence}".encode(), digest_size=8).hexdigest()


def make(
    lead: str,
    kind: FactKind,
    journey: int,
    at: int,
    what: str,
    occurrence: int | str,
    /,
    **fields: Any,
) -> Fact:
    """Build a fact; keys of `fields` are the columns of its table."""
    body = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS).decode()
    return Fact(name_of(lead, kind, journey, what, occurrence), kind.value, journey, at, body)


def name_of(lead: str, kind: FactKind, journey: int, what: str, occurrence: int | str) -> str:
    """Return the id of the fact that `make` builds."""
    return fact_id(lead, journey, f"{kind}:{what}", occurrence)


def digest(fact: Fact) -> str:
    """Return 12 hex digits of a fact's content and place: enough to see that it changed."""
    return blake2b(f"{fact.journey}|{fact.at}|{fact.content}".encode(), digest_size=6).hexdigest()
