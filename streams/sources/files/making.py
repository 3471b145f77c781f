"""One row to events and records. Pure: the row, the mapping, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from schemas.events import EventType, LeadEvent
from schemas.records import Spend, Target
from streams.sources.values import aliases, email_alias, phone_alias

from .language import EventOf, FileOf, Mapping, RecordOf, ValueOf, Written, columns_in, merged
from .values import How, RowError, Scope, holds, instant, items, render, shown, value

Made = LeadEvent | Spend | Target

# What stands where an id should, and names nobody: one lead of all who have it would be made.
_PARTS = frozenset(";,|: \n\t")  # what several ids in a cell have between them
_PARTS_OF_NAMES = frozenset(";,\n\t")  # a user's id may hold the others
NOBODY = frozenset(
    {"-", "--", "?", "none", "nil", "unknown", "na", "[object object]", "true", "false"}
)
_email = lru_cache(maxsize=8_192)(email_alias)  # a person has many rows
_DAMAGED = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+[0-9]{2,3}|[0-9]+[.,]0+")
MOST_OF_ATTRIBUTE = 500
_TEXTS = {
    "literal_error": "is none of {expected}",
    "enum": "is none of {expected}",
    "bool_parsing": "is neither true nor false",
    "float_parsing": "is no number",
    "finite_number": "is no number",
    "int_parsing": "is no whole number",
    "int_from_float": "is no whole number",
    "string_too_long": "is longer than {max_length} characters: write cut: {max_length}",
    "string_too_short": "is empty",
    "string_unicode": "holds half a character",
    "string_pattern_mismatch": "is not written as this field needs it",
    "decimal_max_digits": "has too many digits",
    "decimal_max_places": "has more than {decimal_places} places behind the point",
    "decimal_whole_digits": "has too many digits",
    "missing": "is missing",
    "extra_forbidden": "is no such field",
}
# What an event of a type says nothing without.
NEEDS = {
    EventType.SNAPSHOT: ("stage",),
    EventType.STAGE_REPORTED: ("stage",),
    EventType.SCORE_CHANGED: ("score",),
    EventType.CONSENT: ("granted",),
    EventType.VOID: ("voids",),
    EventType.OPPORTUNITY_CREATED: ("deal.id",),
    EventType.OPPORTUNITY_STAGE_CHANGED: ("deal.id",),
    EventType.OPPORTUNITY_WON: ("deal.id",),
    EventType.OPPORTUNITY_LOST: ("deal.id",),
}
_AMOUNTS = ("amount", "margin")


def why(error: ValidationError) -> tuple[str, str, bool]:
    """Return which field of a model is wrong, why, in our own words, and if it quotes the value."""
    first = error.errors()[0]
    loc = [str(one) for one in first["loc"]]
    name, kind, context = ".".join(loc), first["type"], first.get("ctx", {})
    if loc[:1] == ["occurred_at"] or kind.startswith(("date_", "greater_than", "less_than")):
        if loc[-1:] and loc[-1] in ("clicks", "impressions", "value"):
            return name, "lies outside of what is counted", True
        return name, "lies outside of the years 1970 to 2100", True
    if kind == "value_error":
        text = first["msg"].removeprefix("Value error, ")
        return name, text, not text.startswith(("'", '"'))
    if kind == "string_pattern_mismatch" and loc[-1] in _AMOUNTS:
        return name, "is no amount of at most 12 digits before the point", True
    if kind == "string_pattern_mismatch" and loc[-1] == "currency":
        return name, "is no currency: write three capitals, like EUR", True
    if kind == "string_too_long" and loc == ["id"]:
        return name, f"is longer than {context['max_length']} characters", True
    if loc[:1] == ["aliases"]:
        return name, "is no alias of at most 320 characters, like email:{Email}", True
    return (
        name,
        _TEXTS.get(kind, "can't be used here").format_map({"expected": "", **context}),
        True,
    )


class Maker:
    """What each row of one file makes. `found` gives a joined file's row for a key, or None."""

    def __init__(
        self, mapping: Mapping, spec: FileOf, found: list[Callable[[str], Scope | None]]
    ) -> None:
        self._mapping, self._spec, self._found = mapping, spec, found
        self._ways: dict[int, How] = {}
        self._empty = frozenset(text.casefold() for text in mapping.empty)

    def make(self, cells: Scope) -> list[Made]:
        """Make all that a row says, or nothing.

        Raises:
            RowError: a part of it can't be read.

        """
        scope = self._scope(cells)
        if not holds(self._spec.when, scope):
            return []
        made: list[Made] = []
        for shape in self._spec.events:
            made += self._events(shape, scope)
        for kind, records in ((Spend, self._spec.spend), (Target, self._spec.targets)):
            made += [
                self._record(kind, record, scope) for record in records if holds(record.when, scope)
            ]
        return made

    def known(self, text: str) -> str:
        """Return a cell's text, or "" where it says nothing."""
        return "" if len(text) < 16 and text.casefold() in self._empty else text

    def _how(self, spec: Written) -> How:
        """Return how a value is written; worked out once, not for each row."""
        found = self._ways.get(id(spec))
        if found is None:
            found = self._ways[id(spec)] = merged(spec, self._spec, self._mapping)
        return found

    def _scope(self, cells: Scope) -> Scope:
        scope = {name: self.known(text) for name, text in cells.items()}
        scope |= self._mapping.constants
        key = self._spec.key
        if key is not None and not scope[key]:
            raise RowError(key, "is empty, and it names the row")
        for join, found in zip(self._spec.join, self._found, strict=True):
            other = found(scope[join.by]) if scope[join.by] else None
            if other is None and join.required:
                raise RowError(join.by, f"{shown(scope[join.by])} has no row in {join.file}")
            if other:
                scope |= {name: self.known(text) for name, text in other.items()}
            else:
                scope = _Nothing(scope, f"{join.name}.")
        for name, spec in self._spec.values.items():
            scope[name] = value(spec, name, scope, self._how(spec))
        return scope

    def _events(self, shape: EventOf, scope: Scope) -> Iterator[LeadEvent]:
        scopes: list[Scope] = [scope]
        if shape.each is not None:
            found = items(scope[shape.each], self._spec.split[shape.each])
            scopes = [_copy(scope, shape.each, one) for one in found]
        for one in scopes:
            if holds(shape.when, one):
                event = self._event(shape, one)
                if event is not None:
                    yield event

    def _event(self, shape: EventOf, scope: Scope) -> LeadEvent | None:
        at = instant(shape.time, scope, self._how(shape.time))
        if at is None:
            return None
        also = [one for text in shape.also for one in self._also(text, scope, shape.each)]
        base = {
            "id": _id(shape.id, scope),
            "type": shape.type,
            "occurred_at": at,
            "source": self._mapping.source,
            "aliases": aliases(alias_of(shape.alias, scope), *also),
        }
        columns = {
            "occurred_at": (shape.time.column or ("time",))[0],
            "id": columns_in(shape.id)[-1],
            "aliases": columns_in(shape.alias)[-1],
        }
        for name in NEEDS.get(shape.type, ()):
            source_columns = shape.fields[name].column
            if (
                source_columns
                and not any(scope[one] for one in source_columns)
                and not shape.fields[name].default
            ):
                hint = f"write when: {{{source_columns[0]}: {{known: true}}}} if it may be"
                raise RowError(
                    source_columns[0], f"is empty, and {shape.type.value} needs it: {hint}"
                )
        made: LeadEvent = _checked(LeadEvent, base, shape.fields, columns, scope, self._how)
        return made

    def _also(self, text: str, scope: Scope, each: str | None) -> Iterator[str]:
        named = columns_in(text)
        lists = [name for name in named if name in self._spec.split and name != each]
        if not all(scope[name] and scope[name].casefold() not in NOBODY for name in named):
            return
        scopes = [scope]
        for name in lists:
            found = items(scope[name], self._spec.split[name])
            scopes = [_copy(one, name, item) for one in scopes for item in found]
        for one in scopes:
            if text.startswith("phone:"):
                found_phone = phone_alias(render(text, one).removeprefix("phone:"))
                if found_phone:
                    yield found_phone
            else:
                yield alias_of(text, one)

    def _record(self, kind: type[Spend | Target], spec: RecordOf, scope: Scope) -> Spend | Target:
        made: Spend | Target = _checked(kind, {}, spec.fields, {}, scope, self._how)
        return made


class _Nothing(dict[str, str]):
    """A scope in which the columns of a joined file that has no such row are empty."""

    def __init__(self, scope: Scope, prefix: str) -> None:
        super().__init__(scope)
        self._prefixes = (prefix, *getattr(scope, "_prefixes", ()))

    def __missing__(self, name: str) -> str:
        if name.startswith(self._prefixes):
            return ""
        raise KeyError(name)


def _copy(scope: Scope, name: str, text: str) -> Scope:
    made = _Nothing(scope, "\0") if isinstance(scope, _Nothing) else dict(scope)
    made[name] = text
    return made


def _id(pattern: str, scope: Scope) -> str:
    for name in columns_in(pattern):
        if not scope[name]:
            raise RowError(name, "is empty, and the event's id needs it")
    return render(pattern, scope)


def alias_of(pattern: str, scope: Scope) -> str:
    """Return an alias.

    Raises:
        RowError: the row names nobody by it, or somebody else than was meant.

    """
    kind = pattern.partition(":")[0]
    people = pattern.split(":")[1:2] in (["user"], ["anon"])
    for name in columns_in(pattern):
        text = scope[name]
        if not text or text.casefold() in NOBODY:
            raise RowError(
                name, f"{shown(text) + ' ' if text else ''}is empty; the row names nobody"
            )
        if kind in ("email", "phone"):
            continue
        if _DAMAGED.fullmatch(text):
            raise RowError(
                name, f"{shown(text)} is an id that a spreadsheet has changed: export it as text"
            )
        if not (_PARTS_OF_NAMES if people else _PARTS).isdisjoint(text):
            raise RowError(name, f"{shown(text)} is no id but several: name the column in split")
    found = render(pattern, scope)
    if kind not in ("email", "phone"):
        return found
    body = found.partition(":")[2]
    known = _email(body) if kind == "email" else phone_alias(body)
    if known is None:
        what = (
            "email address"
            if kind == "email"
            else "phone number with its country, like +4930123456"
        )
        raise RowError((columns_in(pattern) or [kind])[0], f"{shown(body)} is no {what}")
    return known


def _checked(
    model: type[Any],
    base: dict[str, Any],
    fields: dict[str, ValueOf],
    columns: dict[str, str],
    scope: Scope,
    how: Callable[[Written], How],
) -> Any:
    """Make a model of `base`, whose values are ready, and of `fields`, read from the row.

    Raises:
        RowError: in our own words, with the column that the field was read from.

    """
    texts: dict[str, str] = {}
    for name, spec in fields.items():
        if text := value(spec, name, scope, how(spec)):
            if name.startswith("attributes.") and len(text) > MOST_OF_ATTRIBUTE:
                why_not = (
                    f"is longer than {MOST_OF_ATTRIBUTE} characters: write cut: {MOST_OF_ATTRIBUTE}"
                )
                raise RowError((spec.column or (name,))[0], f"{shown(text)} {why_not}")
            texts[name] = text
            columns[name] = (spec.column or columns_in(spec.text or "") or (name,))[0]
    try:
        return model(**base, **nested(model, texts))
    except ValidationError as error:
        name, text, quotes = why(error)
        column = columns.get(name) or columns.get(name.split(".")[0]) or name
        quoted = texts.get(name) or scope.get(column, "")
        raise RowError(column, f"{shown(quoted)} {text}" if quotes and quoted else text) from error


def nested(model: type[BaseModel], texts: dict[str, str]) -> dict[str, Any]:
    """Put fields with dots where the model has them; a breakdown is JSON by its own rule."""
    made: dict[str, Any] = {}
    for name, text in texts.items():
        head, _, tail = name.partition(".")
        if tail:
            made.setdefault(head, {})[tail] = text
        else:
            made[head] = text
    if model is Spend and isinstance(made.get("breakdown"), dict):
        made["breakdown"] = orjson.dumps(made["breakdown"], option=orjson.OPT_SORT_KEYS).decode()
    return made
