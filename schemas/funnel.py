"""The funnel definition: one file that marketing and sales can read, review and version.

`reading.load` reads a file and reports every error with its line and a hint; nothing in a definition is code.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from holidays import list_supported_countries
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from schemas.money import Currency
from schemas.shape import ASIDE, DETOURS, Role, Shape

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MS = {"minute": 60_000, "hour": 3_600_000}
_DURATION = re.compile(r"^(\d+) (business )?(minute|hour|day|week|month)s?$")
_MOST = {"minute": 5_270_400, "hour": 87_840, "day": 3_660, "week": 520, "month": 120}
_HOURS = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)")


class Duration(NamedTuple):
    """`14 days`, `5 minutes`, `3 business days`, at most 10 years. Units as in history h10."""

    amount: int
    unit: Literal["minute", "hour", "day", "week", "month"]
    business: bool

    @classmethod
    def read(cls, text: object) -> Duration:
        """Read `3 business days`.

        Raises:
            ValueError: the text is no duration, or a longer one than any clock needs; it says how one is written.

        """
        if isinstance(text, Duration):
            return text
        found = _DURATION.match(str(text))
        if not found or (found[2] and found[3] in ("week", "month")) or not int(found[1]):
            raise ValueError(
                f"{text!r} is no duration: write '5 minutes', '14 days' or '3 business days'"
            )
        if (
            int(found[1]) > _MOST[found[3]]
        ):  # else its end may leave the years that a calendar covers, in the midst of a fold
            raise ValueError(
                f"{text!r} is more than 10 years: write at most {_MOST[found[3]]} {found[3]}s"
            )
        return cls(int(found[1]), found[3], bool(found[2]))  # type: ignore[arg-type]

    def elapsed_ms(self) -> int | None:
        """Give minutes and hours in ms of elapsed time; None for units that need a calendar."""
        return None if self.business or self.unit not in _MS else self.amount * _MS[self.unit]

    def __str__(self) -> str:
        """Write it as it is read."""
        return f"{self.amount} {'business ' if self.business else ''}{self.unit}{'s' if self.amount != 1 else ''}"


Span = Annotated[  # read and written alike
    Duration,
    BeforeValidator(Duration.read),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _DURATION.pattern}),
]


class Strict(BaseModel):
    """A model that refuses unknown keys: a misspelt key in a definition must not be silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def _zone(name: object) -> object:
    try:
        ZoneInfo(str(name))
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no IANA time zone: write one like Europe/Paris") from error
    return name


Zone = Annotated[str, BeforeValidator(_zone)]


class Reporting(Strict):
    """Whose days, weeks and years the figures are cut by."""

    zone: Zone
    week_start: Literal["monday", "sunday"] = "monday"
    fiscal_year_start: Annotated[
        str, Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")
    ] = "01-01"  # month-day
    currency: Currency = "EUR"


class Calendar(Strict):
    """When a team works: from each of `hours` that begins on one of `days`, in the wall time of `zone`.

    Several hours leave pauses between them, overlapping ones count once, `22:00-06:00` ends on the next day (also when
    that is no working day), `00:00-24:00` is the whole day. `holidays` is an ISO 3166 country (holidays library, its nationwide
    days in the years it knows); `closed` are own days. Nothing begins on either.
    """

    zone: Zone
    days: tuple[str, ...]
    hours: tuple[str, ...]
    holidays: str | None = None
    closed: tuple[date, ...] = ()

    @field_validator("days")
    @classmethod
    def _weekdays(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [day for day in value if day not in WEEKDAYS]
        if wrong or not value:
            raise ValueError(
                f"no weekday: {', '.join(wrong) or 'none given'}; write monday to sunday"
            )
        return value

    @field_validator("hours")
    @classmethod
    def _open_at_all(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [text for text in value if not _HOURS.fullmatch(text)]
        if wrong:
            raise ValueError(
                f"no hours: {', '.join(map(repr, wrong))}; write two times from 00:00 to 24:00, like '09:00-18:00'"
            )
        if all(text[:5] == text[6:] for text in value):  # its clocks would never end
            raise ValueError(
                "a calendar that is never open; write hours like '09:00-18:00', the whole day is '00:00-24:00'"
            )
        return value

    @field_validator("holidays", mode="before")
    @classmethod
    def _country(cls, value: object) -> object:
        if value is False:
            raise ValueError("YAML reads NO as false; write 'NO' in quotes")
        if isinstance(value, str) and value not in list_supported_countries():
            raise ValueError(
                f"the holidays of {value!r} are not known; write an ISO 3166 country like FR"
            )
        return value


class Team(Strict):
    """Whose calendar a stage's clocks run in. A team `of` others is where their work overlaps: each of them owns its stages too."""

    calendar: str
    of: tuple[str, ...] = ()


StopWord = Literal[
    "human", "automated", "inbound", "accepted", "rejected", "onboarded", "leave", "moved"
]


class Clock(Strict):
    """A service level. It is stopped once (`stopped_by`), or restarted by each touch (`restarted_by`)."""

    within: Span
    hot_within: Span | None = None
    hot_calendar: str | None = None
    stopped_by: tuple[StopWord, ...] = ()
    restarted_by: tuple[StopWord, ...] = ()
    calendar: str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Clock:
        if bool(self.stopped_by) == bool(self.restarted_by):
            raise ValueError("a clock has either stopped_by or restarted_by")
        return self


class Timer(Strict):
    """A move that happens by itself, at its due time."""

    after: Span
    to: str
    taken_back_within: Span | None = None


class Handoff(Strict):
    """In this stage a lead waits until a team accepts it, by which it reaches another stage."""

    to: str
    accepted_by: str


class Stage(Strict):
    """One stage: what it is, who owns it, who decides, what runs while a lead stays."""

    owner: str
    role: Role | None = None
    handoff: Handoff | None = None
    also: tuple[str, ...] = ()
    decided_by: Literal["source", "gate", "either"] = (
        "either"  # of mql: whose word moves a lead there
    )
    authority: tuple[str, ...] = ()  # the systems whose word moves leads here; empty is any
    gate: str | None = None
    clocks: dict[str, Clock] = Field(default_factory=dict)
    timer: Timer | None = None
    reopened_within: Span = Field(
        default="90 days", validate_default=True
    )  # of lost: what comes so soon after voids the loss


class Points(Strict):
    """What one touch is worth; `daily` is the most that one day may bring."""

    points: int
    daily: int | None = None


FIELDS = (
    "score",
    "hot",
    "suppressed",
    "opted_out",
    "owner",
    "account",
    "segment",
    "origin",
    "source",
    "channel",
    "campaign",
)
OPERATORS = (">=", ">", "<=", "<", "==", "!=", "in", "not in", "known")


class Rule(Strict):
    """One named rule of a gate. `field` is one of FIELDS or `attributes.<name>`; no code, so that everybody can read it."""

    name: str
    field: str
    op: Literal[">=", ">", "<=", "<", "==", "!=", "in", "not in", "known"]
    value: int | float | str | bool | tuple[str, ...] = True

    @field_validator("field")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in FIELDS and not re.fullmatch(r"attributes\.\w+", value):
            raise ValueError(
                f"{value!r} is no field that a gate reads: write one of {', '.join(FIELDS)} or attributes.<name>"
            )
        return value

    @model_validator(mode="after")
    def _fits(self) -> Rule:
        if self.op in ("in", "not in") and not isinstance(self.value, tuple):
            raise ValueError(f"{self.name}: {self.op!r} takes a list, like [a, b]")
        if self.op in (">=", ">", "<=", "<") and (
            isinstance(self.value, bool) or not isinstance(self.value, (int, float))
        ):
            raise ValueError(f"{self.name}: {self.op!r} takes a number")
        return self

    @property
    def need(self) -> str:
        """What the rule asks for, in words."""
        if self.op == "known":
            return "known" if self.value else "not known"
        return f"{self.op} {', '.join(self.value) if isinstance(self.value, tuple) else self.value}"


class Gate(Strict):
    """When a lead is ready for sales: all of `all`, one at least of `any`, and none of `none`."""

    all: tuple[Rule, ...] = ()
    any: tuple[Rule, ...] = ()
    none: tuple[Rule, ...] = ()
    half_life: Span
    points: dict[str, Points]
    hot: tuple[str, ...] = ()
    suppressed: tuple[str, ...] = ()  # personas, and reasons of rejection, that keep a lead out

    @model_validator(mode="after")
    def _says_something(self) -> Gate:
        names = [rule.name for rule in (*self.all, *self.any, *self.none)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if not names:
            raise ValueError(
                "the gate has no rule, so everybody would pass: write all, any or none"
            )
        if twice:
            raise ValueError(
                f"{', '.join(twice)}: two rules of one name; `explain` could not tell them apart"
            )
        return self

    @field_validator("half_life")
    @classmethod
    def _days(cls, value: Duration) -> Duration:
        if value.business or value.unit in _MS:
            raise ValueError(
                f"{value} is no half-life of points: write days, weeks or months, like '90 days'"
            )
        return value


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


class Kpis(Strict):
    """Cohort windows by stage, and the installation's own threshold of acceptance."""

    windows: dict[str, Span]
    acceptance_threshold: float = 0.23


_SHORTEST = 4  # of a ladder: who accepts may be the deal's stage itself
_RESERVED = (
    "rejected",
    "acceptance",
    "recovery",
)  # a vendor's word that rejects, and windows of no stage
_FIRST_FORM: dict[str, dict[str, Any]] = {
    "mql": {"handoff": {"to": "sales", "accepted_by": "sal"}},
    "opportunity": {"role": "deal"},
    "customer": {"role": "won"},
    "nurturing": {"role": "nurture"},
    "recycled": {"role": "recycled"},
    "inactive": {"role": "inactive"},
    "lost": {"role": "lost"},
    "disqualified": {"role": "disqualified"},
    "churned": {"role": "churned"},
    "evangelist": {"role": "advocate"},
}
WINDOWS = (
    "won",
    "acceptance",
    "recovery",
)  # cohorts that are followed from something else than a stage
_WINDOW = Duration(90, "day", business=False)  # of a stage for which the file names none


Work = Literal[
    "human", "automated", "inbound", "accepted", "rejected", "leave", "moved", "onboarded"
]


class Funnel(Strict):
    """A whole definition."""

    funnel: str
    version: str
    effective_from: date
    strategy: str = ""
    reporting: Reporting
    calendars: dict[str, Calendar]
    teams: dict[str, Team]
    ladder: tuple[str, ...]
    optional: tuple[str, ...] = ()
    stages: dict[str, Stage]
    rejections: dict[str, str]
    excluded: tuple[str, ...] = ()
    gate: Gate
    vendors: dict[str, dict[str, str]] = Field(default_factory=dict)
    deals: dict[str, DealStages] = Field(default_factory=dict)
    origins: Origins = Origins()
    sources: tuple[SourceRule, ...] = ()
    aliases: dict[str, str] = Field(default_factory=dict)
    enabled_sources: tuple[str, ...] = ()
    # What systems of one's own (CloudEvents, imports) can tell of people's work, so that clocks which they stop are measured.
    sends: dict[str, tuple[Work, ...]] = Field(default_factory=dict)
    kpis: Kpis

    @model_validator(mode="before")
    @classmethod
    def _first_form(cls, raw: Any) -> Any:
        """Read a file that states no role: until files had roles, the names below decided."""
        stages = raw.get("stages") if isinstance(raw, dict) else None
        if not isinstance(stages, dict) or any(
            isinstance(one, dict) and ("role" in one or "handoff" in one) for one in stages.values()
        ):
            return raw
        stated = {
            name: {**_FIRST_FORM.get(name, {}), **stage} if isinstance(stage, dict) else stage
            for name, stage in stages.items()
        }
        accepts = stages.get("sal")
        if isinstance(stated.get("mql"), dict) and isinstance(accepts, dict):
            stated["mql"]["handoff"] = {"to": accepts.get("owner"), "accepted_by": "sal"}
        return {**raw, "stages": stated}

    def shape(self) -> Shape:
        """Return what each stage is."""
        roles = {stage.role: name for name, stage in self.stages.items() if stage.role}
        hands, accepts = next(
            (name, stage.handoff.accepted_by)
            for name, stage in self.stages.items()
            if stage.handoff
        )
        gated = next((name for name in self.ladder if self.stages[name].gate), hands)
        return Shape(
            ladder=self.ladder,
            handoff=hands,
            accepted=accepts,
            gated=gated,
            **roles,
        )

    def _wrong_roles(self) -> list[str]:
        """Name what keeps the stages from having a shape."""
        wrong, taken = [], dict[str, str]()
        for name, stage in self.stages.items():
            if stage.role and stage.role in taken:
                wrong.append(
                    f"stages.{name}.role: {taken[stage.role]} is {stage.role} already; a role is one stage's"
                )
            taken.setdefault(stage.role or "", name)
            if stage.role and (stage.role in ASIDE) == (name in self.ladder):
                where = "beside" if stage.role in ASIDE else "on"
                wrong.append(
                    f"stages.{name}.role: a stage that is {stage.role} stands {where} the ladder"
                )
        if "won" in taken and taken["won"] not in self.ladder[-1:]:
            wrong.append(
                f"stages.{taken['won']}.role: the stage that is won is the last of the ladder"
            )
        missing = [role for role in ("deal", "won", *ASIDE) if role not in taken]
        wrong += [
            f"stages: no stage is {role}: write `role: {role}` in the one that is"
            for role in missing
        ]
        hands = [(name, stage.handoff) for name, stage in self.stages.items() if stage.handoff]
        if len(hands) != 1:
            wrong.append(
                "stages: write `handoff: {to: sales, accepted_by: sal}` in the one stage where a lead waits for sales"
            )
        for name, handoff in hands:
            place = {stage: number for number, stage in enumerate(self.ladder)}
            accepted, deal = (
                place.get(handoff.accepted_by, -1),
                place.get(taken.get("deal", ""), len(place) - 2),
            )
            if not place.get(name, -1) < accepted <= deal:
                where = f"stages.{name}.handoff.accepted_by: {handoff.accepted_by!r}"
                wrong.append(f"{where} does not come after it on the ladder, up to the deal")
            if place.get(name, -1) < 1:
                wrong.append(
                    f"stages.{name}.handoff: a lead is handed off from a stage of the ladder above the entry"
                )
            if handoff.to not in self.teams:
                wrong.append(
                    f"stages.{name}.handoff.to: {handoff.to!r} is no team; write one of {', '.join(sorted(self.teams))}"
                )
        return wrong

    @model_validator(mode="after")
    def _names_exist(self) -> Funnel:
        wrong: list[str] = []

        def need(name: str | None, known: Any, where: str, what: str) -> None:
            if name is not None and name not in known:
                hint = f"one of {', '.join(sorted(known))}"
                wrong.append(f"{where}: {name!r} is no {what}; write {hint}")

        for step in self.ladder:
            need(step, self.stages, "ladder", "stage")
        if len(set(self.ladder)) != len(self.ladder) or len(self.ladder) < _SHORTEST:
            wrong.append(
                "ladder: write each stage once: the entry, the hand-off, the stage that accepts it, the deal, the win"
            )
        for step in self.optional:
            need(step, self._passable(), "optional", "stage of the ladder that may be passed by")
        for reason in self.excluded:
            need(reason, self.rejections, "excluded", "reason of rejection")
        wrong += self._wrong_roles()
        for name, team in self.teams.items():
            need(team.calendar, self.calendars, f"teams.{name}.calendar", "calendar")
            for member in team.of:
                need(member, self.teams, f"teams.{name}.of", "team")
        for name, stage in self.stages.items():
            for text in (
                name,
                *stage.clocks,
            ):  # `stage.clock` names a clock, in facts too: a.b and c would be a and b.c
                if "." in text or not text.strip():
                    wrong.append(
                        f"stages: {text!r} is no name of a stage or clock: write one without dots"
                    )
            need(stage.owner, self.teams, f"stages.{name}.owner", "team")
            if stage.timer:
                need(stage.timer.to, self.stages, f"stages.{name}.timer.to", "stage")
            for clock_name, clock in stage.clocks.items():
                need(
                    clock.calendar,
                    self.calendars,
                    f"stages.{name}.clocks.{clock_name}.calendar",
                    "calendar",
                )
                need(
                    clock.hot_calendar,
                    self.calendars,
                    f"stages.{name}.clocks.{clock_name}.hot_calendar",
                    "calendar",
                )
        for reason, to in self.rejections.items():
            need(to, self._detours(), f"rejections.{reason}", "stage that a rejection can lead to")
        for vendor, mapping in self.vendors.items():
            for word, to in mapping.items():
                need(to, {*self.stages, "rejected"}, f"vendors.{vendor}.{word}", "stage")
        for name, stage in self.stages.items():
            if name in _RESERVED:
                wrong.append(
                    f"stages.{name}: {name!r} means something else in maps and windows: call the stage otherwise"
                )
            if name not in self.ladder and not stage.role:
                wrong.append(
                    f"stages.{name}: nothing leads here: put it on the ladder, or say its role"
                )
            wrong += self._wrong_gate(name, stage)
            for system in stage.authority:
                need(system, self.enabled_sources, f"stages.{name}.authority", "enabled source")
        for name in self.kpis.windows:
            need(
                name,
                {*self.stages, *WINDOWS},
                f"kpis.windows.{name}",
                "stage and none of the KPIs' own windows",
            )
        missing = sorted({*WINDOWS} - self.kpis.windows.keys())
        wrong += [
            f"kpis.windows: {name} is missing; its cohorts could not be closed" for name in missing
        ]
        for word in self.gate.hot:
            need(word, self.gate.points, "gate.hot", "touch with points")
        if wrong:
            raise ValueError("\n".join(wrong))
        return self

    def _passable(self) -> set[str]:
        """Name the stages that may be optional: those that have no role, hand nobody off, accept nobody and have no gate."""
        accept = {stage.handoff.accepted_by for stage in self.stages.values() if stage.handoff}
        plain = {
            name
            for name, stage in self.stages.items()
            if not (stage.role or stage.handoff or stage.gate)
        }
        return (plain & set(self.ladder[1:])) - accept

    def _wrong_gate(self, name: str, stage: Stage) -> list[str]:
        gated = [one for one, spec in self.stages.items() if spec.gate]
        if stage.gate and name != gated[0]:
            return [f"stages.{name}.gate: {gated[0]} has a gate already; one stage has one"]
        hands = next(
            (
                place
                for place, one in enumerate(self.ladder)
                if one in self.stages and self.stages[one].handoff
            ),
            0,
        )
        if stage.gate and name not in self.ladder[1 : hands + 1]:
            return [
                f"stages.{name}.gate: a gate leads to a stage above the entry, up to the one that hands a lead off"
            ]
        if stage.gate not in (None, name):
            return [
                f"stages.{name}.gate: {stage.gate!r} is no gate; a gate is called like its stage: write `gate: {name}`"
            ]
        if stage.decided_by == "gate" and not stage.gate:
            return [
                f"stages.{name}.decided_by: the gate decides and none is named: write `gate: {name}` beside it"
            ]
        if stage.decided_by != "either" and not stage.gate:
            return [
                f"stages.{name}.decided_by: no gate leads here, so nothing else decides: take it out"
            ]
        return []

    def windows(self) -> dict[str, Duration]:
        """Return how long each cohort is followed: by stage of the ladder, and those of WINDOWS."""
        return {**dict.fromkeys(self.ladder, _WINDOW), **self.kpis.windows}

    def _detours(self) -> set[str]:
        """Name the stages that a lead which does not go on is sent to."""
        return {name for name, stage in self.stages.items() if stage.role in DETOURS}

    def owners(self, *stages: str) -> frozenset[str]:
        """Name the teams that own one of these stages or are handed a lead there, those that share it included."""
        mine = [self.stages[name] for name in stages if name in self.stages]
        teams = {stage.owner for stage in mine} | {
            stage.handoff.to for stage in mine if stage.handoff
        }
        return frozenset(teams | {member for team in teams for member in self.teams[team].of})
