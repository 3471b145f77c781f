"""The series that alerts about leads are made of (docs/alerts.md), asked of ClickHouse.

Prometheus compares a number with a number. What needs the funnel file, a calendar or weeks of
history is worked out here: an alert's rule gets what was seen, what was to be expected, and the
firm's threshold. Labels are stages, teams and sources of the funnel file, so they are bounded, and
each has a value: an empty stage says 0, since a series that ends would raise no alert.

Time is that of the data: a window ends where time has come to in ClickHouse. While a worker stands,
no window moves on, so a fault of ours is no drop in leads.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from sinks.clickhouse.files import statement
from streams import metrics
from streams.domain.calendar import open_hours
from streams.sources import measuring

from . import baseline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import Gauge

    from schemas.funnel import Funnel
    from schemas.shape import HandoffStage

_SHOWN = statement(__file__, "alerting_shown")
# The one definition of stalled: a row a lead and clock.
STALLED = statement(__file__, "alerting_stalled")
_OPEN = statement(__file__, "alerting_open")
_BREACHES = statement(__file__, "alerting_breaches")
_ENTRIES = statement(__file__, "alerting_entries")
_CONVERSIONS = statement(__file__, "alerting_conversions")
_CLOCKS = statement(__file__, "alerting_clocks")
_HANDOFFS = statement(__file__, "alerting_handoffs")
_SPEND = statement(__file__, "alerting_spend")
_DEALS = statement(__file__, "alerting_deals")

_DAY_MS, _WEEK_MS = 86_400_000, 7 * 86_400_000
_SPEND_DAYS = 3


class Sample(NamedTuple):
    """A value of a gauge, under the values of its labels."""

    gauge: Gauge
    labels: tuple[str, ...]
    value: float


class Late(NamedTuple):
    """Of a stage and its owner team: clocks that were late so far, and those taken back."""

    generation: str
    stage: str
    owner_team: str
    breached: int
    retracted: int


class Asked(NamedTuple):
    """What a figure is asked with: ClickHouse's rows, the funnel in force, and the time (ms).

    `now` is where time has come to in the shown generation; where that is not `known` yet, the
    wall's.
    """

    rows: Callable[..., list[dict[str, Any]]]
    funnel: Funnel
    generation: int
    now: int
    known: bool = True

    @property
    def zone(self) -> ZoneInfo:
        """Return the reporting zone."""
        return ZoneInfo(self.funnel.reporting.zone)

    @property
    def today(self) -> date:
        """Return the day in the reporting zone."""
        return _moment(self.now).astimezone(self.zone).date()

    def owner(self, stage: str) -> str:
        """Return the team that owns a stage."""
        return self.funnel.stages[stage].owner

    def by_stage(self, statement: str, **parameters: Any) -> dict[str, dict[str, Any]]:
        """Return the rows of a statement by their stage."""
        return {row["stage"]: row for row in self.rows(statement, **parameters)}


def asked(rows: Callable[..., list[dict[str, Any]]], funnel: Funnel, wall: int) -> Asked:
    """Ask as of where time has come to, which is never later than the wall's (ms)."""
    shown = rows(_SHOWN)[0]
    reached = int(shown["reached"] or 0)
    return Asked(rows, funnel, shown["shown"], min(reached or wall, wall), known=reached > 0)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def reached(ask: Asked) -> Iterator[Sample]:
    """Yield how far time has come in ClickHouse; nothing where it has not begun."""
    if ask.known:
        yield Sample(metrics.FACTS_TIME, (str(ask.generation),), ask.now / 1000)


def stalled(ask: Asked) -> Iterator[Sample]:
    """Yield the leads past a service level of their stage, and the hot ones of the last day."""
    found = ask.by_stage(
        "SELECT stage, uniqExact(lead_id) AS leads, "
        "uniqExactIf(lead_id, hot = 1 AND due_at >= {since:DateTime64(3, 'UTC')}) AS hot "
        f"FROM ({STALLED}) GROUP BY stage",
        since=_moment(ask.now - _DAY_MS),
    )
    for stage in ask.funnel.stages:
        row, labels = found.get(stage, {}), (stage, ask.owner(stage))
        yield Sample(metrics.STALLED, labels, row.get("leads", 0))
        yield Sample(metrics.HOT_WAITING, labels, row.get("hot", 0))


def standing(ask: Asked) -> Iterator[Sample]:
    """Yield the open leads by stage."""
    found = ask.by_stage(_OPEN)
    for stage in ask.funnel.stages:
        yield Sample(metrics.OPEN, (stage,), found.get(stage, {}).get("open", 0))


def late(ask: Asked) -> list[Late]:
    """Return for each stage what was late so far. A clock that is late again counts once."""
    found = ask.by_stage(_BREACHES, generation=ask.generation)
    return [
        Late(
            str(ask.generation),
            stage,
            ask.owner(stage),
            found.get(stage, {}).get("breached", 0),
            found.get(stage, {}).get("retracted", 0),
        )
        for stage in ask.funnel.stages
    ]


def thresholds(ask: Asked) -> Iterator[Sample]:
    """Yield what the funnel file states."""
    stated = ask.funnel.alerts.model_dump()
    stated["acceptance"] = ask.funnel.kpis.acceptance_threshold
    for name, value in stated.items():
        yield Sample(metrics.THRESHOLD, (name,), value)


def inflow(ask: Asked) -> Iterator[Sample]:
    """Yield the leads that came in, beside those expected in the entry team's open hours."""
    funnel, entry = ask.funnel, ask.funnel.shape().entry
    weeks, owner = funnel.alerts.weeks, ask.owner(entry)
    hours = open_hours(funnel.calendars[funnel.teams[owner].calendar])
    begin = _moment(baseline.begin(ask.now, weeks))
    rows = ask.rows(_ENTRIES, entry=entry, start=begin)
    counts = {row["quarter"]: row["entered"] for row in rows}
    for over in baseline.WINDOWS:
        found = baseline.window(ask.now, over, weeks, hours.zone, hours).compare(counts)
        yield Sample(metrics.INFLOW_SEEN, (owner, over), found.seen)
        yield Sample(metrics.INFLOW_EXPECTED, (owner, over), found.expected)


def conversions(ask: Asked) -> Iterator[Sample]:
    """Yield how many moved on from each stage of the ladder, beside as many as before."""
    shape = ask.funnel.shape()
    chain = [stage for stage in shape.ladder if stage not in shape.optional]
    end = ask.now - _WEEK_MS
    found = ask.by_stage(
        _CONVERSIONS,
        stages=chain[:-1],
        next_stages=chain[1:],
        start=_moment(end - (1 + ask.funnel.alerts.weeks) * _WEEK_MS),
        recent=_moment(end - _WEEK_MS),
        end=_moment(end),
    )
    for stage in chain[:-1]:
        row, labels = found.get(stage, {}), (stage, ask.owner(stage))
        before = row.get("entered_before", 0)
        rate = row["moved_before"] / before if before else 0.0
        yield Sample(metrics.CONVERSIONS_SEEN, labels, row.get("moved", 0))
        yield Sample(metrics.CONVERSIONS_EXPECTED, labels, row.get("entered", 0) * rate)


def service_levels(ask: Asked) -> Iterator[Sample]:
    """Yield the clocks that fell due within a week, and those that were met."""
    found = ask.by_stage(_CLOCKS, start=_moment(ask.now - _WEEK_MS), end=_moment(ask.now))
    for stage in ask.funnel.stages:
        row, labels = found.get(stage, {}), (stage, ask.owner(stage))
        yield Sample(metrics.CLOCKS_DUE, labels, row.get("due", 0))
        yield Sample(metrics.CLOCKS_MET, labels, row.get("met", 0))


def acceptance(ask: Asked) -> Iterator[Sample]:
    """Yield the hand-offs of the last weeks that had their time, and those accepted."""
    handoffs: tuple[HandoffStage, ...] = ask.funnel.shape().handoffs
    if not handoffs:
        return
    spans = ask.funnel.windows()["figures.acceptance"]
    days = {"day": 1, "week": 7, "month": 30}.get(spans.unit, 1)
    window = spans.elapsed_ms() or spans.amount * days * _DAY_MS
    end = ask.now - window
    start = _moment(end - ask.funnel.alerts.weeks * _WEEK_MS)
    found = ask.by_stage(_HANDOFFS, start=start, end=_moment(end), window=window)
    for handoff in handoffs:
        row, labels = found.get(handoff.stage, {}), (handoff.stage, ask.owner(handoff.stage))
        yield Sample(metrics.HANDOFFS, labels, row.get("mature", 0))
        yield Sample(metrics.HANDOFFS_ACCEPTED, labels, row.get("accepted", 0))


def spend(ask: Asked) -> Iterator[Sample]:
    """Yield what each source's ads cost, what may be spent without a lead, and its leads."""
    funnel, alerts = ask.funnel, ask.funnel.alerts
    owner = ask.owner(funnel.shape().entry)
    sources = {name: of[0] for name, of in measuring.platforms(funnel).items() if of[0]}
    recent = ask.today - timedelta(days=_SPEND_DAYS)
    rows = ask.rows(
        _SPEND,
        platforms=list(sources),
        sources=list(sources.values()),
        currency=funnel.reporting.currency,
        zone=funnel.reporting.zone,
        today=ask.today,
        recent=recent,
        start=recent - timedelta(weeks=alerts.weeks),
    )
    found = {row["source"]: row for row in rows}
    for source in sorted(set(sources.values())):
        row, labels = found.get(source, {}), (source, owner)
        yield Sample(metrics.SPENT, labels, row.get("spend", 0))
        yield Sample(metrics.SPENT_LEADS, labels, row.get("leads", 0))
        yield Sample(metrics.SPENT_TOLERATED, labels, _tolerated(ask, row))


def _tolerated(ask: Asked, row: dict[str, Any]) -> float:
    """Return what the least expected number of leads cost before; else what the file states."""
    leads, cost = row.get("leads_before", 0), row.get("spend_before", 0.0)
    alerts = ask.funnel.alerts
    known = leads >= alerts.least_expected and cost > 0
    return cost / leads * alerts.least_expected if known else alerts.spend_without_leads


def deals(ask: Asked) -> Iterator[Sample]:
    """Yield the open deals whose close date has passed; nothing where no stage is a deal."""
    deal = ask.funnel.shape().deal
    if not deal:
        return
    row, labels = ask.rows(_DEALS, today=ask.today)[0], (ask.owner(deal),)
    yield Sample(metrics.DEALS_PAST, labels, row["past"])
    yield Sample(metrics.DEALS_NEWLY_PAST, labels, row["newly"])
