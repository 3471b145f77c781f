"""A lead's row as it is kept: a head that is read for each event, and pages that seldom are.

row.py says what a row is, a set, and what each record does to it. Here is how one is kept, so that
an event in order costs the same however long the history is. The head holds the state at the end
(end.py), the newest events, and what was stated of the newest journey. What is older lies in pages
of events and pages of facts. `advance` and `tick` go on from the head alone where they can. Else
they put the row together, let row.py fold it, and part it again.

- Head and pages are written all or nothing (the engine writes a row and its pages in one batch).
- Whether an id came before is asked of a page's ids as bytes, without reading the page.
- A page is written again only when what it holds changes, and the last one until it is full.
- Mere touches are packed when they go to a page (packs.py).
"""

from __future__ import annotations

import struct
from collections import Counter
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import Struct, structs

from schemas.events import Event, EventType, Key, parse, short
from schemas.facts import FactKind

from . import end as ends
from . import old_rows
from . import row as rows
from .book import no_page
from .gates import FoldAgain
from .members import Edge
from .packs import Pack, key_of, packed
from .row import Emitted, Forward, Row, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .definition import Definitions
    from .journey import Folded

    Pages = Callable[[bytes], bytes | None]

VERSION = 3
RECENT = 24  # events in the head: each is written again with each event
SETTLED = 24  # facts of journeys that are over, and notes, in the head
PAGE = 256  # events in a page: each is asked for an id
FACTS = 64  # facts in a page: the last one is written again whenever the head is full
_PREFIX = struct.Struct(">Bqqq")  # version, due (ms), watermark (ms), revision
_NEVER = (1 << 63) - 1
_COUNT = struct.Struct(">I")
NO_END, NO_EDGES = msgspec.msgpack.encode(None), msgspec.msgpack.encode([])


class Short(NamedTuple):
    """An event with the places of its origin and its body in the lists beside it."""

    at: int
    rank: int
    sequence: int
    id: str
    origin: int
    type: str
    body: int
    direct: bool


class Events(Struct, array_like=True):
    """Events that share origins and bodies, and packs of touches."""

    origins: list[str] = msgspec.field(default_factory=list)
    bodies: list[str] = msgspec.field(default_factory=list)
    events: list[Short] = msgspec.field(default_factory=list)
    packs: list[Pack] = msgspec.field(default_factory=list)

    def add(self, event: Event, *, direct: bool) -> None:
        """Add an event."""
        origin, body = _place(self.origins, event.origin), _place(self.bodies, event.body)
        self.events.append(
            Short(event.at, event.rank, event.sequence, event.id, origin, event.type, body, direct)
        )

    def whole(self) -> dict[Event, bool]:
        """Return the events that are not packed, with whether each lives in this row."""
        return {
            Event(
                one.at,
                one.rank,
                one.sequence,
                one.id,
                self.origins[one.origin],
                one.type,
                self.bodies[one.body],
            ): one.direct
            for one in self.events
        }

    @property
    def size(self) -> int:
        """Return how many events it holds."""
        return len(self.events) + sum(one.size for one in self.packs)

    def holds(self, name: str) -> bool:
        """Return whether an event that is not packed has an id."""
        return any(one.id == name for one in self.events)


class Body(Struct, array_like=True):
    """What a head holds behind its prefix."""

    lead: str
    stated: str = ""
    mark: str = ""  # of the definitions that the end was folded under
    end: msgspec.Raw = msgspec.Raw(NO_END)
    emitted: dict[str, Emitted] = msgspec.field(default_factory=dict)
    recent: Events = msgspec.field(default_factory=Events)
    pages: int = 0  # of events
    reach: Key = (-1, 0, 0, "", "")  # the greatest key in pages
    odd: list[str] = msgspec.field(default_factory=list)  # ids that stay out of packs
    settled: dict[str, Emitted] = msgspec.field(default_factory=dict)
    settled_pages: int = 0
    edges: msgspec.Raw = msgspec.Raw(NO_EDGES)
    erased: list[str] = msgspec.field(default_factory=list)


_ENCODER = msgspec.msgpack.Encoder()
_BODY = msgspec.msgpack.Decoder(Body)
_EVENTS = msgspec.msgpack.Decoder(Events)
_FACTS = msgspec.msgpack.Decoder(dict[str, Emitted])
_EDGES = msgspec.msgpack.Decoder(list[Edge])


class Head(Struct, frozen=True):
    """A row as it is kept. `fresh` are the pages that this step changed, `read` finds others."""

    body: Body
    watermark: int = 0
    revision: int = 0
    fresh: Mapping[bytes, bytes] = {}
    read: Pages = no_page

    @property
    def lead(self) -> str:
        """The identity whose row it is."""
        return self.body.lead

    def page(self, name: bytes) -> bytes:
        """Return a page as bytes."""
        found = self.fresh.get(name) or self.read(name)
        if found is None:
            raise ValueError(f"the row of {self.lead} lacks its page {name.decode()}")
        return found

    def knows(self, name: str) -> bool:
        """Return whether an event of an id may have come: exact in the head, by bytes in pages."""
        if self.body.recent.holds(name):
            return True
        wanted = _id(name)
        pages = (self.page(_events_page(number)) for number in range(self.body.pages))
        return any(page.find(wanted, _COUNT.size, _ids_end(page)) >= 0 for page in pages)


def new(lead: str) -> Head:
    """Return the row of an identity of which nothing came."""
    return Head(Body(lead))


# --- steps ------------------------------------------------------------------------------------


def advance(
    head: Head, event: Event, definitions: Definitions, *, copied: bool = False
) -> Step[Head]:
    """Take one event into the row: `row.advance`, in one step where the event comes in order."""
    with suppress(FoldAgain):
        step = _went_on(head, event, definitions, direct=not copied)
        if step:
            return step
    before = _Whole(head)
    return before.after(rows.advance(before.row, event, definitions, copied=copied), definitions)


def connect(head: Head, edge: Edge, definitions: Definitions) -> Step[Head]:
    """Take one edge into the row: `row.connect`."""
    before = _Whole(head)
    return before.after(rows.connect(before.row, edge, definitions), definitions)


def tick(head: Head, now: int, definitions: Definitions) -> Step[Head]:
    """Raise the row's watermark to `now` (ms): `row.tick`."""
    now = max(head.watermark, now)
    end = _end(head, definitions)
    if end:
        with suppress(FoldAgain):
            folded, _ = ends.follow(head.lead, end, None, definitions, now, head.watermark)
            return _stated(structs.replace(head, watermark=now, fresh={}), folded)
    before = _Whole(head)
    return before.after(rows.tick(before.row, now, definitions), definitions)


def _went_on(
    head: Head, event: Event, definitions: Definitions, *, direct: bool
) -> Step[Head] | None:
    """Take an event in order; None where the set must be folded."""
    body = head.body
    if event.type == EventType.CONSENT and body.edges != NO_EDGES:
        return None  # whom a consent speaks for, and binds, is the edges' to say
    end = _end(head, definitions)
    if end is None or not ends.goes_on(end, event) or head.knows(event.id):
        return None
    if ends.floods(end, event):
        return Step(head, repeated=True, flooded=1)
    speaks = end.survivor == head.lead
    forwards = () if speaks or not direct else (Forward(end.survivor, "event", tuple(event)),)
    folded, kept = ends.follow(head.lead, end, event, definitions, head.watermark, head.watermark)
    recent = structs.replace(
        body.recent,
        origins=[*body.recent.origins],
        bodies=[*body.recent.bodies],
        events=[*body.recent.events],
    )
    recent.add(event, direct=direct)
    body = structs.replace(body, recent=recent, end=msgspec.Raw(kept), mark=definitions.mark)
    after = structs.replace(head, body=body, fresh={})
    if len(recent.events) > RECENT:
        after = _sealed(after, definitions)
    return _stated(after, folded, forwards)


def _end(head: Head, definitions: Definitions) -> ends.End | None:
    """Return the state at the end; None where it is of other definitions, or there is none."""
    body = head.body
    if not head.revision and not body.pages and body == Body(body.lead):
        return ends.begun(body.lead, definitions)
    if body.mark != definitions.mark or body.end == NO_END:
        return None
    return ends.load(bytes(body.end), definitions)


def _stated(head: Head, folded: Folded, forwards: tuple[Forward, ...] = ()) -> Step[Head]:
    """Return the step that states what changed among the facts that may."""
    body = head.body
    stated = rows.changes_of(head.revision, body.emitted, body.stated, folded)
    body = structs.replace(body, stated=stated.digest)
    after = structs.replace(head, body=body, revision=stated.revision)
    if stated.changes:
        after = _remembered(after, stated.emitted)
    return stated.step(after, folded, forwards)


def _remembered(head: Head, emitted: Mapping[str, Emitted]) -> Head:
    """Return the head with what was stated: facts of the newest journey, and those that settled."""
    newest = max((mark[2] for mark in emitted.values()), default=0)
    hot, cold = {}, dict(head.body.settled)
    for name, mark in emitted.items():
        if mark[2] == newest and mark[1] not in _SETTLED_KINDS and newest:
            hot[name] = mark
        else:
            cold[name] = mark
    head = structs.replace(head, body=structs.replace(head.body, emitted=hot, settled=cold))
    return _with_settled_pages(head) if len(cold) > SETTLED else head


_SETTLED_KINDS = (FactKind.NOTE.value, FactKind.CONFLICT.value)


def whole(head: Head) -> Row:
    """Put a row together, as the set that it is."""
    return _Whole(head).row


# --- pages ------------------------------------------------------------------------------------


def _events_page(number: int) -> bytes:
    return b"e%d" % number


def _facts_page(number: int) -> bytes:
    return b"f%d" % number


def _id(name: str) -> bytes:
    """Return an id as 8 bytes."""
    try:
        found = bytes.fromhex(name)
    except ValueError:
        found = b""
    return found if len(found) == 8 else blake2b(name.encode(), digest_size=8).digest()


def _ids_end(page: bytes) -> int:
    (count,) = _COUNT.unpack_from(page)
    return int(_COUNT.size + 8 * count)


def _written(events: Events) -> bytes:
    """Write a page of events: how many, their ids, the events."""
    ids = [_id(one.id) for one in events.events]
    ids += [name for pack in events.packs for name in pack.names()]
    return _COUNT.pack(len(ids)) + b"".join(ids) + _ENCODER.encode(events)


def _read_events(page: bytes) -> Events:
    return _EVENTS.decode(memoryview(page)[_ids_end(page) :])


def _sealed(head: Head, definitions: Definitions) -> Head:
    """Move all events from the head to the last page, and to new ones where it is full."""
    body, fresh = head.body, dict(head.fresh)
    zone = definitions.first.funnel.reporting.zone
    number, there = max(0, body.pages - 1), Events()
    if body.pages:
        there = _read_events(head.page(_events_page(number)))
    left = sorted(body.recent.whole().items())
    there.packs += body.recent.packs  # of a row of an earlier release
    reach = max([body.reach, *(pack.last_key for pack in body.recent.packs)])
    while left or not body.pages:
        room = max(0, PAGE - there.size)
        now, left = left[:room], left[room:]
        last = there.packs.pop() if there.packs and there.packs[-1].last_key == reach else None
        loose, made = packed(now, last, reach, frozenset(body.odd), zone)
        for event, direct in loose:
            there.add(event, direct=direct)
        there.packs += made
        if now:
            reach = max(reach, now[-1][0].key)
        fresh[_events_page(number)] = _written(there)
        body = structs.replace(body, pages=number + 1)
        if left:
            number, there = number + 1, Events()
    body = structs.replace(body, recent=Events(), reach=reach, odd=[])
    return structs.replace(head, body=body, fresh=fresh)


def _with_settled_pages(head: Head) -> Head:
    """Move what was stated of settled facts from the head to the last page, and to new ones."""
    body, fresh = head.body, dict(head.fresh)
    number, there = max(0, body.settled_pages - 1), {}
    if body.settled_pages:
        there = _FACTS.decode(head.page(_facts_page(number)))
    left = list(body.settled.items())
    while left:
        room = max(0, FACTS - len(there))
        there.update(left[:room])
        left = left[room:]
        fresh[_facts_page(number)] = _ENCODER.encode(there)
        body = structs.replace(body, settled_pages=number + 1)
        number, there = number + 1, {}
    return structs.replace(head, body=structs.replace(body, settled={}), fresh=fresh)


class _Whole:
    """A row put together, and the pages that it came from."""

    def __init__(self, head: Head) -> None:
        body = head.body
        self.head = head
        self.pages = [_read_events(head.page(_events_page(number))) for number in range(body.pages)]
        self.facts = [
            _FACTS.decode(head.page(_facts_page(number))) for number in range(body.settled_pages)
        ]
        held = [body.recent, *self.pages]
        events = {event: direct for one in held for event, direct in one.whole().items()}
        emitted = {**body.emitted, **body.settled}
        for facts in self.facts:
            emitted |= facts
        self.row = Row(
            body.lead,
            head.watermark,
            head.revision,
            frozenset(events),
            frozenset((event.id, event.origin) for event, direct in events.items() if direct),
            frozenset(_EDGES.decode(body.edges)),
            frozenset(body.erased),
            tuple(sorted((pack for one in held for pack in one.packs), key=key_of)),
            emitted,
            body.stated,
        )

    def after(self, step: Step[Row], definitions: Definitions) -> Step[Head]:
        """Part the row that a step gave into head and pages."""
        row = step.row
        if row is self.row:
            return step._replace(row=self.head)  # type: ignore[return-value, arg-type]
        fresh: dict[bytes, bytes] = {}
        body = Body(
            row.lead,
            row.stated,
            definitions.mark if step.end else "",
            msgspec.Raw(step.end or NO_END),
            recent=self._recent(row, fresh),
            pages=len(self.pages),
            reach=self.head.body.reach,
            odd=_odd(row),
            settled_pages=len(self.facts),
            edges=_edges(row),
            erased=sorted(row.erased),
        )
        head = Head(body, row.watermark, row.revision, fresh, self.head.read)
        if len(body.recent.events) > RECENT or body.recent.packs:
            head = _sealed(head, definitions)
        left = dict(row.emitted)
        for number, facts in enumerate(self.facts):
            kept = {name: left.pop(name) for name in facts if name in left}
            if kept != facts:
                fresh[_facts_page(number)] = _ENCODER.encode(kept)
        head = structs.replace(head, fresh={**fresh, **head.fresh})
        return step._replace(row=_remembered(head, left))  # type: ignore[return-value, arg-type]

    def _recent(self, row: Row, fresh: dict[bytes, bytes]) -> Events:
        """Return what no page holds; a page of which something changed is written again."""
        left = _events(row)
        packs = dict.fromkeys(row.packs)
        for number, page in enumerate(self.pages):
            there = page.whole()
            opened = [event for one in page.packs if one not in packs for event in one.events()]
            mine = {event: left.pop(event) for event in (*there, *opened) if event in left}
            kept = [one for one in page.packs if one in packs]
            for one in kept:
                del packs[one]
            if mine != there or len(kept) != len(page.packs):
                fresh[_events_page(number)] = _written(_together(mine, kept))
        return _together(left, packs)


def _events(row: Row) -> dict[Event, bool]:
    """Return a row's events that are not packed, with whether each lives in it."""
    return {event: (event.id, event.origin) in row.direct for event in row.events}


def _edges(row: Row) -> msgspec.Raw:
    return msgspec.Raw(_ENCODER.encode([edge.plain() for edge in sorted(row.edges)]))


def _together(events: Mapping[Event, bool], packs: Iterable[Pack]) -> Events:
    made = Events(packs=list(packs))
    for event in sorted(events):
        made.add(event, direct=events[event])
    return made


def _odd(row: Row) -> list[str]:
    """Name the ids that stay out of packs: of several contents, or named by a void."""
    often = Counter(event.id for event in row.events)
    voids = (event for event in row.events if event.type == EventType.VOID)
    named = {short(parse(event.body).get("voids", "")) for event in voids}
    return sorted({name for name, count in often.items() if count > 1} | named)


def _place(names: list[str], name: str) -> int:
    if name not in names:
        names.append(name)
    return names.index(name)


# --- as bytes ---------------------------------------------------------------------------------


def dump(head: Head, next_due: int | None) -> bytes:
    """Write a head; its pages are `fresh`."""
    due = _NEVER if next_due is None else next_due
    return _PREFIX.pack(VERSION, due, head.watermark, head.revision) + _ENCODER.encode(head.body)


def load(body: bytes, read: Pages) -> Head:
    """Read a head that `dump` wrote, or a row of an earlier release.

    Raises:
        ValueError: a later release wrote it.

    """
    if body[:1] == b"{":
        return of_row(old_rows.load(body), read)
    version, _, watermark, revision = _PREFIX.unpack_from(body)
    if version != VERSION:
        raise ValueError(f"version {version} of a lead's row: a later release wrote it")
    held = _BODY.decode(memoryview(body)[_PREFIX.size :])
    return Head(held, watermark, revision, read=read)


def due_of(body: bytes) -> int | None:
    """Return when time alone changes the row next (ms)."""
    if body[:1] == b"{":
        return old_rows.due_of(body)
    due: int = _PREFIX.unpack_from(body)[1]
    return None if due == _NEVER else due


def of_row(row: Row, read: Pages = no_page) -> Head:
    """Return the head of a row that was written whole: its next step parts it."""
    body = Body(
        row.lead,
        row.stated,
        recent=_together(_events(row), row.packs),
        odd=_odd(row),
        settled=row.emitted,
        edges=_edges(row),
        erased=sorted(row.erased),
    )
    return Head(body, row.watermark, row.revision, read=read)
