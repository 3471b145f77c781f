"""The state at the end: what a history came to, so that an event in order is one step.

The set stays the truth (history h1). Beside it a row keeps the state that its fold ended in, before
time was folded into it. An event that comes after all others by key takes that state on; `follow`
gives it to the same `Fold`, so no rule is written twice. Whatever else comes, a late event, a void,
an edge, another definition, folds the set again, and so does a step that asks for more than the end
keeps (`FoldAgain`).

What the end keeps is what an event in order can still change: the newest journey, the clocks that
run, what is known of the lead. Journeys that are over are sealed: how many, and their deals. Notes
are made once and not kept. So it does not grow with the history, but for a number a day.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, structs

from schemas.events import Event, EventType, Key, parse, short

from . import statements
from .definition import Definition, Definitions
from .fold import Fold, finished
from .gates import FoldAgain, Score
from .history import FLOOD_CAP, MINUTE_MS, bucket
from .journey import Before, Folded, Journey, Sealed, State
from .standing import ENDS, OF_DEALS, OF_PEOPLE, Standing, deal_of, wins_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .packs import Pack

_AGAIN = ENDS | {EventType.VOID, EventType.ERASE, EventType.UNMERGE}


class End(Struct, array_like=True):
    """The state at the end, and what decides whether an event goes on from it."""

    survivor: str  # whose row speaks for the lead
    state: State | None  # None in a row that another speaks for
    last: Key  # of the newest event, whether or not it counts
    events: int  # ids that came
    minute: dict[str, int]  # contents in the newest event's minute, as the flood cap counts them
    voided: frozenset[str]  # ids of events that a void names
    won: frozenset[str]  # deals of which the last word is a win
    renamed: dict[str, str]  # deals, by the name that they go on under
    gone: frozenset[str]  # identities of records that were deleted
    people: frozenset[str] | None  # identities of people, once a record or a deal has ended
    origins: frozenset[str]  # identities whose events count; as bytes none where it is one alone
    conflicts: int
    influenced: bool  # a deal of somebody else's is among the facts


def at_end(
    survivor: str,
    run: Fold | None,
    own: list[Event],
    packs: Iterable[Pack],
    origins: frozenset[str],
    conflicts: int,
    *,
    events: int,
    influenced: bool,
) -> End:
    """Return the end of a fold over `own` events and `packs`, before time is folded into it.

    Without a fold it is of a row for which `survivor` speaks.
    """
    packs = list(packs)
    last: Key = max((one.key for one in own), default=(-1, 0, 0, "", ""))
    last = max([last, *(one.last_key for one in packs)])
    now = last[0] // MINUTE_MS
    newest = [one for one in own if one.at // MINUTE_MS == now]
    newest += [
        one
        for pack in packs
        if pack.last // MINUTE_MS == now
        for one in pack.events()
        if one.at // MINUTE_MS == now
    ]
    minute: dict[str, int] = {}
    for one in newest:
        minute[_bucket(one)] = minute.get(_bucket(one), 0) + 1
    ended = any(one.type in ENDS for one in own)
    judged = run.judged if run else Standing([], frozenset(), {}, frozenset())
    return End(
        survivor,
        run.state if run else None,
        last,
        events,
        minute,
        frozenset(
            short(parse(one.body).get("voids", "")) for one in own if one.type == EventType.VOID
        ),
        wins_of(judged, run.definitions) if run else frozenset(),
        dict(judged.renamed),
        judged.gone,
        frozenset(one.origin for one in own if one.type in OF_PEOPLE) if ended and run else None,
        origins,
        conflicts,
        influenced,
    )


def begun(lead: str, definitions: Definitions) -> End:
    """Return the end of nothing: what the first event of a lead goes on from."""
    run = Fold(lead, definitions)
    return at_end(lead, run, [], (), frozenset({lead}), 0, events=0, influenced=False)


def goes_on(end: End, event: Event) -> bool:
    """Return whether an event is one step on from the end.

    It comes after all others, is of an identity whose events count, and says nothing of what came
    before it: what its type does not tell, `follow` finds out.
    """
    if not (event.key > end.last and event.origin in end.origins):
        return False
    if event.type in _AGAIN or event.id in end.voided:
        return False
    if event.at == end.last[0] and event.type == EventType.STAGE_REPORTED:
        return False  # stages of one instant are in the order of the funnel
    if event.type == EventType.LINKED and end.influenced:
        return False
    if event.type in OF_DEALS and (end.people is not None or deal_of(event) in end.won):
        return False  # it may take back a win, or be of a deal that has ended
    # A record that nothing is known of may have outlived one that was deleted.
    return end.people is None or (event.origin in end.people and event.at > end.last[0])


def floods(end: End, event: Event) -> bool:
    """Return whether an event that goes on is one too many of its minute."""
    same = event.at // MINUTE_MS == end.last[0] // MINUTE_MS
    return same and end.minute.get(_bucket(event), 0) >= FLOOD_CAP


def follow(
    lead: str,
    end: End,
    event: Event | None,
    definitions: Definitions,
    now: int,
    stated_at: int,
) -> tuple[Folded, bytes]:
    """Take the end on by an event, or by time alone; return the facts up to `now` and the new end.

    `stated_at` (ms) is the time up to which facts were stated of the end last.

    The facts are those of journeys that are not sealed, and the notes of this step. `end` is used
    up: it must be read again for another step. No consent of a group with edges comes here, whose
    fold asks which opt-outs it lifts.

    Raises:
        FoldAgain: only the set can say what follows.

    """
    run, state = Fold(lead, definitions), end.state
    if state is None:
        return Folded({}, {}, None), dump(_after(end, event, run), definitions) if event else b""
    run.state = state
    run.judged = Standing([], frozenset(), end.renamed, end.gone)
    kept, there = b"", statements.known(state, stated_at)
    if event:
        before = state.origin, state.lead.get("segment")
        run.apply(event)
        if state.sealed.journeys and before != (state.origin, state.lead.get("segment")):
            raise FoldAgain  # every journey names them
        kept = dump(_after(end, event, run), definitions)
    folded = finished(run, now, there)
    return folded._replace(
        state=with_group(folded.state, end.origins, end.conflicts, end.events)
    ), kept


def with_group(
    state: dict[str, Any], origins: frozenset[str], conflicts: int, events: int
) -> dict[str, Any]:
    """Return a lead's row of state with what is known of its group."""
    if not state:
        return state
    return {**state, "origins": sorted(origins), "conflicts": conflicts, "events": events}


def _after(end: End, event: Event, run: Fold) -> End:
    """Count an event."""
    if event.at // MINUTE_MS != end.last[0] // MINUTE_MS:
        end.minute = {}
    end.minute[_bucket(event)] = end.minute.get(_bucket(event), 0) + 1
    end.last = event.key
    if end.state is None:
        return end
    end.events += 1
    if event.type in OF_DEALS:
        judged = Standing([event], frozenset(), end.renamed, end.gone)
        end.won |= wins_of(judged, run.definitions)
    return end


def _bucket(event: Event) -> str:
    origin, kind, _ = bucket(event)
    return f"{kind}|{origin}"


# --- as bytes ---------------------------------------------------------------------------------


def dump(end: End, definitions: Definitions) -> bytes:
    """Write an end: msgpack, a definition as its place among the versions."""
    encoder, _ = _codec(definitions)
    state = _sealed(end.state) if end.state else None
    origins = frozenset[str]() if end.origins == {end.survivor} else end.origins
    return encoder.encode(structs.replace(end, state=state, origins=origins))


def load(body: bytes, definitions: Definitions) -> End:
    """Read an end that was written under the same definitions."""
    _, decoder = _codec(definitions)
    end = decoder.decode(body)
    return end if end.origins else structs.replace(end, origins=frozenset({end.survivor}))


def _sealed(state: State) -> State:
    """Return what of a state is kept."""
    if not state.journeys:
        return structs.replace(state, notes=[])
    *over, present = state.journeys
    sealed = state.sealed
    if over:
        sealed = Sealed(
            sealed.journeys + len(over),
            sealed.opening or any(journey.opening for journey in over),
            sealed.deals.union(*(journey.deals for journey in over)),
        )
    before = _without_own_score(state.before, present)
    moves = [
        structs.replace(move, left=_without_own_score(move.left, present)) if move.left else move
        for move in present.moves
    ]
    present = structs.replace(
        present,
        moves=moves,
        decisions=[one if isinstance(one, str) else one["stage"] for one in present.decisions],
        disagreements=dict.fromkeys(present.disagreements),
    )
    return structs.replace(state, sealed=sealed, journeys=[present], notes=[], before=before)


def _without_own_score(before: Before | None, journey: Journey) -> Before | None:
    """Let what is remembered follow the journey's own score, as it does in memory."""
    if before is None or before.score is not journey.score:
        return before
    return structs.replace(before, score=None)


@lru_cache(maxsize=64)
def _codec(
    definitions: Definitions,
) -> tuple[msgspec.msgpack.Encoder, msgspec.msgpack.Decoder[End]]:
    versions = definitions.versions
    places = {id(version): place for place, version in enumerate(versions)}
    scorings = {id(version.funnel.scoring): place for place, version in enumerate(versions)}

    def plain(value: Any) -> Any:
        if isinstance(value, Score):
            return scorings[id(value.scoring)], *value.plain()
        return places[id(value)]

    def made(kind: type, value: Any) -> Any:
        if kind is Definition:
            return versions[value]
        place, *rest = value
        return Score.of(versions[place].funnel.scoring, zone, rest)

    zone = versions[0].funnel.reporting.zone
    return msgspec.msgpack.Encoder(enc_hook=plain, order="deterministic"), msgspec.msgpack.Decoder(
        End, dec_hook=made
    )
