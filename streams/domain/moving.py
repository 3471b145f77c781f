"""What a move does: stages entered and left, journeys and hand-offs, and their decisions.

`LeadState` holds the state of one fold and the steps that change it; fold.py says which step an
event takes. Mutable, and nothing of it outlives one fold.
"""

from __future__ import annotations

import copy
from typing import Any

from schemas.events import Event, parse
from schemas.shape import Where

from . import statements
from .gates import Score, Verdict, judge
from .journey import Before, Handoff, Journey, Move, dimensions
from .timing import Timing


class LeadState(Timing):
    """The state of one lead while it is folded, and the steps that change it."""

    def next_gate(self) -> str:
        """Return the gated stage that is asked for the lead where it stands; empty where none is.

        Gates are asked upward from what was reached, the lowest first, and none over a hand-off
        that waits. What was recycled or given up starts from below.
        """
        state, shape = self.state, self.shape
        if not state.journeys or state.waits:
            return ""
        again = shape.holds(Where.DETOUR, state.stage)
        if not again and not shape.holds(Where.PROSPECTS, state.stage):
            return ""
        reached = -1 if again else state.journeys[-1].reached
        return next((stage for stage in shape.gated if shape.index(stage) > reached), "")

    def fire(self, limit: int) -> None:
        """Fire the timers due before `limit`, each at its due time; they chain."""
        state = self.state
        while state.timer < limit:
            due, stage, under = state.timer, state.stage, state.under
            spec = under.stages[stage].timer
            assert spec is not None
            state.horizon = max(state.horizon, due)
            within = spec.taken_back_within
            left = self.remember(under.after(stage, due, within) if within else 0)
            if self.shape.index(spec.to) < 0:
                self.decide("timed_out", due, "")
            self.enter(spec.to, due, "timer", signals=None)
            state.before = left if within else None
            state.journeys[-1].moves[-1].left = left

    def remember(self, until: int) -> Before:
        """Return where the lead stands, so that it can be taken back there until an instant."""
        state, journey = self.state, self.state.journeys[-1]
        newest = journey.handoffs[-1] if journey.handoffs else None
        return Before(
            state.stage,
            state.since,
            state.entry,
            state.timer,
            journey.reached,
            tuple(copy.copy(clock) for clock in state.running),
            dict(journey.clocks),
            journey.score,
            journey.hot,
            until,
            state.under,
            state.waits,
            len(journey.handoffs),
            (newest.outcome, newest.decided_at, newest.reason) if newest else ("", None, ""),
        )

    def verdict(self, stage: str, at: int) -> Verdict:
        """Ask the episode's gate of a stage about the lead as it stands at an instant."""
        return judge(self.funnel.gate_of(stage), self.values(self.state.journeys[-1].score.at(at)))

    def values(self, score: float) -> dict[str, Any]:
        """Return what a gate's rules may read (schemas.funnel.FIELDS)."""
        state, journey = self.state, self.state.journeys[-1]
        source, channel, campaign = journey.attribution
        known = {
            "suppressed": state.suppressed,
            "opted_out": state.opted_out,
            "hot": journey.hot,
            "origin": state.origin,
        }
        return {
            **state.lead,
            **known,
            "source": source,
            "channel": channel,
            "campaign": campaign,
            "score": score,
        }

    def enter(
        self,
        to: str,
        at: int,
        why: str,
        signals: tuple[str, ...] | None,
        reason: str = "",
        system: str = "",
        implied: bool = False,
        opening: bool = False,
    ) -> None:
        """Move to a stage at `at` (ms).

        `signals` stop the clocks of the stage left; None (a timer) cancels them.
        """
        state, journey, shape = self.state, self.state.journeys[-1], self.shape
        self.close_clocks(at, signals)
        upward = shape.index(to) >= 0 or to == shape.advocate
        self.decide("accepted" if upward else "rejected", at, "" if upward else reason)
        from_stage, place, under = state.stage, shape.index(to), self.definitions.at(at)
        # Whoever speaks for us is a customer.
        place = len(shape.ladder) if to == shape.advocate else place
        if place >= 0 and not opening:
            for passed in shape.ladder[journey.reached + 1 : place]:
                place_in = self._occurrence(passed)
                known = dimensions(state, under, under.stages[passed].owner)
                journey.moves.append(
                    Move(
                        from_stage,
                        passed,
                        at,
                        "implied",
                        place_in,
                        under,
                        implied=True,
                        dimensions=known,
                    )
                )
                from_stage = passed
        journey.reached = max(journey.reached, min(place, len(shape.ladder) - 1))
        occurrence = self._occurrence(to)
        journey.moves.append(
            Move(
                from_stage,
                to,
                at,
                why,
                occurrence,
                under,
                implied,
                reason,
                system,
                opening,
                dimensions=dimensions(state, under, under.stages[to].owner),
            )
        )
        state.under = under
        journey.score.use(under.funnel.scoring)
        state.waits = shape.handoff(to) is not None
        state.stage, state.since, state.entry, state.before, state.meanwhile = (
            to,
            at,
            len(journey.moves) - 1,
            None,
            [],
        )
        if shape.holds(Where.DETOUR, to):
            journey.score = Score(under.funnel.scoring, under.funnel.reporting.zone)
            journey.hot = False
        self.start_clocks(to, at, occurrence)
        if not implied and not opening:
            self.hand_off(at, occurrence)

    def hand_off(self, at: int, occurrence: int) -> None:
        """Begin a row of the ledger, where the stage that was entered hands the lead off."""
        state, journey = self.state, self.state.journeys[-1]
        if state.waits:
            assigned = at if state.lead.get("owner") else None
            spec = state.under.funnel.ladder[state.stage].handoff
            journey.handoffs.append(
                Handoff(
                    state.stage,
                    at,
                    occurrence,
                    journey.hot,
                    state.under,
                    assigned,
                    dimensions=dimensions(state, state.under, spec.to if spec else ""),
                )
            )

    def _occurrence(self, stage: str) -> int:
        return sum(move.to == stage for move in self.state.journeys[-1].moves)

    def new_journey(self) -> None:
        state = self.state
        score = (
            state.journeys[-1].score
            if state.journeys
            else Score(self.funnel.scoring, self.funnel.reporting.zone)
        )
        journey = Journey(state.number + 1, score)
        if state.journeys:
            journey.hot = state.journeys[-1].hot
            journey.deals = {}
        state.journeys.append(journey)
        state.before = None

    def void_last_move(self) -> None:
        """Take back a timer's move or a loss: the lead stands as it stood, its hand-off too."""
        state, journey, before = self.state, self.state.journeys[-1], self.state.before
        assert before is not None
        del journey.moves[before.entry + 1 :]  # what it passed by is not implied either
        del journey.handoffs[before.handoffs :]
        state.stage, state.since, state.entry, state.timer = (
            before.stage,
            before.since,
            before.entry,
            before.timer,
        )
        state.running, state.before = list(before.running), None
        journey.reached, journey.clocks = before.reached, before.clocks
        journey.hot, state.under = before.hot, before.under
        journey.score = before.score or journey.score
        journey.score.use(before.under.funnel.scoring)
        state.waits = before.waits
        if journey.handoffs:
            newest = journey.handoffs[-1]
            newest.outcome, newest.decided_at, newest.reason = before.answer
        meanwhile, state.meanwhile = state.meanwhile, []
        for signals, at in meanwhile:
            self.signal(signals, at)

    def timed_out_of(self, stage: str) -> bool:
        """Return whether the last move was a timer's, by nothing but the entry into `stage`."""
        last = self.state.journeys[-1].moves[-1]
        return last.left is not None and last.left.stage == stage and not last.confirmed

    def take_timer_back(self) -> None:
        """Take the last move back: its stage was entered later, so time was not over."""
        state, journey = self.state, self.state.journeys[-1]
        gone = journey.moves[-1]
        left = gone.left
        assert left is not None
        del journey.moves[left.entry + 1 :]
        del journey.handoffs[left.handoffs :]
        journey.clocks = self.clocks_without(gone.to, gone.occurrence)
        journey.reached = left.reached
        state.waits = self.shape.handoff(left.stage) is not None
        state.stage, state.entry, state.before, state.meanwhile = left.stage, left.entry, None, []
        if self.shape.holds(Where.DETOUR, gone.to):
            journey.score, journey.hot = left.score or journey.score, left.hot

    def begin_anew(self, at: int) -> None:
        """Begin the present episode at another instant: an implied entry is reported now."""
        state, journey = self.state, self.state.journeys[-1]
        move = journey.moves[state.entry]
        move.under = state.under = self.definitions.at(at)
        journey.score.use(state.under.funnel.scoring)
        journey.clocks = self.clocks_without(state.stage, move.occurrence)
        state.since, state.running = at, []
        state.waits = self.shape.handoff(state.stage) is not None
        self.hand_off(at, move.occurrence)
        self.start_clocks(state.stage, at, move.occurrence)

    def decide(self, outcome: str, at: int, reason: str) -> None:
        """Answer the hand-off that waits, if one does; one that no report began has no row."""
        state, rows = self.state, self.state.journeys[-1].handoffs[-1:]
        if state.waits and rows and rows[0].stage == state.stage and rows[0].outcome == "pending":
            rows[0].outcome, rows[0].decided_at, rows[0].reason = outcome, at, reason
        state.waits = False

    def decision(self, stage: str, at: int, by: str, verdict: Verdict) -> None:
        """Keep what the gate of a stage was asked, and who decided."""
        self.state.journeys[-1].decisions.append({**self._asked(stage, at, verdict), "by": by})

    def _asked(self, stage: str, at: int, verdict: Verdict) -> dict[str, Any]:
        rows = [
            {"rule": rule, "passed": passed, "value": value, "need": need}
            for rule, passed, value, need in verdict.rules
        ]
        asked = {"stage": stage, "at": at, "score": verdict.score, "rules": rows}
        return {**asked, "funnel": self.funnel.funnel, "version": self.funnel.version}

    def disagree(self, stage: str, at: int, verdict: Verdict, **fields: Any) -> None:
        """Keep that the gate of a stage and a source disagree; the first of each kind counts."""
        content = {**self._asked(stage, at, verdict), "gate": verdict.passed, **fields}
        self.state.journeys[-1].disagreements.setdefault(f"{stage}|{verdict.passed}", content)

    def note(self, event: Event, what: str, **fields: str) -> None:
        state = self.state
        body = parse(event.body)
        extra = {
            "current": state.stage,
            "system": body["source"],
            "event": event.type,
            "what": what,
            **fields,
        }
        number = state.number
        state.notes.append(statements.note(self.lead, number, event, what, extra))
