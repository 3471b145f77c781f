"""What a retriever asks Salesforce for: the records that gap events name."""

from __future__ import annotations

from typing import Any

from streams.sources.adapter import Connection, written
from streams.sources.retrieval import Answer, Ask, Verdict, by_status, each_once, named_error
from streams.sources.values import record

from .words import ID, KINDS, READ_AGAIN, canonical, parts_of, unwrapped

_SOBJECTS = "/services/data/v60.0/sobjects"


def wanted(body: Any, _connection: Connection) -> tuple[Ask, ...]:
    """Ask for the records that gap events name."""
    return each_once(parts_of(body), _asks)


def _asks(part: Any) -> list[Ask]:
    if "attributes" in part:  # a record that was read
        return []
    header = unwrapped(part)["ChangeEventHeader"]
    entity = str(header["entityName"])
    if header["changeType"] not in READ_AGAIN or entity not in KINDS:
        return []
    keys = [
        canonical(key)
        for key in map(str, header["recordIds"])
        if ID.fullmatch(key) and key.strip("0")
    ]
    return [Ask(key, f"{_SOBJECTS}/{entity}/{key}") for key in keys]


def answers(_ask: Ask, answer: Any) -> Answer:
    """Return the record as it came."""
    if not (isinstance(record(answer).get("attributes"), dict) and answer.get("Id")):
        raise ValueError("the answer is no record (attributes, Id)")
    return Answer((written(answer),))


def judged(status: int, answer: Any) -> Verdict:
    """Judge an answer; the limit of a day's requests comes as 403."""
    limited = status == 403 and named_error(answer) == "REQUEST_LIMIT_EXCEEDED"
    return Verdict.LATER if limited else by_status(status, answer)
