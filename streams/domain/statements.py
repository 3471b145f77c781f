"""What a folded lead comes to, as facts: what ClickHouse, the live page and `explain` read."""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.facts import Fact, FactKind, make, name_of

from .journey import NEVER, Deal, Folded, Handoff, Journey, Move, State, dimensions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from schemas.events import Event

    from .clocks import ClockState, Running
    from .definition import Definition, Definitions


def note(lead: str, journey: int, event: Event, what: str, fields: dict[str, Any]) -> Fact:
    """State what happened and moved nothing; one a kind and event."""
    return make(lead, FactKind.NOTE, journey, event.at, what, event.id, **fields)


class Known(NamedTuple):
    """The newest journey as its facts were stated last: what equals it needs no new one."""

    number: int
    horizon: int
    common: tuple[Any, ...]  # what all of the journey's facts say
    moves: list[Move]
    handoffs: list[Handoff]
    clocks: dict[str, tuple[Running, ClockState]]
    running: dict[str, Running]
    deals: dict[str, Deal]


def known(state: State, horizon: int) -> Known | None:
    """Copy a state of which facts were stated at `horizon` (ms), before a step changes it."""
    if not state.journeys or state.timer < horizon:
        return None  # a timer was folded into what was stated
    journey = state.journeys[-1]
    return Known(
        state.number,
        max(state.horizon, horizon),
        _common(state, journey),
        [copy.copy(move) for move in journey.moves],
        [copy.copy(handoff) for handoff in journey.handoffs],
        dict(journey.clocks),
        {running.key: copy.copy(running) for running in state.running},
        {name: copy.copy(deal) for name, deal in journey.deals.items()},
    )


_NOTHING = Known(0, 0, (), [], [], {}, {}, {})


def of(lead: str, state: State, definitions: Definitions, before: Known | None = None) -> Folded:
    """Return the facts, the lead's row of state, and when time alone changes either.

    Of what is as it was `before` only the facts' ids are given.
    """
    facts: list[Fact | str] = list(state.notes)
    for journey in state.journeys:
        as_it_is = (journey.number, _common(state, journey))
        there = before if before and (before.number, before.common) == as_it_is else _NOTHING
        facts += _journey(lead, state, journey, definitions, there)
        facts += _moves(lead, journey, there)
        facts += _handoffs(lead, journey, there)
        facts += [
            name_of(lead, FactKind.CLOCK, journey.number, *_clock_id(running))
            if there.clocks.get(name, (None,))[0] is running
            else _clock(lead, journey, running, ended)
            for name, (running, ended) in journey.clocks.items()
        ]
        facts += _deals(lead, journey, there)
        facts += [
            name_of(lead, FactKind.DECISION, journey.number, one, number)
            if isinstance(one, str)
            else make(
                lead,
                FactKind.DECISION,
                journey.number,
                one["at"],
                one["stage"],
                number,
                **one,
            )
            for number, one in enumerate(journey.decisions)
        ]
        facts += [
            make(lead, FactKind.DISAGREEMENT, journey.number, one["at"], key, 0, **one)
            if one
            else name_of(lead, FactKind.DISAGREEMENT, journey.number, key, 0)
            for key, one in journey.disagreements.items()
        ]
        if journey is state.journeys[-1]:
            facts += _running(lead, state, journey, there)
    due = [
        mark
        for running in state.running
        if (mark := running.next_change(state.horizon)) is not None
    ]
    if state.timer < NEVER:
        due.append(state.timer)
    return Folded(
        {fact.id: fact for fact in facts if isinstance(fact, Fact)},
        _state(state),
        min(due, default=None),
        same=frozenset(fact for fact in facts if isinstance(fact, str)),
    )


def _common(state: State, journey: Journey) -> tuple[Any, ...]:
    return (
        state.origin,
        state.lead.get("segment"),
        journey.attribution,
        journey.landing_page,
        journey.test,
        journey.excluded,
        journey.opening,
    )


def _running(lead: str, state: State, journey: Journey, there: Known) -> Iterator[Fact | str]:
    """Yield the clocks that run; one that touches restart is a fact only when it lapsed."""
    for running in state.running:
        if running.restarts and state.horizon <= running.due:
            continue
        now = running.running(state.horizon)
        was = there.running.get(running.key)
        if was == running and was.running(there.horizon) == now and not running.restarts:
            yield name_of(lead, FactKind.CLOCK, running.journey, *_clock_id(running))
        else:
            yield _clock(lead, journey, running, now)


def _clock_id(running: Running) -> tuple[str, str]:
    return f"{running.stage}.{running.name}", f"{running.occurrence}.{running.lapses}"


def _as_before(now: list[Any], before: list[Any]) -> int:
    """Return how many of a list's first entries are as they were."""
    return next(
        (place for place, pair in enumerate(zip(now, before, strict=False)) if pair[0] != pair[1]),
        min(len(now), len(before)),
    )


def _judged(definition: Definition) -> dict[str, str]:
    """Return which funnel, and which version of it, a fact is judged by."""
    return {"funnel": definition.funnel.funnel, "version": definition.funnel.version}


def _attribution(journey: Journey) -> dict[str, str]:
    source, channel, campaign = journey.attribution
    return {"source": source, "channel": channel, "campaign": campaign}


def _dimensions(known: Mapping[str, str], journey: Journey, under: Definition) -> dict[str, Any]:
    """Return the dimensions of a fact: as they were known at its time, and the journey's page."""
    page = journey.landing_page if "landing_page" in under.funnel.dimensions else ""
    return {"dimensions": {**known, **({"landing_page": page} if page else {})}}


def _journey(
    lead: str, state: State, journey: Journey, definitions: Definitions, there: Known
) -> list[Fact | str]:
    if journey.moves == there.moves:
        return [name_of(lead, FactKind.JOURNEY, journey.number, "journey", 0)]
    first: dict[str, Move] = {}
    for move in journey.moves:
        first.setdefault(move.to, move)
    shape = definitions.first.shape
    ladder, beside = shape.ladder, (shape.lost, shape.recycled, shape.disqualified)
    milestones = {f"{stage}_at": first[stage].at for stage in (*ladder, *beside) if stage in first}
    reached = [first[stage].at for stage in ladder if stage in first]
    fact = make(
        lead,
        FactKind.JOURNEY,
        journey.number,
        journey.moves[0].at,
        "journey",
        0,
        lead_origin=state.origin,
        **_attribution(journey),
        **_dimensions(journey.moves[0].dimensions, journey, journey.moves[0].under),
        **milestones,
        segment=state.lead.get("segment", ""),
        implied=sorted(journey.implied()),
        opening=journey.opening,
        test=journey.test,
        excluded=journey.excluded,
        negative=any(later < earlier for earlier, later in itertools.pairwise(reached)),
        **_judged(journey.moves[0].under),
    )
    return [fact]


def _moves(lead: str, journey: Journey, there: Known) -> list[Fact | str]:
    facts: list[Fact | str] = []
    entered: dict[str, Move] = {}
    same = _as_before(journey.moves, there.moves)
    for place, move in enumerate(journey.moves):
        came = entered.get(move.from_stage)
        if place < same:  # what it came from is among those before
            entered[move.to] = move
            facts.append(
                name_of(lead, FactKind.TRANSITION, journey.number, move.to, move.occurrence)
            )
            continue
        fields: dict[str, Any] = {
            "from": move.from_stage,
            "to": move.to,
            "why": move.why,
            "reason": move.reason,
            "system": move.system,
            "implied": move.implied,
            "opening": move.opening,
            "owner_team": move.under.stages[move.to].owner,
            "occurrence": move.occurrence,
            **_judged(move.under),
            "test": journey.test,
            "excluded": journey.excluded,
            "source": journey.attribution[0],
            **_dimensions(move.dimensions, journey, move.under),
        }
        # A stage that was skipped has no stay; one that was left by a skip has.
        if came and not came.implied:
            # Signed: a negative one is flagged, never dropped.
            fields["dwell_ms"] = move.at - came.at
            fields["business_ms"] = came.under.team_hours(move.from_stage).between(came.at, move.at)
        facts.append(
            make(
                lead,
                FactKind.TRANSITION,
                journey.number,
                move.at,
                move.to,
                move.occurrence,
                **fields,
            )
        )
        entered[move.to] = move
    return facts


def _handoffs(lead: str, journey: Journey, there: Known) -> list[Fact | str]:
    facts: list[Fact | str] = []
    same = _as_before(journey.handoffs, there.handoffs)
    for place, handoff in enumerate(journey.handoffs):
        if place < same:
            name = handoff.stage, handoff.occurrence
            facts.append(name_of(lead, FactKind.HANDOFF, journey.number, *name))
            continue
        hours = handoff.under.team_hours(handoff.stage)
        fields: dict[str, Any] = {
            "stage": handoff.stage,
            "outcome": handoff.outcome,
            "decided_at": handoff.decided_at,
            "reason": handoff.reason,
            "hot": handoff.hot,
            "assigned_at": handoff.assigned_at,
            "touched_at": handoff.touched_at,
            "test": journey.test,
            **_judged(handoff.under),
            **_attribution(journey),
            **_dimensions(handoff.dimensions, journey, handoff.under),
        }
        if handoff.assigned_at is not None:
            fields["to_assigned_ms"] = hours.between(handoff.at, handoff.assigned_at)
        if handoff.touched_at is not None:  # by somebody whom no system named: from the hand-off on
            since = handoff.at if handoff.assigned_at is None else handoff.assigned_at
            fields["to_touch_ms"] = hours.between(since, handoff.touched_at)
            # Touched before it was assigned: flagged, never dropped.
            fields["negative"] = handoff.touched_at < since
        facts.append(
            make(
                lead,
                FactKind.HANDOFF,
                journey.number,
                handoff.at,
                handoff.stage,
                handoff.occurrence,
                **fields,
            )
        )
    return facts


def _clock(lead: str, journey: Journey, running: Running, ended: ClockState) -> Fact:
    return make(
        lead,
        FactKind.CLOCK,
        running.journey,
        running.start,
        *_clock_id(running),
        stage=running.stage,
        clock=running.name,
        warn_at=running.warn,
        due_at=running.due,
        escalate_at=running.escalate,
        stopped_at=ended.stopped_at,
        cancelled_at=ended.cancelled_at,
        status=ended.status,
        hot=running.hot,
        restarting=bool(running.restarts),
        test=journey.test,
        **_judged(running.under),
        **_dimensions(running.dimensions, journey, running.under),
    )


def _deals(lead: str, journey: Journey, there: Known) -> Iterator[Fact | str]:
    same = journey.moves[:1] == there.moves[:1]  # whose version says which dimensions there are
    for name, deal in journey.deals.items():
        if same and there.deals.get(name) == deal:
            yield name_of(lead, FactKind.DEAL, journey.number, "deal", deal.id)
        else:
            fields = _deal(deal, journey)
            at = deal.opened_at
            yield make(lead, FactKind.DEAL, journey.number, at, "deal", deal.id, **fields)


def _deal(deal: Deal, journey: Journey) -> dict[str, Any]:
    body = deal.body
    return {
        "deal": deal.id,
        "role": deal.role,
        "status": deal.status,
        "amount_opened": deal.amount_opened,
        "amount": body.get("amount") or None,  # "" where it was cleared: unknown
        "currency": body.get("currency", ""),
        "margin": body.get("margin"),
        "stage": body.get("stage", ""),
        "reason": body.get("reason", ""),
        "close_date": body.get("close_date", ""),
        "closed_at": deal.closed_at,
        **_dimensions(deal.dimensions, journey, journey.moves[0].under),
    }


def _state(state: State) -> dict[str, Any]:
    """Return one absolute row: where the lead stands now. Nothing in it is an age."""
    if not state.journeys:
        return {}
    journey = state.journeys[-1]
    source, channel, campaign = journey.attribution
    waiting = sorted((running.due, f"{running.stage}.{running.name}") for running in state.running)
    return {
        "stage": state.stage,
        "since": state.since,
        "journey": journey.number,
        "opened_at": journey.moves[0].at,
        "lead_origin": state.origin,
        **_dimensions(
            dimensions(state, state.under, state.under.stages[state.stage].owner),
            journey,
            state.under,
        ),
        "source": source,
        "channel": channel,
        "campaign": campaign,
        "segment": state.lead.get("segment", ""),
        "owner": state.lead.get("owner", ""),
        "queue": state.lead.get("queue", ""),
        "manager": state.lead.get("manager", ""),
        "record_url": state.lead.get("record_url", ""),
        "account": state.lead.get("account", ""),
        "assigned_at": state.lead.get("assigned_at"),
        "score": journey.score.at(state.last_activity),
        "hot": journey.hot,
        "test": journey.test,
        "excluded": journey.excluded,
        "suppressed": state.suppressed,
        "opted_out": state.opted_out,
        "last_activity_at": state.last_activity,
        "last_touch_at": state.last_touch,
        "last_human_at": state.last_human,
        "last_outbound_at": state.last_outbound,
        "next_due_at": waiting[0][0] if waiting else None,
        "next_due_clock": waiting[0][1] if waiting else "",
        "timer_at": state.timer if state.timer < NEVER else None,
    }
