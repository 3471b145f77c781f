"""The fold: facts = f(the set of a lead's events, the definition, how far time has come).

One pass over the canonical events. Timers fire AT their due time, after every event of their own millisecond and
before any later one. The state lives only inside a fold; what a row keeps is the set.
"""

from __future__ import annotations

import copy
import operator
from typing import TYPE_CHECKING, Any

from schemas.events import Event, EventType, parse
from schemas.funnel import DETOURS

from . import statements
from .clocks import ClockState, Running
from .gates import Score, Verdict, day_of, judge, only_rises
from .history import canonical
from .journey import NEVER, Before, Deal, Folded, Handoff, Journey, Move, State
from .lifecycle import Said, Saying, Standing, Then, follows, say
from .packs import Pack, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.funnel import Funnel

    from .definition import Definitions

LEAD_FIELDS = ("owner", "queue", "manager", "record_url", "account", "segment")  # the newest word holds
_GATE = ("inquiry", "nurturing", "recycled", "inactive", "mql")


def fold(
    lead: str,
    events: list[Event],
    definitions: Definitions,
    now: int,
    packs: Iterable[Pack] = (),
    carried: frozenset[Event] = frozenset(),
) -> Folded:
    """Fold canonical events up to `now` (ms). The same set gives the same facts, whatever came first.

    `packs` hold old touches; no event lies among a pack's (row.py unpacks those that one does). `carried` are those of
    `events` that happened to another half before the two were parted: of them only the opt-out stays.
    """
    run = _Fold(lead, definitions)
    old = sorted(packs, key=key_of, reverse=True)
    for event in events:
        while old and key_of(old[-1]) < event.key:
            run.apply_pack(old.pop())
        if event in carried:
            run.fire(event.at)
            run.opt_out(event)
        else:
            run.apply(event)
    for one in reversed(old):
        run.apply_pack(one)
    run.fire(max(now, 0))
    run.state.horizon = max(run.state.horizon, now)
    return statements.of(run.lead, run.state, definitions)


def outlook(lead: str, events: list[Event], definitions: Definitions, now: int) -> dict[str, Any]:
    """Say what is ahead of a lead at `now` (ms): rules still missing for mql, clocks that run, the move that comes by itself.

    What it says changes with time alone, so it is told to a reader and never kept as a fact.
    """
    run = _Fold(lead, definitions)
    for event in canonical(events):
        run.apply(event)
    run.fire(max(now, 0))
    state = run.state
    if not state.journeys:
        return {}
    view: dict[str, Any] = {"running": [{"clock": f"{one.stage}.{one.name}", "due_at": one.due} for one in state.running]}
    if state.stage in _GATE and state.stage != "mql" and run.funnel.stages["mql"].gate is not None:
        rules = run._verdict(now).rules  # noqa: SLF001 - one module
        view["missing"] = [{"rule": rule, "value": value, "need": need} for rule, passed, value, need in rules if not passed]
    timer = run.funnel.stages[state.stage].timer
    if timer and state.timer < NEVER:
        view |= {"timer_at": state.timer, "timer_to": timer.to}
    return view


def _fields(body: dict[str, Any]) -> dict[str, Any]:
    """Give what an event says of the lead itself; attributes as `attributes.<name>`, as a gate's rule names them."""
    said = {name: body[name] for name in LEAD_FIELDS if body.get(name)}
    return {**said, **{f"attributes.{name}": value for name, value in body.get("attributes", {}).items()}}


class _Fold:
    def __init__(self, lead: str, definitions: Definitions) -> None:
        self.lead, self.definitions = lead, definitions
        self.said = definitions.first  # the version in force when the present event happened: it maps what was said
        self.state = State(definitions.first)
        self.ladder = definitions.first.funnel.ladder

    @property
    def funnel(self) -> Funnel:
        """The version that the present episode is judged by."""
        return self.state.under.funnel

    def index(self, stage: str) -> int:
        """Give a stage's place on the ladder, which all versions share."""
        return self.definitions.first.index(stage)

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
                back = self._remember(state.under.after(stage, due, spec.taken_back_within))
            if stage == "mql":
                self._decide("timed_out", due, "")
            self._enter(spec.to, due, "timer", words=None)
            state.before = back

    def _remember(self, until: int) -> Before:
        state, journey = self.state, self.state.journeys[-1]
        running = tuple(copy.copy(clock) for clock in state.running)
        place = (state.stage, state.since, state.entry, state.timer, journey.reached)
        return Before(*place, running, dict(journey.clocks), journey.score, journey.hot, until, state.under)

    # ---------------------------------------------------------------- one event
    def apply(self, event: Event) -> None:
        """Apply one event, in its place."""
        if event.type in (EventType.VOID, EventType.LINKED, EventType.MERGE, EventType.UNMERGE):
            return
        state, body = self.state, parse(event.body)
        self.fire(event.at)
        if event.type == EventType.ERASE:
            self.opt_out(event)
            return
        self.said = self.definitions.at(event.at)
        state.horizon = max(state.horizon, event.at)
        self._know(event, body)
        saying = say(event, self.said.funnel)
        silent = self._no_authority(event, saying, body)
        if silent:
            saying = Saying(Said.TOUCH)
        deal = body.get("deal")
        if deal and deal.get("role", "primary") != "primary":
            saying = Saying(Said.TOUCH, words=("moved",))  # an influenced deal moves its primary contact, not this lead
        if not state.journeys:
            self._first(event, saying, body)
        elif event.type == EventType.SNAPSHOT:
            self._words(("moved",), event.at)  # an opening balance counts once; later ones are repeats
        else:
            self._act(event, saying, body)
        if silent:
            self._note(event, "no authority", stage=silent)
        journey = state.journeys[-1]
        self._touch(event, body, journey)
        if deal and not silent:
            self._deal(event, deal, body)

    def _no_authority(self, event: Event, saying: Saying, body: dict[str, Any]) -> str:
        """Name the stage that a system spoke of without having authority over it; empty when it may."""
        stage = self.said.funnel.stages.get(saying.to)
        moves = saying.said is not Said.TOUCH and event.type not in (EventType.CREATED, EventType.DELETED)
        return saying.to if moves and stage and stage.authority and body["source"] not in stage.authority else ""

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
            if direction != "inbound":
                state.last_outbound = last
            if direction == "human":
                state.last_human = last
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
        gate, said, score = self.funnel.gate, self.definitions.at(pack.first), journey.score.copy()
        if said is not self.definitions.at(pack.last):
            return False
        for body, count, last in bodies:
            kind = body.get("kind", "")
            worth = gate.points.get(kind)
            known = all(state.lead.get(name) == value for name, value in _fields(body).items())
            named = state.origin or not said.origin(body)
            attributed = journey.attribution != ("", "", "") or not body.get("marketing")
            if not (known and named and attributed) or (worth and worth.points < 0) or (kind in gate.hot and not journey.hot):
                return False
            score.add(kind, last, count)
        if state.stage not in _GATE or state.stage == "mql" or self.funnel.stages["mql"].gate is None:
            return True
        return only_rises(gate) and not judge(gate, self._values(score.at(pack.last))).passed

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
        then = follows(saying, self._standing((body.get("deal") or {}).get("id", "")), event.at, self.ladder)
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
                if self.index(saying.to) > state.journeys[-1].reached:
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
            elif self.index(to) > self.index("mql"):
                self._decide("accepted", event.at, "")
            else:
                self._decide("rejected", event.at, saying.reason or "not-stated")
        words = ("leave", *saying.words)
        self._enter(to, event.at, why or event.type, words=words, reason=saying.reason, system=body["source"])
        if saying.said is Said.REJECT and saying.reason in self.said.funnel.excluded:
            state.journeys[-1].excluded = saying.reason
        if saying.reason in self.said.funnel.gate.suppressed:
            state.suppressed = saying.reason

    def _agreed(self, event: Event, system: str) -> bool:
        """Ask the gate about a reported qualification; where it decides and says no, nothing moves."""
        stage = self.funnel.stages["mql"]
        if stage.gate is None:
            return True
        verdict = self._verdict(event.at)
        allowed = stage.decided_by != "gate" or verdict.passed
        if not verdict.passed:
            self._disagree(event.at, gate=False, source=True, system=system, score=verdict.score, moved=allowed)
        if allowed:
            self._decision(event.at, "source", verdict)
        return allowed

    def _verdict(self, at: int) -> Verdict:
        """Ask the gate of the episode about the lead as it stands at an instant."""
        return judge(self.funnel.gate, self._values(self.state.journeys[-1].score.at(at)))

    def _values(self, score: float) -> dict[str, Any]:
        """Give what a gate's rules may read (schemas.funnel.FIELDS)."""
        state, journey = self.state, self.state.journeys[-1]
        source, channel, campaign = journey.attribution
        said = {"suppressed": state.suppressed, "opted_out": state.opted_out, "hot": journey.hot, "origin": state.origin}
        return {**state.lead, **said, "source": source, "channel": channel, "campaign": campaign, "score": score}

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
        frm, place, under = state.stage, self.index(to), self.definitions.at(at)
        if place >= 0 and not opening:
            for passed in self.ladder[journey.reached + 1 : place]:
                journey.moves.append(Move(frm, passed, at, "implied", self._occurrence(passed), implied=True, under=under))
                frm = passed
        journey.reached = max(journey.reached, place)
        occurrence = self._occurrence(to)
        journey.moves.append(Move(frm, to, at, why, occurrence, implied, reason, system, opening, under=under))
        state.under = under
        journey.score.use(under.funnel.gate)
        state.stage, state.since, state.entry, state.before = to, at, len(journey.moves) - 1, None
        if to in ("recycled", "inactive"):
            journey.score = Score(self.definitions.at(at).funnel.gate, self.funnel.reporting.zone)
            journey.hot = False
        self._start_clocks(to, at, occurrence)
        if to == "mql" and not implied and not opening:
            assigned = at if state.lead.get("owner") else None
            journey.handoffs.append(Handoff(at, occurrence, journey.hot, assigned, under=under))

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
        journey.score, journey.hot, state.under = before.score, before.hot, before.under
        journey.score.use(before.under.funnel.gate)

    def _replace(self, event: Event, saying: Saying) -> None:
        journey = self.state.journeys[-1]
        for move in journey.moves:
            if move.to == saying.to and move.implied:
                move.at, move.implied, move.why, move.system = event.at, False, event.type, parse(event.body)["source"]
                move.under = self.said
        if self.state.stage == saying.to:
            self.state.since = event.at
        self._words(saying.words, event.at)

    # ---------------------------------------------------------------- clocks and hand-offs
    def _start_clocks(self, stage: str, at: int, occurrence: int) -> None:
        state, journey, under = self.state, self.state.journeys[-1], self.state.under
        spec = self.funnel.stages[stage]
        state.timer = under.after(stage, at, spec.timer.after) if spec.timer else NEVER
        for name, clock in spec.clocks.items():
            if not under.measured(clock) or (stage == "nurturing" and state.opted_out):
                continue
            times = under.clock_times(stage, clock, at, journey.hot)
            stops, restarts = frozenset(clock.stopped_by), frozenset(clock.restarted_by)
            state.running.append(Running(stage, name, journey.number, occurrence, at, *times, journey.hot, stops, restarts, under))

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
                spec = clock.under.funnel.stages[clock.stage].clocks[clock.name]
                clock.start = at
                clock.warn, clock.due, clock.escalate = clock.under.clock_times(clock.stage, spec, at, clock.hot)

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
        state.origin = state.origin or self.said.origin(body)
        state.lead.update(_fields(body))
        persona = body.get("attributes", {}).get("persona", "")
        if persona in self.said.funnel.gate.suppressed:
            state.suppressed = persona
        if event.type == EventType.ASSIGNED:
            state.lead["assigned_at"] = event.at
            for journey in state.journeys[-1:]:
                for handoff in journey.handoffs[-1:]:
                    handoff.assigned_at = handoff.assigned_at or event.at
        if event.type == EventType.CONSENT:
            self.opt_out(event)

    def opt_out(self, event: Event) -> None:
        """Take a consent, or an erasure (which is none): an opt-out cancels the nurture clocks."""
        state = self.state
        state.opted_out = not parse(event.body).get("granted", False)
        if state.opted_out:
            state.running = [clock for clock in state.running if clock.stage != "nurturing"]

    def _touch(self, event: Event, body: dict[str, Any], journey: Journey) -> None:
        """Note a touch: attribution, first human touch of a hand-off, points, and what the gate makes of them."""
        state = self.state
        journey.test = journey.test or bool(body.get("test"))
        over = state.stage in DETOURS  # what brings a lead back is the next journey's source
        if body.get("marketing") and journey.attribution == ("", "", "") and not over:
            journey.attribution = self.said.attribution(body["marketing"])
        if event.type not in (EventType.TOUCH, EventType.CREATED):
            return
        direction, kind = body.get("direction", "inbound"), body.get("kind", "")
        state.last_touch = event.at
        if direction != "inbound":
            state.last_outbound = event.at
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
        verdict = self._verdict(event.at)
        if not verdict.passed:
            return
        if stage.decided_by == "source":
            self._disagree(event.at, gate=True, source=False, system=body["source"], score=verdict.score, moved=False)
            return
        saying = Saying(Said.REACH, "mql", words=("moved",), by_hand=False)
        then = follows(saying, self._standing(), event.at, self.ladder)
        if then is Then.NEW_JOURNEY:
            self._close_clocks(event.at, ("leave", "moved"))
            self._new_journey()
            state.journeys[-1].attribution = self.said.attribution(body.get("marketing") or {})
            then = Then.ENTER
        if then is Then.ENTER:
            self._decision(event.at, "gate", verdict)
            self._enter("mql", event.at, "gate", words=("leave", "moved"), system="gate")

    def _deal(self, event: Event, said: dict[str, Any], body: dict[str, Any]) -> None:
        journey = next((j for j in self.state.journeys if said["id"] in j.deals), self.state.journeys[-1])
        deal = journey.deals.get(said["id"])
        if deal is None:
            deal = Deal(said["id"], event.at, said.get("amount"), said.get("role", "primary"), {})
            journey.deals[said["id"]] = deal
        deal.body = {**deal.body, **said}
        saying = say(event, self.said.funnel)
        if saying.said is Said.LOSE:
            deal.status, deal.closed_at = "lost", event.at
        elif saying.to == "customer":
            deal.status, deal.closed_at = "won", event.at
        elif deal.status != "open" and said.get("stage"):
            deal.status, deal.closed_at = "open", None
        if body.get("reason"):
            deal.body["reason"] = body["reason"]

    # ---------------------------------------------------------------- what is said about it
    def _decision(self, at: int, by: str, verdict: Verdict) -> None:
        rows = [{"rule": rule, "passed": passed, "value": value, "need": need} for rule, passed, value, need in verdict.rules]
        said = {"at": at, "by": by, "score": verdict.score, "rules": rows, "version": self.funnel.version}
        self.state.journeys[-1].decisions.append(said)

    def _disagree(self, at: int, **said: Any) -> None:
        content = {"at": at, "stage": "mql", "version": self.funnel.version, **said}
        self.state.journeys[-1].disagreements.setdefault(f"mql|{said['gate']}", content)

    def _note(self, event: Event, what: str, **fields: str) -> None:
        state = self.state
        body = parse(event.body)
        extra = {"current": state.stage, "system": body["source"], "event": event.type, "what": what, **fields}
        number = len(state.journeys)
        state.notes.append(statements.note(self.lead, number, event, what, extra))
