"""The clocks of a lead while it is folded: what starts, stops, restarts and cancels them.

A clock belongs to one episode of a stage and keeps the version of the funnel that the episode began
under. One that is started again by a signal is a fact only where it lapsed (history h11).
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from schemas.events import Event, parse

from .clocks import ClockState, Running
from .journey import NEVER, State, dimensions

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.funnel import Funnel

    from .definition import Definitions


class Timing:
    """The state of one lead while it is folded, its clocks and the opt-outs that cancel some.

    `lifts` says whether a consent lifts an opt-out: one of another identity, given before the
    merge, does not.
    """

    def __init__(
        self,
        lead: str,
        definitions: Definitions,
        lifts: Callable[[Event, Event], bool] = lambda _consent, _opt_out: True,
    ) -> None:
        self.lead, self.definitions, self.lifts = lead, definitions, lifts
        # The version in force when the present event happened: it maps the vendors' words.
        self.current = definitions.first
        self.state = State(definitions.first)
        self.shape = definitions.first.shape  # which all versions share

    @property
    def funnel(self) -> Funnel:
        """The version that the present episode is judged by."""
        return self.state.under.funnel

    def start_clocks(self, stage: str, at: int, occurrence: int) -> None:
        state = self.state
        spec = state.under.stages[stage]
        state.timer = NEVER
        if spec.timer:
            hot = state.journeys[-1].hot and spec.timer.hot_after
            state.timer = state.under.after(stage, at, hot or spec.timer.after)
        if stage != self.shape.nurture or not state.opted_out:
            self._run_clocks(stage, at, occurrence)

    def _run_clocks(self, stage: str, at: int, occurrence: int) -> None:
        state, journey, under = self.state, self.state.journeys[-1], self.state.under
        for name, clock in under.stages[stage].clocks.items():
            if not under.measured(clock):
                continue
            lapses = sum(
                (kept.stage, kept.name, kept.occurrence) == (stage, name, occurrence)
                for kept, _ in journey.clocks.values()
            )
            times = under.clock_times(stage, clock, at, journey.hot)
            state.running.append(
                Running(
                    stage,
                    name,
                    journey.number,
                    occurrence,
                    at,
                    *times,
                    journey.hot,
                    under,
                    lapses,
                    dimensions(state, under, under.stages[stage].owner),
                )
            )

    def signal(self, signals: tuple[str, ...], at: int) -> None:
        """Stop or restart the clocks of the present stage that heed one of `signals`."""
        state = self.state
        # If the move is taken back, the clocks of the stage before will want to know.
        if state.before is not None:
            state.meanwhile.append((signals, at))
        for clock in list(state.running):
            if clock.stops & set(signals):
                self._keep(clock, clock.stopped(at))
                state.running.remove(clock)
            elif clock.restarts & set(signals):
                if at > clock.due:
                    self._keep(clock, clock.stopped(at))
                    clock.lapses += 1
                spec = clock.under.stages[clock.stage].clocks[clock.name]
                clock.start = at
                team = clock.under.stages[clock.stage].owner
                clock.dimensions = dimensions(state, clock.under, team)
                clock.warn, clock.due, clock.escalate = clock.under.clock_times(
                    clock.stage, spec, at, clock.hot
                )

    def close_clocks(self, at: int, signals: tuple[str, ...] | None) -> None:
        for clock in self.state.running:
            stopped = signals is not None and clock.stops & set(signals)
            if clock.restarts and at <= clock.due:
                continue  # it never lapsed: no fact
            self._keep(clock, clock.stopped(at) if stopped else clock.cancelled(at))
        self.state.running = []

    def _keep(self, clock: Running, ended: ClockState) -> None:
        journey = self.state.journeys[clock.journey - 1 - self.state.sealed.journeys]
        journey.clocks[clock.key] = (copy.copy(clock), ended)

    def clocks_without(self, stage: str, occurrence: int) -> dict[Any, Any]:
        """Return the journey's clocks but for those of one episode."""
        clocks = self.state.journeys[-1].clocks
        episode = (stage, occurrence)
        return {
            key: kept
            for key, kept in clocks.items()
            if (kept[0].stage, kept[0].occurrence) != episode
        }

    def opt_out(self, event: Event) -> None:
        """Take a consent, or an erasure (which is none).

        An opt-out cancels the nurture clocks, a consent starts them again.
        """
        standing = self.state.opt_outs
        if parse(event.body).get("granted", False):
            self.state.opt_outs = {
                identity: opt_out
                for identity, opt_out in standing.items()
                if not self.lifts(event, opt_out)
            }
        else:
            standing[event.origin] = event
        self.set_opted_out(bool(self.state.opt_outs), event.at)

    def set_opted_out(self, opted_out: bool, at: int) -> None:
        """Take that an opt-out stands, or none any more, from `at` (ms)."""
        state = self.state
        if opted_out == state.opted_out:
            return
        state.opted_out = opted_out
        nurture = self.shape.nurture
        if not nurture or state.stage != nurture:
            return
        if opted_out:
            self.close_clocks(at, None)
        else:
            self._run_clocks(nurture, at, state.journeys[-1].moves[state.entry].occurrence)
