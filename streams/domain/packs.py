"""Old touches in little room, and nothing lost: a pack is another way to write the same set.

A newsletter of ten years is thousands of touches, each of which did nothing but add points. As
events they take 200 bytes each, and every record folds them all again. A pack holds consecutive
touches of one identity in 27 bytes each: time, sequence, id, and which of the pack's few bodies it
has. That is the whole touch, so `Pack.events` gives back what came (history h22, docs/adr/0006).

The fold takes a pack in one of two ways. Where nothing can have happened within it, day by day:
points of one day only add up, and of a clock that touches restart the last touch of a day decides.
`fold.Fold` asks for that before it opens a pack: no timer falls due, no clock lapses or is stopped,
no gate would pass, nothing new is learnt of the lead. Everywhere else it takes the touches one by
one. Both ways must give the same facts, which is what tests/unit/test_packs.py holds; the property
of any order runs with rows that pack nearly everything.

What keeps it exact:

- A touch stands in a pack or among the row's events, never in both: an id counts once.
- No event lies between a pack's first and last touch in the order of keys. Whatever comes to lie
  there, shares an id or a minute with one, or voids one, unpacks the pack first (`touched_by`), so
  that order, voids and the flood cap see single events.
- Only mere touches are packed: of which the fold needs the body and the time and nothing else
  (`eligible`). A touch that also names a persona or a team stays as it is.
- What is packed is a function of the row alone. A row that is replayed packs as it did before, so
  its bytes and facts are the same.
- A day is one of the reporting zone, as a cap counts it. That zone is the same in all versions of
  one generation; if it could differ, a day's sum would count under two caps.

A sum instead of a pack would break the last promise of the history, that nothing is ever too late:
a merge, an unmerge or a late move that cuts through a sum cannot be folded again.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from schemas.events import RANK, Event, EventType, Key, parse, short

from .gates import day_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST = 128  # touches of one pack: what a late event unpacks
_ONE = struct.Struct(">QHH8s")  # ms after the first, source's sequence, place of the body, id
_FIELDS = {
    "source", "kind", "direction", "marketing", "attributes", "origin",
    "owner", "queue", "manager", "record_url", "account", "segment",
}  # fmt: skip
_MINUTE = 60_000


class Pack(NamedTuple):
    """Touches in the order of their keys.

    `counts` sums them by day and body, in time: place of the body, how many, ms of the last.
    """

    first: int
    last: int
    origin: str
    direct: bool
    bodies: tuple[str, ...]
    counts: tuple[tuple[int, int, int], ...]
    touches: bytes

    @property
    def size(self) -> int:
        """Return how many touches it holds."""
        return len(self.touches) // _ONE.size

    def names(self) -> list[bytes]:
        """Return the ids of its touches."""
        return [name for _, _, _, name in _ONE.iter_unpack(self.touches)]

    @property
    def last_key(self) -> Key:
        """Return the key of its last touch."""
        _, sequence, _, name = _ONE.unpack_from(self.touches, len(self.touches) - _ONE.size)
        return self.last, RANK[EventType.TOUCH], sequence, name.hex(), self.origin

    def events(self) -> list[Event]:
        """Return the touches as they came."""
        kind, rank = EventType.TOUCH, RANK[EventType.TOUCH]
        return [
            Event(
                self.first + after,
                rank,
                sequence,
                name.hex(),
                self.origin,
                kind.value,
                self.bodies[place],
            )
            for after, sequence, place, name in _ONE.iter_unpack(self.touches)
        ]

    def touched_by(self, event: Event) -> bool:
        """Return whether an event may change what counts within.

        It may if it lies among the touches, shares an id or a minute with one, or voids one.
        """
        named = parse(event.body).get("voids") if event.type == EventType.VOID else None
        return (
            self.first // _MINUTE <= event.at // _MINUTE <= self.last // _MINUTE
            or _bytes(event.id) in self.touches
            or (named is not None and _bytes(short(named)) in self.touches)
        )


def key_of(one: Pack) -> Key:
    """Return the key of its first touch, which is the pack's place among the events.

    No other event lies between its touches.
    """
    _, sequence, _, name = _ONE.unpack_from(one.touches)
    return one.first, RANK[EventType.TOUCH], sequence, name.hex(), one.origin


def _bytes(name: str) -> bytes:
    try:
        return bytes.fromhex(name)
    except ValueError:
        return name.encode()


def eligible(event: Event) -> bool:
    """Return whether an event is a mere touch: the fold needs only its body and its time."""
    if event.type != EventType.TOUCH or not 0 <= event.sequence < 1 << 16 or len(event.id) != 16:
        return False
    body = parse(event.body)
    attributes = body.get("attributes", {})
    return not (
        body.keys() - _FIELDS
        or body.get("kind") == "onboarded"
        or "team" in attributes
        or "persona" in attributes
    )


def packed(
    events: Sequence[tuple[Event, bool]],
    last: Pack | None,
    reach: Key,
    odd: frozenset[str],
    zone: str,
) -> tuple[list[tuple[Event, bool]], list[Pack]]:
    """Pack the mere touches among sorted events; return what is left, and the packs.

    With each event stands whether it lives in this row. `last` is a pack that ends at `reach`, the
    greatest key that was packed or put away before: touches that follow it are added to it. What
    lies before `reach` came late, and other events may lie among such touches: they are left, and
    so are ids that are `odd`, which voids or other contents name.
    """
    before = [(event, last.direct) for event in last.events()] if last else []
    left = [one for one in events if one[0].key <= reach]
    made: list[Pack] = []
    run: list[Event] = []
    run_of: tuple[str, bool] | None = None

    def close() -> None:
        if len(run) > 1 and run_of:
            made.append(_pack(run, *run_of, zone))
        else:
            left.extend((event, run_of[1]) for event in run if run_of)

    for event, direct in [*before, *events[len(left) :]]:
        fits = event.id not in odd and eligible(event)
        belongs = (event.origin, direct) if fits else None
        if belongs != run_of or len(run) == MOST:
            close()
            run, run_of = [], belongs
        if fits:
            run.append(event)
        else:
            left.append((event, direct))
    close()
    return left, made


def _pack(run: list[Event], origin: str, direct: bool, zone: str) -> Pack:
    first = run[0].at
    place: dict[str, int] = {}
    sums: dict[tuple[int, int], tuple[int, int]] = {}
    rows = []
    for event in run:
        at = place.setdefault(event.body, len(place))
        count, _ = sums.get((day_of(event.at, zone), at), (0, 0))
        sums[day_of(event.at, zone), at] = (count + 1, event.at)
        rows.append(_ONE.pack(event.at - first, event.sequence, at, bytes.fromhex(event.id)))
    counts = sorted(
        ((at, count, last) for (_, at), (count, last) in sums.items()),
        key=lambda one: (one[2], one[0]),
    )
    return Pack(first, run[-1].at, origin, direct, tuple(place), tuple(counts), b"".join(rows))


def unpack(packs: Iterable[Pack]) -> tuple[frozenset[Event], frozenset[tuple[str, str]]]:
    """Return the events of packs, and which of them live in this row (id, identity)."""
    events: set[Event] = set()
    direct: set[tuple[str, str]] = set()
    for one in packs:
        touches = one.events()
        events.update(touches)
        if one.direct:
            direct.update((event.id, event.origin) for event in touches)
    return frozenset(events), frozenset(direct)
