"""An adapter reads one vendor's bodies into lead events and spend.

What it can't read it refuses with a reason. It is pure: the receipt time and the connection's
settings are arguments. One body may hold good and bad parts, and a part good and bad details: a bad
part costs only that part, and a bad optional detail only itself.
"""

from __future__ import annotations

import json
import pkgutil
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from pydantic import BaseModel, ValidationError

from schemas.events import FURTHEST, Deal, LeadEvent, Marketing
from schemas.records import Spend

AHEAD_MS = 300_000
# What reading a part may raise: nesting breaks `repr`, the year 1 breaks arithmetic with zones.
UNREADABLE = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    OSError,
)
# Names of systems that only their own adapters may give an event: a stage's authority is held by
# name, so a name must follow from the channel (a vendor's route and secret), never from a body.
RESERVED = frozenset(
    one.name for one in pkgutil.iter_modules([str(Path(__file__).parent / "vendors")])
) - {"cloudevents"}
# What an event can't do without; all else is a detail.
NEEDED = frozenset({"id", "type", "occurred_at", "source", "aliases"})
MOST_ALIASES = 20
# Of a lead event, what a CloudEvent says beside `data`, and as which attribute.
ATTRIBUTES = {"id": "id", "type": "type", "occurred_at": "time", "source": "source"}
_NAMED = re.compile(r"'([^']*)'")
_TRIES = 50  # details of one event that are left out, each for itself


class Connection(Mapping[str, str]):
    """What the installation knows and a body lacks: vendors' options, and the reports' `zone`."""

    def __init__(self, **options: str) -> None:
        self._options = {name: value for name, value in options.items() if value}

    def __getitem__(self, name: str) -> str:
        """Return an option."""
        return self._options[name]

    def __iter__(self) -> Any:
        """Iterate over the options' names."""
        return iter(self._options)

    def __len__(self) -> int:
        """Count the options."""
        return len(self._options)


@dataclass
class Normalised:
    """What one body became."""

    received_at: int = 0  # ms
    events: list[LeadEvent] = field(default_factory=list)
    spend: list[Spend] = field(default_factory=list)
    rejected: list[tuple[str, bytes]] = field(default_factory=list)
    # Kinds of parts that are known and not ours: counted, no dead letter.
    ignored: list[str] = field(default_factory=list)
    # Names of details that could not be read: counted, their event stands.
    dropped: list[str] = field(default_factory=list)

    def reject(self, reason: str, part: Any) -> None:
        """Refuse a part of the body, kept as JSON."""
        self.rejected.append((reason, written(part)))

    def add_whole(self, **fields: Any) -> None:
        """Add an event of a sender who writes our own fields; an unreadable field refuses it.

        Raises:
            ValidationError: a field is wrong, or is none of ours.

        """
        self.events.append(LeadEvent(**self._dated(fields)))

    def _dated(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in fields.items() if value is not None}
        at = given["occurred_at"]
        if at > FURTHEST:
            raise ValueError(f"its time lies beyond the year 9999, if it is in ms: {str(at)[:30]}")
        if at > self.received_at + AHEAD_MS:
            given["occurred_at"], given["stated_at"] = self.received_at, at
        return given

    def add(self, **fields: Any) -> None:
        """Add an event; unreadable details (too long, of another type, a list) are left out.

        What is left out is counted. An event dated more than 5 minutes after its receipt gets the
        time of its receipt, and keeps the stated one beside it (history h7).

        Raises:
            ValidationError: what every event needs is wrong, or its time is not from 1970 to 2100.

        """
        given = self._dated(fields)
        name = given["id"]
        given["id"] = name if len(name) <= 200 else f"{name[:160]}:{digest(name)}"
        if len(given["aliases"]) > MOST_ALIASES:
            given["aliases"] = given["aliases"][:MOST_ALIASES]
            self.dropped.append("aliases")
        for _ in range(_TRIES):
            try:
                self.events.append(LeadEvent(**given))
            except ValidationError as error:
                bad = error.errors(include_url=False, include_input=False)[0]["loc"]
                if not _leave_out(given, bad):
                    raise
                self.dropped.append(".".join(map(str, bad[:2])))
            else:
                return
        raise ValueError(f"more than {_TRIES} of its details can't be read")


def _leave_out(given: dict[str, Any], place: tuple[int | str, ...]) -> bool:
    """Remove the detail at a place from an event's fields; return whether that was possible."""
    name = str(place[0]) if place else ""
    if name == "aliases" and len(place) > 1 and len(given["aliases"]) > 1:
        given["aliases"] = tuple(
            one for number, one in enumerate(given["aliases"]) if number != place[1]
        )
        return True
    if name in NEEDED or name not in given:
        return False
    inner = given[name]
    if (
        len(place) > 1
        and isinstance(inner, dict)
        and place[1] in inner
        and (name, place[1]) != ("deal", "id")
    ):
        kept = {key: value for key, value in inner.items() if key != place[1]}
        if kept:
            given[name] = kept
            return True
    if name == "deal":
        return False  # without its id it is another event
    del given[name]
    return True


Adapter = Callable[[Any, int, Connection], Normalised]


def _bare(part: Any) -> Any:
    return part


def each(
    parts: list[Any],
    received_at: int,
    transform: Callable[[Any, Normalised], None],
    alone: Callable[[Any], Any] = _bare,
) -> Normalised:
    """Transform each part by itself: a bad one is refused with its reason, the good ones stand.

    `alone` makes a body that holds just one part: a dead letter keeps that, so it can be replayed.
    """
    out = Normalised(received_at)
    for part in parts:
        one = Normalised(received_at)
        try:
            transform(part, one)
        except ValidationError as error:
            out.reject(reason(error), alone(part))
            continue
        except UNREADABLE as error:
            out.reject(why(error), alone(part))
            continue
        for name in ("events", "spend", "rejected", "ignored", "dropped"):
            getattr(out, name).extend(getattr(one, name))
    return out


def why(error: BaseException) -> str:
    """Explain to the sender why a part could not be read, without a word about our code."""
    if isinstance(error, KeyError):
        return f"{str(error.args[0])[:100]!r} is missing" if error.args else "something is missing"
    if isinstance(error, ArithmeticError):
        return "a number can't be read"
    if isinstance(error, TypeError | AttributeError | LookupError | RecursionError):
        return "it is not of the shape that its vendor documents"
    return str(error)


class Fault(NamedTuple):
    """What is wrong with a record: its place (dotted), the fault, and what was perhaps meant."""

    place: str
    text: str
    near: str = ""

    def __str__(self) -> str:
        """Return it as one line."""
        line = f"{self.place}: {self.text}" if self.place else self.text
        return f"{line}; did you mean {self.near}?" if self.near else line


class FaultError(ValueError):
    """What an adapter finds wrong by itself, with its place."""

    def __init__(self, fault: Fault) -> None:
        """Keep the place; the text is for whoever sent it."""
        super().__init__(str(fault))
        self.fault = fault


def fault(error: ValidationError) -> Fault:
    """Return the first thing that is wrong, and where."""
    first = error.errors(include_url=False)[0]
    loc, given = first["loc"], first.get("input")
    place = ".".join(map(str, loc))
    if first["type"] == "extra_forbidden":
        return Fault(
            place,
            "no field of ours",
            near_field(loc, Spend if error.title == "Spend" else LeadEvent),
        )
    expected = (
        str(first.get("ctx", {}).get("expected", ""))
        if first["type"] in ("enum", "literal_error")
        else ""
    )
    near = get_close_matches(given, _NAMED.findall(expected), 1) if isinstance(given, str) else []
    return Fault(place, first["msg"].removeprefix("Value error, "), next(iter(near), ""))


def near_field(place: Sequence[int | str], outer: type[BaseModel] = LeadEvent) -> str:
    """Return the field that resembles the last step of a place, or "".

    The field is the record's own, or its deal's, if the place lies in the deal, and so on.
    """
    models: dict[str, type[BaseModel]] = {"deal": Deal, "marketing": Marketing}
    model = models.get(str(place[0]), outer) if len(place) > 1 else outer
    names = (
        {*model.model_fields}
        if model is not LeadEvent
        else {*LeadEvent.model_fields, "email", "phone"} - ATTRIBUTES.keys()
    )
    return next(iter(get_close_matches(str(place[-1])[:100], sorted(names), 1)), "")


def reason(error: ValidationError, whole: str = "") -> str:
    """Return the first fault and its place; `whole` is the place where the record itself is bad."""
    found = fault(error)
    return str(found if found.place else found._replace(place=whole))


def decoded(body: bytes) -> Any:
    """Read JSON as programs write it: with a byte order mark, half an emoji, invalid UTF-8.

    What can't be a character becomes the replacement character, and costs nothing beside it.

    Raises:
        ValueError: it is no JSON, or nested too deep; the text says where.

    """
    plain = body.removeprefix(b"\xef\xbb\xbf")
    try:
        return orjson.loads(plain)
    except orjson.JSONDecodeError as first:
        try:
            return _whole(
                json.loads(plain.decode(errors="replace"), parse_constant=lambda _name: None)
            )
        except ValueError:
            raise ValueError(f"the body is no JSON: {first}") from first
        except RecursionError:
            raise ValueError("the body is nested too deep to be read") from first


def _whole(value: Any) -> Any:
    """Return a value whose texts have no half characters."""
    if isinstance(value, str):
        return (
            value.encode(errors="surrogatepass").decode(errors="replace")
            if any("\ud800" <= one <= "\udfff" for one in value)
            else value
        )
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, dict):
        return {_whole(name): _whole(one) for name, one in value.items()}
    return value


def written(part: Any) -> bytes:
    """Write JSON, also a number that is larger than 64 bits."""
    try:
        return orjson.dumps(part)
    except TypeError:
        return json.dumps(part, ensure_ascii=False, default=str).encode(errors="replace")


def digest(part: Any) -> str:
    """Return 16 hex digits of the content, whatever its keys' order: an id where there is none."""
    try:
        body = orjson.dumps(part, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        body = json.dumps(part, sort_keys=True, default=str).encode(errors="replace")
    return blake2b(body, digest_size=8).hexdigest()
