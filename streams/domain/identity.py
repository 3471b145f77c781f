"""Whose event it is: a pure function of one alias's row and one record of `lead.events`.

Sources name people by aliases: an address, a CRM record, a cookie. `resolve` is keyed by alias, so
each alias has a row of its own, and no row can look into another. What one alias has to ask or tell
another is therefore a record that goes back into `lead.events`, under the other's key.

A **strong** alias names one person for good. It is an identity: it gets an id (a keyed hash, which
gives no address away), and its events go to the lead of that id. Two strong aliases in one event
are evidence that both are one person: the alias that the event is keyed by sends the other a
`link`, and the other raises an edge to both leads' rows. Whether the edge joins them is not decided
here but in members.py, by all edges together.

A **weak** alias, a cookie or a click, says who somebody may be. It never joins leads. It leads to
the first lead it learns; until then it holds its events and asks the aliases that came with them.

    event, strong   -> a touch for the lead; a link to each other alias not linked yet
    event, weak     -> a touch if the alias leads somewhere; else held, and the others are asked
    link, strong    -> an edge to the rows of both identities; a new alias is housed with the first
    link, weak      -> the lead is learnt; what was held is released in order; who asked is answered
    ask             -> an answer, now or as soon as the lead is known

What holds:

- Decisions are records, and what was decided is never decided again (history h20). A replay of
  `lead.touches` gives the same leads, though an alias read in another order might have been housed
  elsewhere.
- An identity's creation time, house and kind are written once. The survivor of a group is chosen by
  them; if they could change, so could it, and every fact of the lead with it.
- A CRM record is never housed. It keeps a row of its own, so that two records of one CRM stay
  visible as a conflict.
- A note of whom a row linked or asked makes a repeat harmless. Notes carry the event's time: an
  earlier event that names the same pair is sent again, because a link is as old as its first.
- Everything that strangers can make grow is bounded or paged: what is held (50 events, 1 MB, 30
  days), how many leads an alias may lead to, and the notes (book.py). What is given up is counted.
- How an alias is written says how strong it is. No vendor is named here.
"""

from __future__ import annotations

import hmac
import uuid
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from pydantic import ValidationError

from schemas.events import EventType, LeadEvent, to_event

from .book import Book
from .members import DEALS, LINK, MERGE, UNMERGE, Edge, Origin

if TYPE_CHECKING:
    from collections.abc import Callable

HELD_EVENTS = 50
HELD_MS = 30 * 86_400_000
SHARED_LEADS = 20  # info@, a kiosk: an alias that leads to so many raises no more edges and sends no more links

# What an alias is to an origin, as people look it up: a weak one's events go there; they do not, though it was seen with it
# too; a strong one, which led to as many as it may.
LEADS, SHARES, FULL, CROWDED = "leads", "shares", "full", "crowded"
HELD_BYTES = 1_000_000  # of what one alias holds
# What a row notes of others, by kind: whom it told of its lead (and of which first event), which edges it raised,
# whom it asked, and who waits for its answer.
_SENT, _RAISED, _ASKED, _WAITS = "t", "r", "a", "w"


class Strength(IntEnum):
    """How strongly an alias names a person; smaller is stronger. From WEAK on it never merges leads."""

    CRM = 0
    EMAIL = 1
    USER = 2
    AD = 3
    WEAK = 4


# How an alias is written says what it is, whoever its system is:
# <system>:<one of these>:<id>; <system>:<account>:<kind>:<id> is a record; all other namespaces but `email` are weak.
_NAMED = {"anon": Strength.WEAK, "user": Strength.USER, "lead": Strength.AD}
_CLICKS = {"phone", "gclid", "gbraid", "wbraid", "fbclid", "li_fat_id"}


@lru_cache(maxsize=4_096)  # each alias is asked for several times by one record
def strength(alias: str) -> Strength:
    """Rank an alias: CRM id, email, user id, ad lead id, then all that is weak."""
    system, _, rest = alias.partition(":")
    if system == "email":
        return Strength.EMAIL
    parts = rest.split(":", 2)
    if system in _CLICKS or len(parts) == 1:
        return Strength.WEAK
    named = _NAMED.get(parts[0])
    if named is not None:
        return named
    return Strength.CRM if len(parts) == 3 and parts[2] else Strength.WEAK


def record_kind(alias: str) -> str:
    """Name the kind of a system's record, like `hubspot:1:contact`: a lead has one of each but deals. Empty for all others."""
    return ":".join(alias.split(":")[:3]) if strength(alias) is Strength.CRM else ""


@lru_cache(maxsize=4_096)
def _deal(alias: str) -> bool:
    return record_kind(alias).endswith(DEALS)


def ordered(aliases: tuple[str, ...]) -> list[str]:
    """Put the strongest first, a CRM's people before its deals; equals stay as the event named them. Each once."""
    return sorted(dict.fromkeys(aliases), key=lambda alias: (strength(alias), _deal(alias)))


def origin_id(key: bytes, alias: str) -> str:
    """Name an origin without giving its alias away: HMAC-SHA256 under the installation's key, as a UUID."""
    made = bytearray(hmac.digest(key, alias.encode(), "sha256")[:16])
    made[6] = (
        made[6] & 0x0F | 0x80
    )  # version 8 of RFC 9562: "custom"; the uuid module of 3.11 does not know it
    made[8] = made[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(made)))


Place = list[
    int
]  # an event's time (ms) and sequence, as JSON keeps them: the earliest decides, whatever was read first


@dataclass(frozen=True)
class AliasRow:
    """What one alias leads to. A strong one has an origin; a weak one leads to the first it learnt, or holds."""

    alias: str
    origin: Origin | None = None
    notes: Book = field(default_factory=Book)  # of others, however many (see _SENT and the like)
    leads: tuple[str, ...] = ()  # other origins whose events named this alias, at most SHARED_LEADS
    joins: tuple[
        str, ...
    ] = ()  # origins of the strong aliases that this one's events named, at most SHARED_LEADS
    held: tuple[tuple[int, dict[str, Any]], ...] = ()  # since when (ms), and what; oldest first
    shared: int = 0  # links that were not followed, since others came first
    expired: int = 0  # what was held and given up

    @property
    def next_due(self) -> int | None:
        """When what is held here is given up (ms)."""
        return self.held[0][0] + HELD_MS if self.held else None


class Touch(NamedTuple):
    """A record of `lead.touches`, for the row `lead`."""

    lead: str
    record: dict[str, Any]


class Resolution(NamedTuple):
    """What one record did: the alias' row, records for leads, records back into `lead.events`, and what the alias is to whom."""

    row: AliasRow
    touches: tuple[Touch, ...] = ()
    links: tuple[tuple[str, dict[str, Any]], ...] = ()
    held: int = 0
    released: int = 0
    leads_to: tuple[
        tuple[str, str], ...
    ] = ()  # what is new of an alias: (origin, LEADS | SHARES | FULL | CROWDED)
    unreadable: tuple[
        dict[str, Any], ...
    ] = ()  # records that were held and that this release can't read
    repeated: int = 0  # events that are held already


def resolve(row: AliasRow, record: dict[str, Any], stamp: int, now: int, key: bytes) -> Resolution:
    """Decide for one record. `stamp` is the record's time (ms): when whom it is the first to name was created."""
    match record["record"]:
        case "event":
            done = _event(row, record, stamp, now, key)
        case "link":
            done = _link(row, record, stamp, key)
        case "ask":
            done = _ask(row, record)
        case other:
            raise ValueError(
                f"lead.events has no record of type {other!r}: an older worker than its writer?"
            )
    if done.row.notes.pages and not row.notes.pages:
        crowd = ((done.row.origin.id if done.row.origin else "", CROWDED),)
        done = done._replace(leads_to=(*done.leads_to, *crowd))
    return done


def _note(key: bytes, kind: str, name: str) -> str:
    """Name a note in little room, and without an address in it."""
    return kind + hmac.digest(key, name.encode(), "sha256")[:8].hex()


def expire(row: AliasRow, now: int) -> AliasRow:
    """Give up what was held for 30 days, each for itself; it is counted, not lost silently."""
    kept = tuple(one for one in row.held if now <= one[0] + HELD_MS)
    return replace(row, held=kept, expired=row.expired + len(row.held) - len(kept))


def _touch(origin: Origin, record: dict[str, Any], **flags: bool) -> Touch:
    event = LeadEvent.model_validate(record["event"], extra="ignore")
    placed = list(to_event(event, origin.id))
    return Touch(
        origin.home,
        {
            "record": "event",
            "event": placed,
            "name": event.id,
            "received_at": record["received_at"],
            **flags,
        },
    )


def _named(row: AliasRow, stamp: int, key: bytes, house: str = "") -> tuple[AliasRow, Origin]:
    """Give the alias' origin; made now when nobody named it before."""
    if row.origin:
        return row, row.origin
    origin = Origin(stamp, house, origin_id(key, row.alias), record_kind(row.alias))
    return replace(row, origin=origin), origin


def _event(row: AliasRow, record: dict[str, Any], stamp: int, now: int, key: bytes) -> Resolution:
    event = record["event"]
    others = [alias for alias in ordered(tuple(event["aliases"])) if alias != row.alias]
    if strength(row.alias) is Strength.WEAK:
        return _weak_event(row, record, others, now, key)
    row, origin = _named(row, stamp, key)
    word = {EventType.MERGE: MERGE, EventType.UNMERGE: UNMERGE}.get(event["type"], LINK)
    at, sequence = event["occurred_at"], event.get("sequence", 0)
    links: list[tuple[str, dict[str, Any]]] = []
    full: tuple[tuple[str, str], ...] = ()
    for alias in others:
        name = event["id"] if word != LINK or _puts_on(event, row.alias, alias) else ""
        mark = f"{word} {name} {alias}" if name else alias
        note = _note(key, _SENT, mark)
        known = row.notes.get(note)
        if known and (known <= [at, sequence] or strength(alias) is Strength.WEAK):
            continue
        people = not _deal(row.alias) and not _deal(alias) and strength(alias) is not Strength.WEAK
        if word == LINK and people:
            joins = _with(row.joins, origin_id(key, alias))
            if joins is None:
                row, refused = _refuse(row)
                full = (*full, *refused)
                continue
            row = replace(row, joins=joins)
        row = replace(row, notes=row.notes.put(note, [at, sequence]))
        links.append(
            (
                alias,
                {
                    "record": "link",
                    "word": word,
                    "id": name,
                    "at": at,
                    "sequence": sequence,
                    "origin": list(origin),
                },
            )
        )
    return Resolution(row, (_touch(origin, record),), tuple(links), leads_to=full)


def _puts_on(event: dict[str, Any], one: str, other: str) -> bool:
    """Say whether an event puts a contact on a deal: a CRM may take it off and put it on again, so each time counts."""
    return event["type"] == EventType.LINKED and _deal(one) != _deal(other)


def _with(known: tuple[str, ...], other: str) -> tuple[str, ...] | None:
    """Note an origin that an alias leads to; None when it leads to as many as it may.

    What names it and what it names are counted apart: who fills in an ad's form twenty times has a CRM record all the same.
    """
    if other in known:
        return known
    return (*known, other) if len(known) < SHARED_LEADS else None


def _refuse(row: AliasRow) -> tuple[AliasRow, tuple[tuple[str, str], ...]]:
    """Count a link of a strong alias that is not followed; the first one names who shares it."""
    shared = () if row.shared else tuple((origin, FULL) for origin in (*row.leads, *row.joins))
    return replace(row, shared=row.shared + 1), shared


def _weak_event(
    row: AliasRow, record: dict[str, Any], others: list[str], now: int, key: bytes
) -> Resolution:
    if row.origin:
        return Resolution(row, (_touch(row.origin, record),))
    if any(one["event"] == record["event"] for _, one in row.held):
        return Resolution(row, repeated=1)
    asks, notes = [], row.notes
    for alias in others:
        if notes.get(note := _note(key, _ASKED, alias)) is None:
            asks.append((alias, {"record": "ask", "from": row.alias}))
            notes = notes.put(note, 1)
    row = replace(row, notes=notes)
    size = sum(len(orjson.dumps(one)) for one in (record, *(one for _, one in row.held)))
    if len(row.held) >= HELD_EVENTS or size > HELD_BYTES:
        return Resolution(replace(row, expired=row.expired + 1), (), tuple(asks))
    since = max(now, row.held[-1][0]) if row.held else now
    return Resolution(replace(row, held=(*row.held, (since, record))), (), tuple(asks), held=1)


def _link(row: AliasRow, record: dict[str, Any], stamp: int, key: bytes) -> Resolution:
    other = Origin(*record["origin"])
    if strength(row.alias) is Strength.WEAK:
        return _learn(row, other)
    fresh = row.origin is None
    houses = (
        fresh
        and record["word"] == LINK
        and strength(row.alias) is not Strength.CRM
        and not other.deal
    )
    row, origin = _named(row, stamp, key, other.home if houses else "")
    if other.id == origin.id:
        return Resolution(row)
    a, b = sorted((other, origin), key=lambda one: one.id)
    # An event may join more than two.
    name = f"{record['id']}|{a.id}:{b.id}" if record["id"] else f"link:{a.id}:{b.id}"
    place = [record["at"], record["sequence"]]
    note = _note(key, _RAISED, name)
    raised = row.notes.get(note)
    if raised and raised <= place:
        return Resolution(row)
    if record["word"] == LINK and not other.deal and not origin.deal:
        leads = _with(row.leads, other.id)
        if leads is None:
            row, full = _refuse(row)
            return Resolution(row, leads_to=full)
        row = replace(row, leads=leads)
    edge = Edge(record["at"], record["sequence"], name, record["word"], a, b)
    row = replace(row, notes=row.notes.put(note, place))
    rows = {other.home} if edge.housing else {other.id, other.home, origin.id, origin.home}
    touches = tuple(
        Touch(lead, {"record": "edge", "edge": edge.plain(), "received_at": stamp})
        for lead in sorted(rows)
    )
    return Resolution(row, touches)


def _learn(row: AliasRow, origin: Origin) -> Resolution:
    """A weak alias leads to the first lead it learns; what it held goes there in order, and who asked is told."""
    if row.origin:
        if origin.id in (row.origin.id, *row.leads):
            return Resolution(row)
        leads = _with(row.leads, origin.id)
        if leads is None:
            return Resolution(replace(row, shared=row.shared + 1))
        return Resolution(replace(row, leads=leads), leads_to=((origin.id, SHARES),))
    touches, unreadable = [], []
    for _, record in row.held:
        try:
            touches.append(_touch(origin, record, held=True))
        except ValidationError:  # an earlier release held it; the others must not wait for it
            unreadable.append(record)
    answer = {
        "record": "link",
        "word": LINK,
        "id": "",
        "at": 0,
        "sequence": 0,
        "origin": list(origin),
    }
    waiting = [name.removeprefix(_WAITS) for name in row.notes.names() if name.startswith(_WAITS)]
    links = tuple((alias, answer) for alias in waiting)
    after = replace(
        row, origin=origin, held=(), notes=row.notes.emptied()
    )  # a weak one that has a lead notes nothing
    return Resolution(
        after, tuple(touches), links, 0, len(touches), ((origin.id, LEADS),), tuple(unreadable)
    )


def _ask(row: AliasRow, record: dict[str, Any]) -> Resolution:
    if row.origin:
        answer = {
            "record": "link",
            "word": LINK,
            "id": "",
            "at": 0,
            "sequence": 0,
            "origin": list(row.origin),
        }
        return Resolution(row, (), ((record["from"], answer),))
    note = _WAITS + record["from"]
    return Resolution(row if row.notes.get(note) else replace(row, notes=row.notes.put(note, 1)))


def dump(row: AliasRow) -> bytes:
    """Write a row; `due` first, so that the engine need not read the rest. Its alias is its key's to keep."""
    return orjson.dumps(
        {
            "due": row.next_due,
            "origin": list(row.origin) if row.origin else None,
            "notes": [row.notes.head, row.notes.pages, row.notes.size],
            "leads": row.leads,
            "joins": row.joins,
            "held": row.held,
            "shared": row.shared,
            "expired": row.expired,
        }
    )


def load(alias: str, body: bytes, pages: Callable[[bytes], bytes | None]) -> AliasRow:
    """Read an alias' row that `dump` wrote; `pages` reads the pages of its notes by name."""
    raw = orjson.loads(body)
    head, count, size = raw["notes"]
    return AliasRow(
        alias,
        Origin(*raw["origin"]) if raw["origin"] else None,
        Book(head, count, size, read=pages),
        tuple(raw["leads"]),
        tuple(raw["joins"]),
        tuple((since, record) for since, record in raw["held"]),
        raw["shared"],
        raw["expired"],
    )
