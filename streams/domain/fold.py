"""The fold: facts = f(the set of a lead's events, the definition, how far time has come).

One pass over the canonical events. Timers fire AT their due time, after every event of their own millisecond and
before any later one. The state lives only inside a fold; what a row keeps is the set.
"""

from __future__ import annotations

import copy
import operator
from typing import TYPE_CHECKING, Any

from schemas.events import Event, EventType, parse

from . import statements
from .clocks import ClockState, Running
from .gates import Score, day_of
from .journey import NEVER, Before, Deal, Folded, Handoff, Journey, Move, State
from .lifecycle import Said, Saying, Standing, Then, follows, say
from .packs import Pack, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .definition import Definition

LEAD_FIELDS = ("owner", "queue", "manager", "record_url", "account", "segment")  # the newest word holds
_GATE = ("inquiry", "nurturing", "recycled", "inactive", "mql")


def fold(lead: str, events: list[Event], definition: Definition, now: int, packs: Iterable[Pack] = ()) -> Folded:
    """Fold canonical events up to `now` (ms). The same set gives the same facts, whatever came first.

    `packs` hold old touches; no event lies among a pack's (row.py unpacks those that one does).
    """
    run = _Fold(lead, definition)
    old = sorted(packs, key=key_of, reverse=True)
    for event in events:
        while old and key_of(old[-1]) < event.key:
            run.apply_pack(old.pop())
        run.apply(event)
    for one in reversed(old):
        run.apply_pack(one)
    run.fire(max(now, 0))
    run.state.horizon = max(run.state.horizon, now)
    return statements.of(run.lead, run.state, definition)


class _Fold:
    def __init__(self, lead: str, definition: Definition) -> None:
        self.lead, self.definition, self.funnel = lead, definition, definition.funnel
        self.state = State()

    # ---------------------------------------------------------------- time
    def fire(self, limit: int) -> None:
        """Fire the timers due before `limit`, each at its due time; they chain."""
        state = self.state
        while state.timer < limit:
            due, stage = state.timer, state.stage
            spec = self.funnel.stages[stage].timer
            assert spec is not None
            state.horizon = max(state.horizon, due)
            back = None
            if spec.taken_back_within:
                back = self._remember(self.definition.after(stage, due, spec.taken_back_within))
            if stage == "mql":
                self._decide("timed_out", due, "")
            self._enter(spec.to, due, "timer", words=None)
            state.before = back

    def _remember(self, until: int) -> Before:
        state, journey = self.state, self.state.journeys[-1]
        running = tuple(copy.copy(clock) for clock in state.running)
        place = (state.stage, state.since, state.entry, state.timer, journey.reached)
        return Before(*place, running, dict(journey.clocks), journey.score, journey.hot, until)

    # ---------------------------------------------------------------- one event
    def apply(self, event: Event) -> None:
        """Apply one event, in its place."""
        if event.type in (EventType.VOID, EventType.LINKED, EventType.MERGE, EventType.UNMERGE, EventType.ERASE):
            return
        state, body = self.state, parse(event.body)
        self.fire(event.at)
        state.horizon = max(state.horizon, event.at)
        self._know(event, body)
        saying = say(event, self.funnel)
        deal = body.get("deal")
        if deal and deal.get("role", "primary") != "primary":
            saying = Saying(Said.TOUCH, words=("moved",))  # an influenced deal moves its primary contact, not this lead
        if not state.journeys:
            self._first(event, saying, body)
        elif event.type == EventType.SNAPSHOT:
            self._words(("moved",), event.at)  # an opening balance counts once; later ones are repeats
        else:
            self._act(event, saying, body)
        journey = state.journeys[-1]
        self._touch(event, body, journey)
        if deal:
            self._deal(event, deal, body)

    # ---------------------------------------------------------------- old touches
    def apply_pack(self, pack: Pack) -> None:
        """Apply the touches of a pack: in one step where none of them can do more than add points and restart clocks."""
        bodies = [(parse(body), count, last) for body, count, last in pack.said]
        if not self._quiet(pack, bodies):
            for event in pack.events():
                self.apply(event)
            return
        state, journey = self.state, self.state.journeys[-1]
        state.horizon, state.last_activity = max(state.horizon, pack.last), max(state.last_activity, pack.last)
        state.last_touch = pack.last
        for body, count, last in sorted(bodies, key=operator.itemgetter(2)):
            direction, kind = body.get("direction", "inbound"), body.get("kind", "")
            if direction == "human":
                state.last_human = last
            journey.hot = journey.hot or kind in self.funnel.gate.hot
            journey.score.add(kind, last, count)
            self._words((direction,), last)

    def _quiet(self, pack: Pack, bodies: list[tuple[dict[str, Any], int, int]]) -> bool:
        """Say whether nothing can happen within a pack, as the lead stands before it."""
        state, zone = self.state, self.funnel.reporting.zone
        if not state.journeys or state.timer < pack.last or day_of(pack.first, zone) != day_of(pack.last, zone):
            return False
        journey = state.journeys[-1]
        directions = {body.get("direction", "inbound") for body, _, _ in bodies}
        if any(clock.stops & directions or (clock.restarts & directions and pack.last > clock.due) for clock in state.running):
            return False
        if "human" in directions and journey.handoffs and journey.handoffs[-1].touched_at is None:
            return False
        score = journey.score.copy()
        for body, count, last in bodies:
            worth = self.funnel.gate.points.get(body.get("kind", ""))
            known = all(state.lead.get(name) == body[name] for name in LEAD_FIELDS if body.get(name))
            named = state.origin or not self.definition.origin(body)
            attributed = journey.attribution != ("", "", "") or not body.get("marketing")
            if not (known and named and attributed) or (worth and worth.points < 0):
                return False
            score.add(body.get("kind", ""), last, count)
        asks = state.stage in _GATE and state.stage != "mql" and self.funnel.stages["mql"].gate is not None
        return not (asks and score.judge(pack.last, state.suppressed).passed)

    def _first(self, event: Event, saying: Saying, body: dict[str, Any]) -> None:
        state = self.state
        self._new_journey()
        if event.type == EventType.SNAPSHOT and saying.to:
            state.journeys[-1].opening = True
            self._enter(saying.to, event.at, "snapshot", words=saying.words, opening=True)
        elif saying.said in (Said.REACH, Said.ASIDE):
            self._reach(event, saying, body)
            if not state.journeys[-1].moves:  # the gate decides, and said no: somebody is known all the same
                self._enter("inquiry", event.at, "first event", words=(), implied=True, system=body["source"])
        else:  # the first thing that we hear of somebody makes an inquiry, until one is reported
            self._enter("inquiry", event.at, "first event", words=(), implied=True, system=body["source"])
            if saying.said is not Said.TOUCH:
                self._act(event, saying, body)

    def _act(self, event: Event, saying: Saying, body: dict[str, Any]) -> None:
        state = self.state
        then = follows(saying, self._standing((body.get("deal") or {}).get("id", "")), event.at, self.funnel.ladder)
        if saying.unmapped:
            self._note(event, "unmapped", stage=body.get("stage", ""), reason=saying.reason)
        if body.get("attributes", {}).get("team") not in (None, self.funnel.stages[state.stage].owner):
            self._note(event, "not the owner", team=body["attributes"]["team"], owner=self.funnel.stages[state.stage].owner)
        match then:
            case Then.TOUCH:
                self._words(saying.words, event.at)
            case Then.ECHO if event.type in (EventType.STAGE_REPORTED, EventType.ACCEPTED):
                self._note(event, "echo", stage=saying.to)
                if event.type == EventType.ACCEPTED:
                    self._words(saying.words, event.at)
            case Then.ECHO:
                self._words(saying.words, event.at)
            case Then.IGNORE:
                self._note(event, "ignored", stage=saying.to, reason=saying.reason)
            case Then.REPLACE:
                self._replace(event, saying)
            case Then.TAKE_BACK:
                self._void_last_move()
                self._decide("accepted", event.at, "late", overrule=True)
                self._reach(event, saying, body, why="accepted late")
            case Then.REOPEN:
                if state.before is not None:  # an opening balance may stand at lost: there is no move to take back
                    self._void_last_move()
                if self.definition.index(saying.to) > state.journeys[-1].reached:
                    self._reach(event, saying, body, why="reopened")
            case Then.NEW_JOURNEY:
                self._close_clocks(event.at, ("leave", *saying.words))
                self._new_journey()
                self._reach(event, saying, body)
                if not state.journeys[-1].moves:  # the gate decides, and said no
                    state.journeys.pop()
            case Then.ENTER:
                if saying.to == "lost":
                    before = self._remember(NEVER)
                    self._reach(event, saying, body)
                    state.before = before
                else:
                    self._reach(event, saying, body)

    def _standing(self, deal: str = "") -> Standing:
        state, journey = self.state, self.state.journeys[-1]
        until = state.before.until if state.before and state.stage == "recycled" else 0
        open_deals = {each.id for each in journey.deals.values() if each.status == "open"}
        others = bool(open_deals - {deal}) if deal else len(open_deals) > 1
        return Standing(state.stage, journey.reached, journey.implied(), until, others)

    # ---------------------------------------------------------------- moves
    def _reach(self, event: Event, saying: Saying, body: dict[str, Any], why: str = "") -> None:
        state, to = self.state, saying.to
        if to == "mql" and not self._agreed(event, body["source"]):
            return
        if state.stage == "mql":
            if saying.said is Said.REJECT:
                self._decide("rejected", event.at, saying.reason)
            elif self.definition.index(to) > self.definition.index("mql"):
                self._decide("accepted", event.at, "")
            else:
                self._decide("rejected", event.at, saying.reason or "not-stated")
        words = ("leave", *saying.words)
        self._enter(to, event.at, why or event.type, words=words, reason=saying.reason, system=body["source"])
        if saying.said is Said.REJECT and saying.reason in self.funnel.excluded:
            state.journeys[-1].excluded = saying.reason
        if saying.reason in self.funnel.gate.suppressed:
            state.suppressed = saying.reason

    def _agreed(self, event: Event, system: str) -> bool:
        """Ask the gate about a reported qualification; where it decides and says no, nothing moves."""
        state, stage = self.state, self.funnel.stages["mql"]
        if stage.gate is None:
            return True
        verdict = state.journeys[-1].score.judge(event.at, state.suppressed)
        allowed = stage.decided_by != "gate" or verdict.passed
        if not verdict.passed:
            self._disagree(event.at, gate=False, source=True, system=system, score=verdict.score, moved=allowed)
        if allowed:
            self._decision(event.at, "source", verdict.score, verdict.rules)
        return allowed

    def _enter(
        self,
        to: str,
        at: int,
        why: str,
        words: tuple[str, ...] | None,
        reason: str = "",
        system: str = "",
        implied: bool = False,
        opening: bool = False,
    ) -> None:
        """Move to a stage at `at`. `words` stop the clocks of the stage left; None (a timer) cancels them."""
        state, journey = self.state, self.state.journeys[-1]
        self._close_clocks(at, words)
        frm, place = state.stage, self.definition.index(to)
        if place >= 0 and not opening:
            for passed in self.funnel.ladder[journey.reached + 1 : place]:
                journey.moves.append(Move(frm, passed, at, "implied", self._occurrence(passed), implied=True))
                frm = passed
        journey.reached = max(journey.reached, place)
        occurrence = self._occurrence(to)
        journey.moves.append(Move(frm, to, at, why, occurrence, implied, reason, system, opening))
        state.stage, state.since, state.entry, state.before = to, at, len(journey.moves) - 1, None
        if to in ("recycled", "inactive"):
            journey.score = Score(self.funnel.gate, self.funnel.reporting.zone)
            journey.hot = False
        self._start_clocks(to, at, occurrence)
        if to == "mql" and not implied and not opening:
            assigned = at if state.lead.get("owner") else None
            journey.handoffs.append(Handoff(at, occurrence, journey.hot, assigned))

    def _occurrence(self, stage: str) -> int:
        return sum(move.to == stage for move in self.state.journeys[-1].moves)

    def _new_journey(self) -> None:
        state = self.state
        score = state.journeys[-1].score if state.journeys else Score(self.funnel.gate, self.funnel.reporting.zone)
        journey = Journey(len(state.journeys) + 1, score)
        if state.journeys:
            journey.hot = state.journeys[-1].hot
            journey.deals = {}
        state.journeys.append(journey)
        state.before = None

    def _void_last_move(self) -> None:
        """Take back the recycling or the loss: the lead stands as it stood, and the fact of the move is withdrawn."""
        state, journey, before = self.state, self.state.journeys[-1], self.state.before
        assert before is not None
        journey.moves.pop()
        state.stage, state.since, state.entry, state.timer = before.stage, before.since, before.entry, before.timer
        state.running, state.before = list(before.running), None
        journey.reached, journey.clocks = before.reached, before.clocks
        journey.score, journey.hot = before.score, before.hot

    def _replace(self, event: Event, saying: Saying) -> None:
        journey = self.state.journeys[-1]
        for move in journey.moves:
            if move.to == saying.to and move.implied:
                move.at, move.implied, move.why, move.system = event.at, False, event.type, parse(event.body)["source"]
        if self.state.stage == saying.to:
            self.state.since = event.at
        self._words(saying.words, event.at)

    # ---------------------------------------------------------------- clocks and hand-offs
    def _start_clocks(self, stage: str, at: int, occurrence: int) -> None:
        state, journey = self.state, self.state.journeys[-1]
        spec = self.funnel.stages[stage]
        state.timer = self.definition.after(stage, at, spec.timer.after) if spec.timer else NEVER
        for name, clock in spec.clocks.items():
            if not self.definition.measured(clock) or (stage == "nurturing" and state.opted_out):
                continue
            warn, due, escalate = self.definition.clock_times(stage, clock, at, journey.hot)
            stops, restarts = frozenset(clock.stopped_by), frozenset(clock.restarted_by)
            state.running.append(Running(stage, name, journey.number, occurrence, at, warn, due, escalate, journey.hot, stops, restarts))

    def _words(self, words: tuple[str, ...], at: int) -> None:
        """Let what was said stop or restart the clocks of the present stage."""
        state = self.state
        for clock in list(state.running):
            if clock.stops & set(words):
                self._keep(clock, clock.stopped(at))
                state.running.remove(clock)
            elif clock.restarts & set(words):
                if at > clock.due:
                    self._keep(clock, clock.stopped(at))
                    clock.lapses += 1
                spec = self.funnel.stages[clock.stage].clocks[clock.name]
                clock.start = at
                clock.warn, clock.due, clock.escalate = self.definition.clock_times(clock.stage, spec, at, clock.hot)

    def _close_clocks(self, at: int, words: tuple[str, ...] | None) -> None:
        for clock in self.state.running:
            stopped = words is not None and clock.stops & set(words)
            if clock.restarts and at <= clock.due:
                continue  # it never lapsed: no fact
            self._keep(clock, clock.stopped(at) if stopped else clock.cancelled(at))
        self.state.running = []

    def _keep(self, clock: Running, said: ClockState) -> None:
        journey = self.state.journeys[clock.journey - 1]
        journey.clocks[f"{clock.stage}.{clock.name}", clock.occurrence, clock.lapses] = (copy.copy(clock), said)

    def _decide(self, outcome: str, at: int, reason: str, overrule: bool = False) -> None:
        handoffs = self.state.journeys[-1].handoffs
        if handoffs and (handoffs[-1].outcome == "pending" or overrule):
            handoffs[-1].outcome, handoffs[-1].decided_at, handoffs[-1].reason = outcome, at, reason

    # ---------------------------------------------------------------- what is known beside the stage
    def _know(self, event: Event, body: dict[str, Any]) -> None:
        state = self.state
        state.last_activity = max(state.last_activity, event.at)
        state.origin = state.origin or self.definition.origin(body)
        for name in LEAD_FIELDS:
            if body.get(name):
                state.lead[name] = body[name]
        persona = body.get("attributes", {}).get("persona", "")
        if persona in self.funnel.gate.suppressed:
            state.suppressed = persona
        if event.type == EventType.ASSIGNED:
            state.lead["assigned_at"] = event.at
            for journey in state.journeys[-1:]:
                for handoff in journey.handoffs[-1:]:
                    handoff.assigned_at = handoff.assigned_at or event.at
        if event.type == EventType.CONSENT:
            state.opted_out = not body.get("granted", False)
            if state.opted_out:
                for clock in [clock for clock in state.running if clock.stage == "nurturing"]:
                    state.running.remove(clock)

    def _touch(self, event: Event, body: dict[str, Any], journey: Journey) -> None:
        """Note a touch: attribution, first human touch of a hand-off, points, and what the gate makes of them."""
        state = self.state
        journey.test = journey.test or bool(body.get("test"))
        if body.get("marketing") and journey.attribution == ("", "", ""):
            journey.attribution = self.definition.attribution(body["marketing"])
        if event.type not in (EventType.TOUCH, EventType.CREATED):
            return
        direction, kind = body.get("direction", "inbound"), body.get("kind", "")
        state.last_touch = event.at
        if direction == "human":
            state.last_human = event.at
            for handoff in journey.handoffs[-1:]:
                handoff.touched_at = handoff.touched_at or event.at
        journey.hot = journey.hot or kind in self.funnel.gate.hot
        if journey.score.add(kind, event.at) and state.stage in _GATE:
            self._gate(event, body)

    def _gate(self, event: Event, body: dict[str, Any]) -> None:
        state, stage = self.state, self.funnel.stages["mql"]
        if stage.gate is None or state.stage == "mql":
            return
        verdict = state.journeys[-1].score.judge(event.at, state.suppressed)
        if not verdict.passed:
            return
        if stage.decided_by == "source":
            self._disagree(event.at, gate=True, source=False, system=body["source"], score=verdict.score, moved=False)
            return
        saying = Saying(Said.REACH, "mql", words=("moved",), by_hand=False)
        then = follows(saying, self._standing(), event.at, self.funnel.ladder)
        if then is Then.NEW_JOURNEY:
            self._close_clocks(event.at, ("leave", "moved"))
            self._new_journey()
            state.journeys[-1].attribution = self.definition.attribution(body.get("marketing") or {})
            then = Then.ENTER
        if then is Then.ENTER:
            self._decision(event.at, "gate", verdict.score, verdict.rules)
            self._enter("mql", event.at, "gate", words=("leave", "moved"), system="gate")

    def _deal(self, event: Event, said: dict[str, Any], body: dict[str, Any]) -> None:
        journey = next((j for j in self.state.journeys if said["id"] in j.deals), self.state.journeys[-1])
        deal = journey.deals.get(said["id"])
        if deal is None:
            deal = Deal(said["id"], event.at, said.get("amount"), said.get("role", "primary"), {})
            journey.deals[said["id"]] = deal
        deal.body = {**deal.body, **said}
        saying = say(event, self.funnel)
        if saying.said is Said.LOSE:
            deal.status, deal.closed_at = "lost", event.at
        elif saying.to == "customer":
            deal.status, deal.closed_at = "won", event.at
        elif deal.status != "open" and said.get("stage"):
            deal.status, deal.closed_at = "open", None
        if body.get("reason"):
            deal.body["reason"] = body["reason"]

    # ---------------------------------------------------------------- what is said about it
    def _decision(self, at: int, by: str, score: float, rules: tuple[tuple[str, bool, str, str], ...]) -> None:
        rows = [{"rule": r, "passed": passed, "value": value, "need": need} for r, passed, value, need in rules]
        self.state.journeys[-1].decisions.append({"at": at, "by": by, "score": score, "rules": rows})

    def _disagree(self, at: int, **said: Any) -> None:
        self.state.journeys[-1].disagreements.setdefault(f"mql|{said['gate']}", {"at": at, "stage": "mql", **said})

    def _note(self, event: Event, what: str, **fields: str) -> None:
        state = self.state
        body = parse(event.body)
        extra = {"current": state.stage, "system": body["source"], "event": event.type, "what": what, **fields}
        number = len(state.journeys)
        state.notes.append(statements.note(self.lead, number, event, what, extra))
