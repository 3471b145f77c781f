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

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from schemas.events import EventType, LeadEvent, to_event

from .alias_row import AliasRow, Naming, Note, has_room, with_one_more
from .aliases import Strength, is_deal, ordered, origin_id, record_kind, strength
from .members import LINK, MERGE, UNMERGE, Edge, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence


class Relation(StrEnum):
    """What an alias is to an identity, as people look it up."""

    LEADS = "leads"  # a weak one's events go there
    SHARES = "shares"  # they do not, though the weak one was seen with it too
    FULL = "full"  # a strong one stands with as many as it may
    CROWDED = "crowded"  # so many were named with the alias that its notes fill pages


class Touch(NamedTuple):
    """A record of `lead.touches`, for the row `lead`."""

    lead: str
    record: dict[str, Any]


class Link(NamedTuple):
    """What a record says to an alias of an identity: both are one lead, or somebody parted them."""

    word: str  # LINK, MERGE or UNMERGE
    id: str  # the event's, where each such event counts; "" where one link stands for all
    at: int
    sequence: int
    origin: Origin

    @property
    def place(self) -> list[int]:
        """The event's time (ms) and sequence, as JSON keeps them: the earliest decides."""
        return [self.at, self.sequence]

    def record(self) -> dict[str, Any]:
        """Return the record of `lead.events`."""
        return {"record": "link", **self._asdict(), "origin": list(self.origin)}


class Resolution(NamedTuple):
    """What one record did: the alias' row after it, and what is sent to whom."""

    row: AliasRow
    touches: tuple[Touch, ...] = ()
    links: tuple[tuple[str, dict[str, Any]], ...] = ()  # back into `lead.events`: (alias, record)
    held: int = 0
    released: int = 0
    leads_to: tuple[tuple[str, Relation], ...] = ()  # what is new of the alias: (identity, what)
    unreadable: tuple[dict[str, Any], ...] = ()  # records once held that this release can't read
    repeated: int = 0  # events that are held already


def resolve(row: AliasRow, record: dict[str, Any], stamp: int, now: int, key: bytes) -> Resolution:
    """Decide for one record of `lead.events`.

    `stamp` is the record's own time (ms): when an identity that it is the first to name was
    created. `now` is how far time has come (ms): since when an event is held. `key` is the
    installation's identity key.

    Raises:
        ValueError: the record is of a type that this release does not know.

    """
    done = _decide(row, record, stamp, now, key)
    if row.notes.pages or not done.row.notes.pages:
        return done
    whose = done.row.origin.id if done.row.origin else ""
    return done._replace(leads_to=(*done.leads_to, (whose, Relation.CROWDED)))


def _decide(row: AliasRow, record: dict[str, Any], stamp: int, now: int, key: bytes) -> Resolution:
    """Choose by what the record asks, whom its alias names, and what the alias knows so far."""
    match record["record"], row.naming, row.origin:
        case "event", Naming.STRONG, _:
            return _give_and_link(row, record, stamp, key)
        case "event", Naming.WEAK, Origin() as lead:
            return Resolution(row, (_touch(lead, record),))
        case "event", Naming.WEAK, None:
            return _hold_and_ask(row, record, now, key)
        case "link", Naming.STRONG, _:
            return _raise_edge(row, _link_of(record), stamp, key)
        case "link", Naming.WEAK, Origin() as lead:
            return _share(row, lead, _link_of(record).origin)
        case "link", Naming.WEAK, None:
            return _learn(row, _link_of(record).origin)
        case "ask", _, Origin() as known:
            return Resolution(row, links=(_answer(record["from"], known),))
        case "ask", _, None:
            return _let_wait(row, record["from"])
        case other, _, _:
            raise ValueError(
                f"lead.events has no record of type {other!r}: an older worker than its writer?"
            )


# --- an event ---------------------------------------------------------------------------------


def _give_and_link(row: AliasRow, record: dict[str, Any], stamp: int, key: bytes) -> Resolution:
    """Route an event to the identity of its strong alias; link its other aliases to that."""
    row, origin = _identified(row, stamp, key)
    done = Resolution(row, (_touch(origin, record),))
    for other in _others(row, record):
        done = _send_link(other, _link_for(record["event"], row.alias, other, origin), done, key)
    return done


def _send_link(other: str, link: Link, done: Resolution, key: bytes) -> Resolution:
    """Send another alias a link, unless it has one as old or this alias has no room for more."""
    row, weak = done.row, strength(other) is Strength.WEAK
    note = Note.LINKED.of(key, f"{link.word} {link.id} {other}" if link.id else other)
    known = row.notes.get(note)
    if known and (known <= link.place or weak):  # a weak one learns once, whatever is earlier
        return done
    if link.word == LINK and not (weak or is_deal(row.alias) or is_deal(other)):
        joins = with_one_more(row.joins, origin_id(key, other))
        if joins is None:
            return _refused(done)
        row = replace(row, joins=joins)
    links = (*done.links, (other, link.record()))
    return done._replace(row=row.noting(note, link.place), links=links)


def _hold_and_ask(row: AliasRow, record: dict[str, Any], now: int, key: bytes) -> Resolution:
    """Hold an event that names nobody yet, and ask its other aliases whom they know."""
    if any(one["event"] == record["event"] for _, one in row.held):
        return Resolution(row, repeated=1)
    room, asks = has_room(row, record), []
    for other in _others(row, record):
        note = Note.ASKED.of(key, other)
        if row.notes.get(note) is None:
            asks.append((other, {"record": "ask", "from": row.alias}))
            row = row.noting(note)
    if not room:
        return Resolution(replace(row, expired=row.expired + 1), links=tuple(asks))
    since = max(now, row.held[-1][0]) if row.held else now
    return Resolution(replace(row, held=(*row.held, (since, record))), links=tuple(asks), held=1)


_WORDS = {EventType.MERGE: MERGE, EventType.UNMERGE: UNMERGE}


def _link_for(event: dict[str, Any], alias: str, other: str, origin: Origin) -> Link:
    """Return what an event that names two aliases says to the other of them.

    A CRM may take a contact off a deal and put it on again, so each such event counts, as each
    merge and unmerge does. Of all other events that name the two one link says the same.
    """
    word = _WORDS.get(event["type"], LINK)
    puts_on = event["type"] == EventType.LINKED and is_deal(alias) != is_deal(other)
    name = event["id"] if word != LINK or puts_on else ""
    return Link(word, name, event["occurred_at"], event.get("sequence", 0), origin)


def _others(row: AliasRow, record: dict[str, Any]) -> list[str]:
    return [one for one in ordered(tuple(record["event"]["aliases"])) if one != row.alias]


# --- a link -----------------------------------------------------------------------------------


def _raise_edge(row: AliasRow, link: Link, stamp: int, key: bytes) -> Resolution:
    """Send the edge of two identities to all rows that it concerns, as old as its first event."""
    row, origin = _identified(row, stamp, key, _house(row, link))
    if link.origin.id == origin.id:
        return Resolution(row)
    edge = _edge(link, origin)
    note = Note.RAISED.of(key, edge.id)
    raised = row.notes.get(note)
    if raised and raised <= link.place:
        return Resolution(row)
    if edge.type == LINK and not (edge.a.deal or edge.b.deal):
        leads = with_one_more(row.leads, link.origin.id)
        if leads is None:
            return _refused(Resolution(row))
        row = replace(row, leads=leads)
    return Resolution(row.noting(note, link.place), _edge_touches(edge, link.origin, stamp))


def _house(row: AliasRow, link: Link) -> str:
    """Return the row that a new identity is to live in: the first one's that names it, or its own.

    A CRM's record always has a row of its own, so that a conflict shows; a deal houses nobody; and
    somebody's word on two identities houses neither.
    """
    crm = strength(row.alias) is Strength.CRM
    return "" if crm or link.word != LINK or link.origin.deal else link.origin.home


def _edge(link: Link, origin: Origin) -> Edge:
    a, b = sorted((link.origin, origin), key=lambda one: one.id)
    name = f"{link.id}|{a.id}:{b.id}" if link.id else f"link:{a.id}:{b.id}"  # one event, many edges
    return Edge(link.at, link.sequence, name, link.word, a, b)


def _edge_touches(edge: Edge, housing: Origin, stamp: int) -> tuple[Touch, ...]:
    ends = {edge.a.id, edge.a.home, edge.b.id, edge.b.home}
    record = {"record": "edge", "edge": edge.plain(), "received_at": stamp}
    return tuple(Touch(lead, record) for lead in sorted({housing.home} if edge.housing else ends))


def _refused(done: Resolution) -> Resolution:
    """Count a link of a strong alias that is not followed; the first one names who shares it."""
    row = done.row
    sharing = () if row.shared else (*row.leads, *row.joins)
    full = tuple((identity, Relation.FULL) for identity in sharing)
    after = replace(row, shared=row.shared + 1)
    return done._replace(row=after, leads_to=(*done.leads_to, *full))


def _share(row: AliasRow, lead: Origin, other: Origin) -> Resolution:
    """Note that a weak alias was seen with another than its lead: it keeps to the first."""
    if other.id in (lead.id, *row.leads):
        return Resolution(row)
    leads = with_one_more(row.leads, other.id)
    if leads is None:
        return Resolution(replace(row, shared=row.shared + 1))
    return Resolution(replace(row, leads=leads), leads_to=((other.id, Relation.SHARES),))


def _learn(row: AliasRow, lead: Origin) -> Resolution:
    """Lead to the first that a weak alias learns: release what it held, answer who waits."""
    touches, unreadable = _released(lead, [record for _, record in row.held])
    links = tuple(_answer(alias, lead) for alias in row.waiting())
    # A weak alias that has a lead needs no notes.
    after = replace(row, origin=lead, held=(), notes=row.notes.emptied())
    news = ((lead.id, Relation.LEADS),)
    return Resolution(after, touches, links, 0, len(touches), news, unreadable)


def _released(
    lead: Origin, records: Sequence[dict[str, Any]]
) -> tuple[tuple[Touch, ...], tuple[dict[str, Any], ...]]:
    """Return the touches of what was held, in order, and the records that can't be read."""
    touches, unreadable = [], []
    for record in records:
        try:
            touches.append(_touch(lead, record, held=True))
        except ValidationError:  # an earlier release held it; the others must not wait for it
            unreadable.append(record)
    return tuple(touches), tuple(unreadable)


# --- a question -------------------------------------------------------------------------------


def _let_wait(row: AliasRow, asker: str) -> Resolution:
    """Note who asked: it is answered as soon as the alias learns its lead."""
    note = Note.WAITS + asker
    return Resolution(row if row.notes.get(note) else row.noting(note))


def _answer(asker: str, known: Origin) -> tuple[str, dict[str, Any]]:
    return asker, Link(LINK, "", 0, 0, known).record()


# --- what several decisions share -------------------------------------------------------------


def _identified(row: AliasRow, stamp: int, key: bytes, house: str = "") -> tuple[AliasRow, Origin]:
    """Return the alias' identity; created now, in `house`, when nobody named it before."""
    if row.origin:
        return row, row.origin
    origin = Origin(stamp, house, origin_id(key, row.alias), record_kind(row.alias))
    return replace(row, origin=origin), origin


def _touch(origin: Origin, record: dict[str, Any], **flags: bool) -> Touch:
    event = LeadEvent.model_validate(record["event"], extra="ignore")
    touch = {
        "record": "event",
        "event": list(to_event(event, origin.id)),
        "name": event.id,
        "received_at": record["received_at"],
        **flags,
    }
    return Touch(origin.home, touch)


def _link_of(record: dict[str, Any]) -> Link:
    origin = Origin(*record["origin"])
    return Link(record["word"], record["id"], record["at"], record["sequence"], origin)
