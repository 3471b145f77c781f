"""What is asked of the figures, as ClickHouse is asked it: instants, windows, filters, names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from schemas.funnel import BUILT_IN, FIGURES, Funnel
from streams.domain import calendar
from streams.domain.definition import prepare
from streams.sources import measuring

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.durations import Duration
    from schemas.shape import Shape

DAY_MS = 86_400_000
YEARS_BACK = 11  # no limit is longer (schemas/durations.py)
STAGE, VERSION = "stage", "version"  # what can be filtered by, beside dimensions
Trend = Literal["", "day", "week", "month"]
# Where spend came from, by the table that leads share with it. An ad account knows neither a lead's
# origin nor its segment.
SPEND_BY = {
    "source": "transform(platform, {platforms:Array(String)}, {sources:Array(String)}, '')",
    "channel": "transform(platform, {platforms:Array(String)}, {channels:Array(String)}, '')",
}
# A campaign has no case, and the funnel's aliases are other names of it. One that is known by an ad
# only is the ad's, as costs name it.
_CAMPAIGN = (
    "transform(lowerUTF8(trimBoth({})) AS written, "
    "{aliases:Array(String)}, {names:Array(String)}, written)"
)
_OF_AD = "if(startsWith(campaign, {ad:String}) AND owns[campaign] != '', owns[campaign], campaign)"
SPEND_BY["campaign"] = _CAMPAIGN.replace("{}", "campaign")


class Question(NamedTuple):
    """What is asked: a period, filters, a dimension, an as-of instant, in the funnel's terms.

    Instants are ms. `windows` are a cohort's, in ms, by stage or by name. `limits` are, by role,
    since when a lead must have been touched not to be overdue at `asof` (ms); None where the funnel
    sets no limit. `past`: `asof` lies before what ClickHouse knows of leads' states.
    """

    start: int
    end: int
    asof: int
    windows: dict[str, int]
    zone: str
    shape: Shape
    by: str = ""
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()  # a dimension, and the values to keep
    trend: Trend = ""
    past: bool = False
    limits: Mapping[str, int | None] = {}
    currency: str = "EUR"
    strategy: str = ""
    week_start: str = "monday"
    dimensions: tuple[str, ...] = ()  # that the funnel names beside those that are built in
    unmeasured: tuple[str, ...] = ()  # clocks that no enabled source can stop
    unreported: tuple[str, ...] = ()  # stages that no enabled source can report
    platforms: tuple[tuple[str, str, str], ...] = ()  # of ad platforms: name, source, channel
    # Of campaigns: a name in lower case, and the one that it means.
    aliases: tuple[tuple[str, str], ...] = ()

    def parameters(self) -> dict[str, Any]:
        """Return the query's parameters."""
        times = {"start": self.start, "end": self.end, "asof": self.asof}
        moments: dict[str, Any] = {name: _moment(ms) for name, ms in times.items()}
        shape = self.shape
        spans = {f"w_{name}": self.windows[f"figures.{name}"] for name in FIGURES}
        spans["w_deal"] = self.windows[shape.opens]
        limits = {
            f"since_{role}": None if ms is None else _moment(ms) for role, ms in self.limits.items()
        }
        chain = [stage for stage in shape.ladder if stage not in shape.optional]
        roles = ("entry", "qualifying", "accepted", "won", "nurture", "recycled", "lost")
        first = next((one.stage for one in shape.handoffs if one.accepted == shape.accepted), "")
        values: dict[str, Any] = {
            "zone": self.zone,
            "optional": list(shape.optional),
            "currency": self.currency,
            "strategy": self.strategy,
            "ladder": list(shape.ladder),
            "stages": chain[:-1],
            "next_stages": chain[1:],
            "spans": [self.windows[stage] for stage in chain[:-1]],
            "unaccepted": sorted(shape.unaccepted),
            "aliases": [one for one, _ in self.aliases],
            "names": [name for _, name in self.aliases],
            "ad": measuring.AD,
            "unmeasured": [one for one in self.unmeasured if self._shows(one)],
            "handoffs": [one.stage for one in shape.handoffs],
            "handoff": first,
        }
        values |= {role: getattr(shape, role) for role in roles}
        values |= {
            name: [one[place] for one in self.platforms]
            for place, name in enumerate(("platforms", "sources", "channels"))
        }
        values |= {f"keep_{name_of(name)}": list(kept) for name, kept in self.where}
        return {**moments, **spans, **limits, **values}

    def _shows(self, clock: str) -> bool:
        kept = dict(self.where).get(STAGE)
        return not kept or clock.rpartition(".")[0] in kept

    def without(self, names: set[str]) -> Question:
        """Return the question without filters of these names."""
        return self._replace(where=tuple(one for one in self.where if one[0] not in names))


def question(
    funnel: Funnel,
    start: int,
    end: int,
    asof: int,
    by: str = "",
    cohort_days: int | None = None,
    where: Mapping[str, tuple[str, ...]] = {},
    *,
    zone: str = "",
    trend: Trend = "",
    past: bool = False,
) -> Question:
    """Ask with the funnel's own windows and zone, or one window for all, and another zone.

    What happened after `asof` is in no figure, so a period ends there at the latest.

    Raises:
        ValueError: `by`, or what is filtered by, is no dimension.

    """
    known = (*BUILT_IN, *funnel.dimensions)
    for name in filter(None, (by, *where)):
        if name not in known and (name == by or name not in (STAGE, VERSION)):
            hint = "name another under `dimensions` in the funnel file"
            raise ValueError(
                f"{name!r} is no dimension; ask by one of {', '.join(known)}, or {hint}"
            )
    windows = {
        name: cohort_days * DAY_MS if cohort_days else _span_ms(span)
        for name, span in funnel.windows().items()
    }
    reporting = funnel.reporting
    spent = tuple((platform, *names) for platform, names in measuring.platforms(funnel).items())
    return Question(
        start=start,
        end=min(end, asof + 1),
        asof=asof,
        windows=windows,
        zone=zone or reporting.zone,
        shape=funnel.shape(),
        by=by,
        where=tuple((name, _kept(name, values)) for name, values in where.items() if values),
        trend=trend,
        past=past,
        limits={role: _since(funnel, role, asof) for role in ("nurture", "recycled")},
        currency=reporting.currency,
        strategy=funnel.strategy,
        week_start=reporting.week_start,
        dimensions=funnel.dimensions,
        unmeasured=tuple(measuring.not_measured(funnel)),
        unreported=tuple(measuring.not_reported(funnel)),
        platforms=spent,
        aliases=tuple((one.lower(), name.lower()) for one, name in funnel.aliases.items()),
    )


def name_of(dimension: str) -> str:
    """Return a dimension as part of a parameter's name."""
    return dimension.replace(".", "_")


def is_named(by: str) -> bool:
    """Return whether the funnel names a dimension: each fact has its own value of such a one."""
    return bool(by) and by not in (*BUILT_IN, STAGE, VERSION)


def column(by: str) -> str:
    """Return a dimension's value, as SQL over what has a lead's dimensions."""
    if by == "campaign":
        return _CAMPAIGN.replace("{}", _OF_AD)
    return f"dimensions['{by}']" if is_named(by) else by or "''"


def conditions(asked: Question) -> dict[str, str]:
    """Return the filters as SQL, by what they are of: a journey, a fact, a state, spend."""
    of_journeys: list[str] = []
    of_facts: list[str] = []
    of_states: list[str] = []
    of_spend: list[str] = []
    for name, _ in asked.where:
        one_of = f"IN {{keep_{name_of(name)}:Array(String)}}"
        if name == STAGE:  # a figure's own rows are kept by it
            continue
        if name == VERSION:
            of_journeys.append(f"version {one_of}")
            of_states.append(
                "(lead_id, journey) IN "
                f"(SELECT lead_id, journey FROM v_journeys WHERE version {one_of})"
            )
            continue
        kept = f"{column(name)} {one_of}"
        (of_facts if is_named(name) else of_journeys).append(kept)
        of_states.append(kept)
        if name in SPEND_BY:
            of_spend.append(f"{SPEND_BY[name]} {one_of}")
    return {
        "{kept}": _all(of_journeys),
        "{own_kept}": _all(of_facts),
        "{state_kept}": _all(of_states),
        "{spend_kept}": _all(of_spend),
    }


def _all(found: list[str]) -> str:
    return " AND ".join(f"({one})" for one in found) or "1"


def _kept(name: str, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(one.strip().lower() for one in values) if name == "campaign" else values


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _since(funnel: Funnel, role: Literal["nurture", "recycled"], asof: int) -> int | None:
    """Return since when a lead of a role must have been touched (ms) not to be overdue at `asof`.

    That is the first instant from which the stage's first clock would not be past yet: counted in
    the team's open hours where the limit is.
    """
    shape = funnel.shape()
    stage = shape.of(role)
    clocks = funnel.stages[stage].clocks.values() if stage else ()
    within = next((clock.within for clock in clocks), None)
    if within is None:
        return None
    hours = prepare(funnel).first.team_hours(stage)
    early, late = asof - YEARS_BACK * 366 * DAY_MS, asof
    while early < late:
        middle = (early + late) // 2
        if calendar.add(middle, within, hours) >= asof:
            late = middle
        else:
            early = middle + 1
    return early


def _span_ms(span: Duration) -> int:
    """Return a cohort's window (ms). Windows are elapsed time: a day has 24 hours."""
    units = {"minute": 60_000, "hour": 3_600_000, "day": DAY_MS, "week": 7 * DAY_MS}
    return span.amount * units.get(span.unit, 30 * DAY_MS)
