"""The fold: facts = f(the set of a lead's events, the definition, the watermark).

One pass over the canonical events. Timers fire AT their due time, after every event of their own
millisecond and before any later one. The state lives only inside a fold; what a row keeps is the
set.

`Fold` dispatches: learning.py keeps what an event says beside any move, intents.py says what it
asks for, the table of lifecycle.py what follows, and moving.py does it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.events import Event, EventType, parse
from schemas.shape import NOWHERE, Where

from . import statements
from .gates import FoldAgain
from .history import by_stage
from .intents import addressed, intent_of
from .journey import NEVER, Deal, Folded, dimensions
from .learning import Learning
from .lifecycle import Ask, Intent, Outcome, Place, outcome
from .packs import Pack, key_of
from .quiet import is_quiet
from .standing import standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


# A deal's opening amount is the one stated with it, or in an event right after: HubSpot sends each
# property by itself, and Salesforce's flows fill fields within minutes. A later one is an estimate
# that sales worked out, no pipeline that marketing brought.
AMOUNT_WITHIN_MS = 15 * 60_000


def applied(
    run: Fold,
    events: list[Event],
    packs: Iterable[Pack] = (),
    carried: frozenset[Event] = frozenset(),
) -> Fold:
    """Apply canonical events to a fold that begins. The same set comes to the same, in any order.

    `packs` hold old touches; no event lies among a pack's (row.py unpacks those that one does).
    `carried` are those of `events` that happened to another identity before an unmerge: of them
    only the opt-out stays.
    """
    old = sorted(packs, key=key_of, reverse=True)
    run.judged = judged = standing(events, run.definitions, old)
    for event in by_stage(judged.events, run.definitions):
        while old and key_of(old[-1]) < event.key:
            run.apply_pack(old.pop())
        if event in carried:
            run.fire(event.at)
            run.opt_out(event)
        else:
            run.apply(event)
    for one in reversed(old):
        run.apply_pack(one)
    return run


def finished(run: Fold, now: int, before: statements.Known | None = None) -> Folded:
    """Fold time up to `now` (ms) into a state, and state what it comes to.

    `before` is the state that facts were stated of last; what equals it is not stated anew.
    """
    run.fire(max(now, 0))
    run.state.horizon = max(run.state.horizon, now)
    return statements.of(run.lead, run.state, run.definitions, before)


class Fold(Learning):
    """The state of one lead while it is folded, and what each event does to it."""

    def apply(self, event: Event) -> None:
        """Apply one event, in its place."""
        if event.type in (EventType.VOID, EventType.UNMERGE):
            return
        state, body = self.state, parse(event.body)
        if event.type in (EventType.LINKED, EventType.MERGE):
            self.identify(event, body)
            return
        self.fire(event.at)
        if event.type == EventType.ERASE:
            self.opt_out(event)
            return
        self.current = self.definitions.at(event.at)
        state.horizon = max(state.horizon, event.at)
        learned = self.know(event, body)
        intent = intent_of(event, self.current, state.under if state.journeys else self.current)
        if event in self.judged.undone:  # a win that the deal took back: it was open
            intent = intent._replace(to=self.shape.opens)
        deal = body.get("deal")
        place = self._standing(deal)
        intent = heard = addressed(intent, place, event.at, state.under)
        silent = self._no_authority(event, intent, body)
        if silent:
            intent = Intent(Ask.TOUCH)
        if deal and deal.get("role", "primary") != "primary":
            # An influenced deal moves its primary contact, not this lead.
            intent = Intent(Ask.TOUCH, signals=("moved",))
        if not state.journeys:
            self._first(event, intent, body)
        elif event.type == EventType.SNAPSHOT:
            self._opening(event, intent, place)
        else:
            self._act(event, intent, body, place)
        if silent:
            self.note(event, "no authority", stage=silent)
        journey = state.journeys[-1]
        if self.touch(event, body, journey) or learned:
            self._gate(event, body)
        if deal and not silent:
            self._deal(event, deal, body, heard)

    def _no_authority(self, event: Event, intent: Intent, body: Mapping[str, Any]) -> str:
        """Return the stage that a system reports without authority over it; empty when it may."""
        stage = self.current.stages.get(intent.to)
        moves = intent.ask is not Ask.TOUCH and event.type not in (
            EventType.CREATED,
            EventType.DELETED,
        )
        if not moves or stage is None or not stage.authority:
            return ""
        return "" if body["source"] in stage.authority else intent.to

    def apply_pack(self, pack: Pack) -> None:
        """Apply the touches of a pack.

        Day by day, where none of them can do more than add points and restart clocks.
        """
        touches = [(parse(pack.bodies[place]), count, last) for place, count, last in pack.counts]
        if not is_quiet(self, pack, touches):
            for event in pack.events():
                self.apply(event)
            return
        state, journey = self.state, self.state.journeys[-1]
        state.horizon, state.last_activity = (
            max(state.horizon, pack.last),
            max(state.last_activity, pack.last),
        )
        state.last_touch = pack.last
        for body, count, last in touches:
            direction, kind = body.get("direction", "inbound"), body.get("kind", "")
            if direction != "inbound":
                state.last_outbound = last
            if direction == "human":
                state.last_human = last
            journey.score.add(kind, last, count)
            self.signal((direction,), last)

    def _first(self, event: Event, intent: Intent, body: Mapping[str, Any]) -> None:
        state = self.state
        self.new_journey()
        self._noted(event, intent, body)
        if event.type == EventType.SNAPSHOT and intent.to:
            state.journeys[-1].opening = True
            self.enter(intent.to, event.at, "snapshot", signals=intent.signals, opening=True)
        elif intent.ask in (Ask.REACH, Ask.ASIDE) and intent.to:
            self._reach(event, intent, body)
            if not state.journeys[-1].moves:  # the gate is shut: somebody is known all the same
                self._first_heard(event, body)
        else:  # the first thing heard of somebody makes an inquiry, until one is reported
            self._first_heard(event, body)
            if intent.ask is not Ask.TOUCH:
                place = self._standing(body.get("deal"))
                self._act(event, addressed(intent, place, event.at, state.under), body, place)

    def _first_heard(self, event: Event, body: Mapping[str, Any]) -> None:
        self.enter(
            self.shape.entry,
            event.at,
            "first event",
            signals=(),
            implied=True,
            system=body["source"],
        )

    def _noted(self, event: Event, intent: Intent, body: Mapping[str, Any]) -> None:
        """Note why an event could not be taken as it came."""
        if intent.note:
            stage = body.get("stage", "") or intent.handoff
            self.note(event, intent.note, stage=stage, reason=intent.reason)

    def _opening(self, event: Event, intent: Intent, place: Place) -> None:
        """Take the first snapshot of a lead of which something was known before.

        The lead stands where the CRM says, and passed nothing by. An opening balance counts once;
        later ones are repeats.
        """
        state = self.state
        then = outcome(intent, place, event.at, self.shape)
        if then is not Outcome.ENTER or self._had_opening():
            self.signal(("moved",), event.at)
            return
        state.journeys[-1].opening = True
        self.enter(
            intent.to, event.at, "snapshot", signals=("leave", *intent.signals), opening=True
        )

    def _had_opening(self) -> bool:
        state = self.state
        return state.sealed.opening or any(journey.opening for journey in state.journeys)

    def _act(self, event: Event, intent: Intent, body: Mapping[str, Any], place: Place) -> None:
        state = self.state
        then = outcome(intent, place, event.at, self.shape)
        self._noted(event, intent, body)
        if intent.to == state.stage:
            state.journeys[-1].moves[state.entry].confirmed = True
        self._flag_stranger(event, intent, body)
        match then:
            case Outcome.TOUCH:
                self.signal(intent.signals, event.at)
            case Outcome.ECHO:
                if intent.answers or event.type == EventType.STAGE_REPORTED:
                    self.note(event, "echo", stage=intent.to)
                if event.type != EventType.STAGE_REPORTED and intent.ask is not Ask.REJECT:
                    self.signal(intent.signals, event.at)
            case Outcome.IGNORE:
                self.note(event, "ignored", stage=intent.to, reason=intent.reason)
            case Outcome.STAY:
                self.decide("rejected", event.at, intent.reason)
                self.note(event, "nowhere to go", stage=state.stage, reason=intent.reason)
                self.signal(intent.signals, event.at)
            case Outcome.ANSWER:
                accepted = intent.ask is Ask.REACH
                self.decide("accepted" if accepted else "rejected", event.at, intent.reason)
                self.signal(intent.signals, event.at)
            case Outcome.REPLACE:
                self._replace(event, intent)
            case Outcome.TAKE_BACK:
                self._take_back(event, intent, body)
            case Outcome.REOPEN:
                self._reopen(event, intent, body)
            case Outcome.NEW_JOURNEY if self._refuses(intent.to, event.at):
                # Nothing moves: the disagreement stands with the present journey.
                self._agreed(intent.to, event, body["source"])
            case Outcome.NEW_JOURNEY:
                self.close_clocks(event.at, ("leave", *intent.signals))
                self.new_journey()
                self._reach(event, intent, body)
            case Outcome.ENTER if intent.role == "lost":
                self._lose(event, intent, body)
            case Outcome.ENTER:
                self._reach(event, intent, body)

    def _flag_stranger(self, event: Event, intent: Intent, body: Mapping[str, Any]) -> None:
        """Note a word of a team that owns neither the stage nor the other side of its hand-off."""
        stage, team = self.state.stage, body.get("attributes", {}).get("team")
        sides = (stage, intent.to) if self.shape.handoff(stage) else (stage,)
        if team is not None and team not in self.funnel.owners(*sides):
            owner = self.state.under.stages[stage].owner
            self.note(event, "not the owner", team=team, owner=owner)

    def _take_back(self, event: Event, intent: Intent, body: Mapping[str, Any]) -> None:
        self.void_last_move()
        self.decide("accepted", event.at, "late")
        if self.shape.index(intent.to) > self.state.journeys[-1].reached:
            self._reach(event, intent, body, why="accepted late")
        else:
            self.signal(intent.signals, event.at)

    def _reopen(self, event: Event, intent: Intent, body: Mapping[str, Any]) -> None:
        state = self.state
        if state.before is not None:  # an opening balance may stand at lost: no move to take back
            self.void_last_move()
        beyond = self.shape.index(intent.to) > state.journeys[-1].reached
        if beyond or state.stage == self.shape.lost:
            self._reach(event, intent, body, why="reopened")
        else:
            self.signal(intent.signals, event.at)

    def _lose(self, event: Event, intent: Intent, body: Mapping[str, Any]) -> None:
        state = self.state
        self._imply_deal(event, body)
        within = self.state.under.stages[intent.to].reopened_within
        before = self.remember(state.under.after(state.stage, event.at, within))
        self._reach(event, intent, body)
        state.before = before
        state.journeys[-1].moves[state.entry].by_loss = True

    def _imply_deal(self, event: Event, body: Mapping[str, Any]) -> None:
        """Imply the deal of a lead that was lost before any stage that is worked was reported.

        The deal existed all the same.
        """
        shape, journey = self.shape, self.state.journeys[-1]
        early = shape.holds(Where.EARLY, self.state.stage)
        if not early or shape.index(shape.opens) <= journey.reached:
            return
        signals = ("leave", "accepted", "moved")
        system = body["source"]
        self.enter(shape.opens, event.at, "implied", signals=signals, implied=True, system=system)

    def _standing(self, stated: Mapping[str, Any] | None = None) -> Place:
        """Return where the lead stands, as an event about a deal finds it."""
        state, deal = self.state, (stated or {}).get("id", "")
        deal = self.judged.renamed.get(deal, deal)
        if not state.journeys:
            return Place(state.stage, -1, frozenset(), 0, other_deals_open=False)
        journey = state.journeys[-1]
        stood = state.stage == self.shape.lost  # an opening balance there may be reopened for ever
        until = state.before.until if state.before else NEVER if stood else 0
        deals = (one for one in journey.deals.values() if one.status == "open")
        open_deals = {one.id for one in deals if one.role == "primary"}
        others = bool(open_deals - {deal}) if deal else len(open_deals) > 1
        entry = journey.moves[state.entry] if journey.moves else None
        return Place(
            state.stage,
            journey.reached,
            journey.implied(),
            until,
            others,
            system=entry.system if entry else "",
            by_timer=entry is not None and entry.why == "timer",
            left=state.before.stage if state.before else NOWHERE,
            waits=state.waits,
            by_loss=entry is not None and entry.by_loss,
        )

    def _reach(self, event: Event, intent: Intent, body: Mapping[str, Any], why: str = "") -> None:
        state, to, judge, shape = self.state, intent.to, self.funnel, self.shape
        if to in shape.gated and not self._agreed(to, event, body["source"]):
            return
        signals = ("leave", *intent.signals)
        if state.waits and to in shape.detours:  # also where a CRM says the stage only
            signals = (*signals, "rejected")
        self.enter(
            to,
            event.at,
            why or event.type,
            signals=signals,
            reason=intent.reason,
            system=body["source"],
        )
        if to in shape.detours and intent.reason in judge.excluded:
            state.journeys[-1].excluded = intent.reason
        if intent.reason in judge.scoring.suppressed:
            state.suppressed = intent.reason

    def _refuses(self, stage: str, at: int) -> bool:
        if stage not in self.shape.gated or self.funnel.ladder[stage].decided_by != "gate":
            return False
        return not self.verdict(stage, at).passed

    def _agreed(self, stage: str, event: Event, system: str) -> bool:
        """Ask the gate about a reported stage; where it decides and says no, nothing moves."""
        verdict = self.verdict(stage, event.at)
        allowed = self.funnel.ladder[stage].decided_by != "gate" or verdict.passed
        if not verdict.passed:
            self.disagree(stage, event.at, verdict, source=True, system=system, moved=allowed)
        if allowed:
            self.decision(stage, event.at, "source", verdict)
        return allowed

    def _replace(self, event: Event, intent: Intent) -> None:
        journey = self.state.journeys[-1]
        team = self.current.stages[intent.to].owner
        for move in journey.moves:
            if move.to == intent.to and move.implied:
                move.at, move.implied, move.why = event.at, False, event.type
                move.system = parse(event.body)["source"]
                move.dimensions = dimensions(self.state, self.current, team)
        if self.timed_out_of(intent.to):
            self.take_timer_back()
        if self.state.stage == intent.to:
            self.begin_anew(event.at)
        self.signal(intent.signals, event.at)

    def _gate(self, event: Event, body: Mapping[str, Any]) -> None:
        """Ask the gates about what has become known, upward until one is shut."""
        state = self.state
        while stage := self.next_gate():
            verdict = self.verdict(stage, event.at)
            if not verdict.passed:
                return
            if self.funnel.ladder[stage].decided_by == "source":
                system = body["source"]
                self.disagree(stage, event.at, verdict, source=False, system=system, moved=False)
                return
            intent = Intent(Ask.REACH, stage, signals=("moved",), by_hand=False)
            then = outcome(intent, self._standing(), event.at, self.shape)
            if then is Outcome.NEW_JOURNEY:
                self.close_clocks(event.at, ("leave", "moved"))
                self.new_journey()
                known = self.current.attribution(body.get("marketing") or {})
                state.journeys[-1].attribution = known
            elif then is not Outcome.ENTER:
                return
            self.decision(stage, event.at, "gate", verdict)
            self.enter(stage, event.at, "gate", signals=("leave", "moved"), system="gate")

    def _deal(
        self, event: Event, stated: Mapping[str, Any], body: Mapping[str, Any], heard: Intent
    ) -> None:
        stated = {**stated, "id": self.judged.renamed.get(stated["id"], stated["id"])}
        if stated["id"] in self.state.sealed.deals:
            raise FoldAgain
        journey = next(
            (j for j in self.state.journeys if stated["id"] in j.deals), self.state.journeys[-1]
        )
        deal = journey.deals.get(stated["id"])
        if deal is None:
            team = self.state.under.stages[self.state.stage].owner
            known = dimensions(self.state, self.state.under, team)
            deal = Deal(stated["id"], event.at, None, stated.get("role", "primary"), {}, known)
            journey.deals[stated["id"]] = deal
        if event.at <= deal.opened_at + AMOUNT_WITHIN_MS:
            deal.amount_opened = deal.amount_opened or stated.get("amount")
        deal.body = {**deal.body, **stated}
        if heard.ask is Ask.LOSE:
            deal.status, deal.closed_at = "lost", event.at
        elif heard.to == self.shape.won:
            deal.status, deal.closed_at = "won", event.at
        elif deal.status != "open" and stated.get("stage"):
            deal.status, deal.closed_at = "open", None
        if body.get("reason"):
            deal.body["reason"] = body["reason"]
