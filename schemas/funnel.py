"""The funnel definition: one file that marketing and sales can read, review and version.

`reading.load` reads a file and reports every error with its line and a hint; nothing in a
definition is code. `schemas/checking.py` says what its names must fit, `schemas/shape.py` what its
stages are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from schemas import first_form
from schemas.alerts import Alerts
from schemas.calendars import Calendar, Reporting, Team
from schemas.checking import wrong
from schemas.durations import Duration, Span
from schemas.gates import Gate, Scoring
from schemas.notify import Notify
from schemas.shape import ASIDE, HERE, HandoffStage, Role, Shape
from schemas.stages import Stage
from schemas.strict import Strict


class SourceRule(Strict):
    """One row of the source table; every given condition must hold, `*` is any value."""

    source: str
    channel: str
    platform: tuple[str, ...] = ()
    click: tuple[str, ...] = ()
    utm_source: tuple[str, ...] = ()
    utm_medium: tuple[str, ...] = ()
    referrer: tuple[str, ...] = ()


class DealStages(Strict):
    """Which of a CRM's deal stages are the end of a deal."""

    won: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


class Origins(Strict):
    """Origin by source system, and by what a CRM states."""

    default: dict[str, str] = Field(default_factory=dict)
    stated: dict[str, str] = Field(default_factory=dict)


class Word(Strict):
    """What a vendor's word for a stage says, where it names none of the funnel's."""

    says: Literal["rejected"]


class FigureWindows(Strict):
    """How long a cohort is followed that begins with no stage of its own."""

    won: Span = Field(default="365 days", validate_default=True)  # from the entry to the win
    acceptance: Span = Field(default="14 days", validate_default=True)  # from a hand-off
    recovery: Span = Field(default="180 days", validate_default=True)  # from the recycling


class Windows(Strict):
    """How long each cohort is followed: by stage, and under `figures` those that are no stage's."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Span] = Field(init=False)
    figures: FigureWindows = FigureWindows()


class Kpis(Strict):
    """Windows of cohorts, and the installation's own threshold of acceptance."""

    windows: Windows = Windows()
    acceptance_threshold: float = 0.23


FIGURES = tuple(FigureWindows.model_fields)
_WINDOW = Duration(90, "day", business=False)  # of a stage for which the file names none
_DEAL_WINDOW = Duration(365, "day", business=False)
Work = Literal[
    "human", "automated", "inbound", "accepted", "rejected", "leave", "moved", "onboarded"
]


# The dimensions of figures whose values are stages.
NAMES_OF_STAGES = frozenset({"stage", "next_stage", "destination", "handoff", "per"})
BUILT_IN = ("source", "channel", "campaign", "lead_origin", "segment")
_OF_LEADS = "owner|team|account|queue|manager|landing_page"
Dimension = Annotated[str, StringConstraints(pattern=rf"^({_OF_LEADS}|attributes\.\w+)$")]


class Funnel(Strict):
    """A whole definition.

    `ladder` and `aside` hold the stages by name, in their order. Records of an older release are
    read in the form that they have (schemas/first_form.py).
    """

    funnel: str
    version: str
    effective_from: date
    strategy: str = ""
    reporting: Reporting
    calendars: dict[str, Calendar]
    teams: dict[str, Team]
    ladder: dict[str, Stage]
    aside: dict[str, Stage] = Field(default_factory=dict)
    rejections: dict[str, Role] = Field(default_factory=dict)
    excluded: tuple[str, ...] = ()
    scoring: Scoring = Scoring()
    gates: dict[str, Gate] = Field(default_factory=dict)
    vendors: dict[str, dict[str, str | Word]] = Field(default_factory=dict)
    deals: dict[str, DealStages] = Field(default_factory=dict)
    origins: Origins = Origins()
    sources: tuple[SourceRule, ...] = ()
    aliases: dict[str, str] = Field(default_factory=dict)
    dimensions: tuple[Dimension, ...] = ()  # by which figures can be asked, beside BUILT_IN
    enabled_sources: tuple[str, ...] = ()
    # What systems of one's own (CloudEvents, imports) can tell of people's work, so that clocks
    # which they stop are measured.
    sends: dict[str, tuple[Work, ...]] = Field(default_factory=dict)
    kpis: Kpis = Kpis()
    alerts: Alerts = Alerts()
    notify: Notify = Notify()

    @model_validator(mode="before")
    @classmethod
    def _of_an_older_release(cls, raw: Any) -> Any:
        return first_form.renewed(raw) if first_form.is_first(raw) else raw

    @model_validator(mode="after")
    def _names_exist(self) -> Funnel:
        if found := wrong(self):
            raise ValueError("\n".join(found))
        return self

    @property
    def stages(self) -> dict[str, Stage]:
        """Return every stage by name: the ladder, then what stands beside it."""
        return {**self.ladder, **self.aside}

    @property
    def optional(self) -> tuple[str, ...]:
        """Return the stages of the ladder that may be passed by."""
        return tuple(name for name, stage in self.ladder.items() if stage.optional)

    def shape(self) -> Shape:
        """Return what each stage is."""
        roles = {stage.role: name for name, stage in self.stages.items() if stage.role}
        handoffs = tuple(
            HandoffStage(
                name, name if stage.handoff.accepted_by == HERE else stage.handoff.accepted_by
            )
            for name, stage in self.ladder.items()
            if stage.handoff
        )
        return Shape(
            ladder=tuple(self.ladder),
            optional=self.optional,
            handoffs=handoffs,
            gated=tuple(name for name, stage in self.ladder.items() if stage.gate),
            deal=roles.get("deal", ""),
            **{role: roles.get(role, "") for role in ASIDE},
        )

    def gate_of(self, stage: str) -> Gate:
        """Return the gate that leads to a stage.

        Raises:
            KeyError: none does.

        """
        return self.gates[self.ladder[stage].gate or ""]

    def title(self, stage: str, language: str = "") -> str:
        """Return what people read for a stage: its title in a language, else its title or name."""
        spec = self.stages.get(stage)
        if spec is None:
            return stage
        return spec.titles.get(language) or spec.title or stage

    def titles(self, language: str = "") -> dict[str, str]:
        """Return what people read for each stage; two of one title differ by their names."""
        shown = {stage: self.title(stage, language) for stage in self.stages}
        often = Counter(shown.values())
        return {
            stage: title if often[title] == 1 else f"{title} ({stage})"
            for stage, title in shown.items()
        }

    def shown(self, dimensions: Mapping[str, Any]) -> dict[str, Any]:
        """Return a figure's dimensions as people read them: stages by their titles."""
        titles = self.titles()
        shown = {
            name: titles.get(value, value) if name in NAMES_OF_STAGES else value
            for name, value in dimensions.items()
        }
        if "clock" in shown:
            shown["clock"] = self.shown_clock(str(shown["clock"]))
        return shown

    def shown_clock(self, name: str) -> str:
        """Return what people read for `stage.clock`."""
        stage, _, clock = name.rpartition(".")
        return f"{self.titles().get(stage, stage)}.{clock}"

    def windows(self) -> dict[str, Duration]:
        """Return how long each cohort is followed: by stage of the ladder, and those of FIGURES.

        A name of a figure may be a stage's too, so those are keyed `figures.<name>`.
        """
        windows, deal = self.kpis.windows, self.shape().deal
        stages = dict.fromkeys(self.ladder, _WINDOW) | ({deal: _DEAL_WINDOW} if deal else {})
        figures = {f"figures.{name}": getattr(windows.figures, name) for name in FIGURES}
        return {**stages, **(windows.model_extra or {}), **figures}

    def owners(self, *stages: str) -> frozenset[str]:
        """Return the teams that own one of these stages or are handed a lead there.

        Teams that share such a team's work are among them.
        """
        mine = [self.stages[name] for name in stages if name in self.stages]
        teams = {stage.owner for stage in mine}
        return self._with_members(teams | {stage.handoff.to for stage in mine if stage.handoff})

    def receives(self, stage: str, team: str) -> bool:
        """Return whether a team is on the receiving side of the hand-off of a stage."""
        handoff = self.ladder[stage].handoff
        return handoff is not None and team in self._with_members({handoff.to})

    def _with_members(self, teams: set[str]) -> frozenset[str]:
        return frozenset(teams | {member for team in teams for member in self.teams[team].of})
