"""What can be known of a mapping before its files are opened: its fields, times and aliases.

The grammar of aliases: `email:<address>`; `<system>:user:<id>`; `<system>:lead:<id>` (an ad
platform's lead); `<system>:<account>:<kind>:<id>` (a CRM's record). `<system>:anon:<id>`, a phone
number and a click id are weak: they lead to somebody only once they were seen beside one of those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from schemas.events import Deal, EventType, LeadEvent, Marketing
from schemas.records import Spend, Target

from .language import EventOf, FileOf, Mapping, TimeOf, ValueOf, columns_in, merged
from .making import NEEDS, nested, why
from .problems import Path_, Problem, near
from .times import moment, needs_zone, says_utc

WEAK = frozenset({"phone", "gclid", "gbraid", "wbraid", "fbclid", "li_fat_id"})
GRAMMAR = (
    "write email:{Address}, <system>:<account>:<kind>:{Id} (a CRM's record, like "
    "hubspot:62515:contact:{Id}), <system>:user:{Id} or <system>:lead:{Id}; "
    "<system>:anon:{Id}, phone:{Number} and click ids are weak"
)
_OWN = frozenset(
    {
        "id",
        "type",
        "occurred_at",
        "source",
        "aliases",
        "stated_at",
        "deal",
        "marketing",
        "attributes",
    }
)
_PLAIN = tuple(name for name in LeadEvent.model_fields if name not in _OWN)
_NESTED = {"deal": tuple(Deal.model_fields), "marketing": tuple(Marketing.model_fields)}
_FREE = {Target: ("dimensions",), Spend: ("breakdown",)}  # whose parts have any name
_TRIAL: dict[type[BaseModel], dict[str, Any]] = {
    LeadEvent: {
        "id": "x",
        "type": EventType.TOUCH,
        "occurred_at": 0,
        "source": "x",
        "aliases": ("email:a@example.com",),
    },
    Spend: {"platform": "x", "account": "x", "day": "2026-01-01", "amount": "1", "currency": "EUR"},
    Target: {
        "metric": "x",
        "value": "1",
        "owner": "x",
        "start": "2026-01-01",
        "end": "2099-01-01",
        "strategy": "x",
    },
}


def is_weak(alias: str) -> bool:
    """Return whether an alias of the grammar makes no lead by itself."""
    return alias.split(":", maxsplit=1)[0] in WEAK or alias.split(":")[1:2] == ["anon"]


def fields(mapping: Mapping) -> list[Problem]:
    """Find what is wrong with fields, times and aliases."""
    found: list[Problem] = []
    for number, spec in enumerate(mapping.files):
        at: Path_ = ("files", number)
        for place, event in enumerate(spec.events):
            found += _event(mapping, spec, event, (*at, "events", place))
        for kind, name, records in (
            (Spend, "spend", spec.spend),
            (Target, "targets", spec.targets),
        ):
            for place, record in enumerate(records):
                found += _record(kind, record.fields, (*at, name, place))
        found += _values(mapping, spec, at)
        found += [
            Problem((*at, "split", name), "write what parts the items, like ';'")
            for name, part in spec.split.items()
            if not part
        ]
    events = [event for spec in mapping.files for event in spec.events]
    if events and not any(
        _shape(one) == "" and not is_weak(_filled(one))
        for event in events
        for one in (event.alias, *event.also)
    ):
        text = f"no alias of this mapping makes a lead, all of them are weak: {GRAMMAR}"
        found.append(Problem(("files", 0), text))
    return found


def _values(mapping: Mapping, spec: FileOf, at: Path_) -> Iterator[Problem]:
    """Find values that are used before there are any: they are worked out in order, after joins."""
    hint = "name a column here: values are worked out later"
    if spec.key in spec.values:
        yield Problem((*at, "key"), f"{spec.key!r} is a value; {hint}")
    for place, join in enumerate(spec.join):
        if join.by in spec.values:
            yield Problem((*at, "join", place, "by"), f"{join.by!r} is a value; {hint}")
    later = [*spec.values]
    for name, one in spec.values.items():
        yield from _written(mapping, spec, one, (*at, "values", name))
        for used in (*(one.column or ()), *columns_in(one.text or "")):
            if used in later:
                text = f"{used!r} is no column and no value above: move it up, or rename one"
                yield Problem((*at, "values", name), text)
        later.remove(name)


def _event(mapping: Mapping, spec: FileOf, event: EventOf, at: Path_) -> Iterator[Problem]:
    for place, alias in enumerate((event.alias, *event.also)):
        key: Path_ = (*at, "alias") if not place else (*at, "also", place - 1)
        if text := _shape(alias):
            yield Problem(key, text)
        elif not {*columns_in(alias)} - {*mapping.constants}:
            yield Problem(key, f"{alias!r} names no column, so all rows would be one lead")
        lists = [name for name in columns_in(alias) if name in spec.split and name != event.each]
        if not place and lists:
            yield Problem(key, f"{lists[0]!r} holds several: write each: {lists[0]!r} beside it")
    if event.each is not None and event.each not in spec.split:
        yield Problem((*at, "each"), f"say what parts the items, in split: {{{event.each!r}: ';'}}")
    if not {*columns_in(event.id)} - {*mapping.constants}:
        yield Problem((*at, "id"), "names no column, so all rows would be one event")
    elif event.each is not None and event.each not in columns_in(event.id):
        yield Problem((*at, "id"), f"must name {event.each!r}, or all items of a row are one event")
    yield from _time(mapping, spec, event.time, (*at, "time"))
    for name, one in event.fields.items():
        if text := _unknown(name):
            yield Problem((*at, "fields", name), text)
        else:
            yield from _constant(LeadEvent, name, one, (*at, "fields", name))
            yield from _written(mapping, spec, one, (*at, "fields", name))
    needed = [*NEEDS.get(event.type, ())]
    if any(name.startswith("deal.") for name in event.fields):
        needed.append("deal.id")
    for name in dict.fromkeys(needed):
        if name not in event.fields:
            yield Problem((*at, "fields"), f"{event.type.value} needs {name}: add it here")


def _shape(alias: str) -> str:
    """Return why an alias can make no lead, or ""."""
    parts = _filled(alias).split(":")
    if (parts[0] == "email" or parts[0] in WEAK) and len(parts) == 2 and parts[1]:
        return ""
    known = len(parts) >= 3 and parts[1] in ("user", "anon", "lead") and len(parts) == 3
    if not re.fullmatch("[a-z0-9_]+", parts[0]):
        return (
            f"{alias!r}: {parts[0]!r} is no name of a system, which has a-z, 0-9 and _: {GRAMMAR}"
        )
    if all(parts) and (known or len(parts) == 4) and parts[0] not in ("email", *WEAK):
        return ""
    return f"{alias!r} has {len(parts)} parts and is no alias, so it would make no lead: {GRAMMAR}"


def _filled(alias: str) -> str:
    for name in columns_in(alias):
        alias = alias.replace(f"{{{name}}}", "x")
    return alias


def judged(mapping: Mapping, strong: Any) -> list[Problem]:
    """Find aliases that are meant to make a lead and that `strong`, who decides, says do not."""
    return [
        Problem(("files", number, "events", place, "alias"), f"{alias!r} makes no lead: {GRAMMAR}")
        for number, spec in enumerate(mapping.files)
        for place, event in enumerate(spec.events)
        for alias in (event.alias, *event.also)
        if not _shape(alias) and not is_weak(_filled(alias)) and not strong(_filled(alias))
    ]


def _unknown(name: str) -> str:
    head, _, tail = name.partition(".")
    known = [*_PLAIN, *(f"{one}.{each}" for one, parts in _NESTED.items() for each in parts)]
    if name in known or (head == "attributes" and tail):
        return ""
    return f"{name!r} is no field{near(name, [*known, 'attributes.<name>'])}"


def _record(kind: type[Spend | Target], given: dict[str, ValueOf], at: Path_) -> Iterator[Problem]:
    free = _FREE[kind]
    known = [name for name in kind.model_fields if name not in ("stated_at", *free)]
    for name, one in given.items():
        head, _, tail = name.partition(".")
        if name in known or (head in free and (tail or head == "breakdown")):
            yield from _constant(kind, name, one, (*at, "fields", name))
        else:
            shown = [*known, *(f"{one}.<name>" for one in free)]
            yield Problem((*at, "fields", name), f"{name!r} is no field{near(name, shown)}")
    for name, field in kind.model_fields.items():
        if field.is_required() and name not in given:
            yield Problem((*at, "fields"), f"{name} is missing: add it here")


def _constant(model: type[BaseModel], name: str, spec: ValueOf, at: Path_) -> Iterator[Problem]:
    """Try what a mapping says itself: a wrong constant is every row's error."""
    texts = [spec.value, spec.default, spec.otherwise, *(spec.map or {}).values()]
    for text in filter(None, texts):
        needs = {"deal.id": "x"} if name.startswith("deal.") else {}
        trial: dict[str, Any] = {**_TRIAL[model], **nested(model, {**needs, name: text})}
        try:
            model(**trial)
        except ValidationError as error:
            _, reason, _ = why(error)
            yield Problem(at, f"{text!r} {reason}")


def _time(mapping: Mapping, spec: FileOf, time: TimeOf, at: Path_) -> Iterator[Problem]:
    how = merged(time, spec, mapping)
    formats = tuple(how["format"] or ())
    if time.value is not None:
        formats = tuple(time.format or ("iso",))
        try:
            moment(time.value, formats, how["zone"])
        except ValueError as error:
            yield Problem(at, f"{time.value!r} {error}")
    elif not formats:
        yield Problem(
            at, 'say how it is written: format: "%d.%m.%Y %H:%M", iso, epoch_s, epoch_ms or serial'
        )
    yield from _zone(formats, how["zone"], at)


def _zone(formats: tuple[str, ...], zone: str | None, at: Path_) -> Iterator[Problem]:
    if needs_zone(formats) and zone is None:
        yield Problem(at, "say in which zone it is where the text does not: zone: Europe/Berlin")
    for text in formats:
        if says_utc(text) and zone not in ("UTC", "Etc/UTC", "GMT"):
            yield Problem(at, f"{text!r} says UTC and zone says {zone}: write zone: UTC")


def _written(mapping: Mapping, spec: FileOf, one: ValueOf, at: Path_) -> Iterator[Problem]:
    how = merged(one, spec, mapping)
    if how["decimal"] is not None and how["decimal"] == how["thousands"]:
        yield Problem(at, "decimal and thousands are the same mark")
    if one.format:
        yield from _zone(tuple(one.format), how["zone"] or "UTC", at)
