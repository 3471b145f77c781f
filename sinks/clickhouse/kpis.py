"""The KPIs of docs/design/kpis.md as SQL files, and one way to ask them: page, API, CLI and Grafana's panels show the same figures.

Each file's first line says `kpi`, `basis` and meaning. Columns beyond value, numerator, denominator, n, mature and
pending are dimensions. Units: hours, days or business minutes as the file says; times are ms since the epoch, UTC.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.durations import Duration
from schemas.funnel import BUILT_IN, FIGURES, Funnel
from streams.sources import measuring

from . import attainment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.shape import Shape

FILES = Path(__file__).parent / "kpis"
# Where spend came from, by the table that leads share with it; of a lead's origin or segment an ad account knows nothing.
_SPEND_BY = {
    "source": "transform(platform, {platforms:Array(String)}, {sources:Array(String)}, '')",
    "channel": "transform(platform, {platforms:Array(String)}, {channels:Array(String)}, '')",
}
# A campaign has no case, and the funnel's aliases are names of one; one that is known by an ad only is the ad's, as costs name it.
_CAMPAIGN = "transform(lowerUTF8(trimBoth({})) AS written, {aliases:Array(String)}, {names:Array(String)}, written)"
_OF_AD = "if(startsWith(campaign, {ad:String}) AND owns[campaign] != '', owns[campaign], campaign)"
_SPEND_BY["campaign"] = _CAMPAIGN.replace("{}", "campaign")
ARRIVAL = "arrival"  # the basis of figures that tell how events arrived: no definition decides them, and no order keeps them
_FIGURES = ("value", "numerator", "denominator", "n", "mature", "pending")
_HEADER = re.compile(r"^-- kpi: (\w+) · basis: (\w+) · (?:needs: ([\w ]+) · )?(.+)$")
_DAY_MS = 86_400_000

# Whose an ad is, by the costs that name both; asked by campaign only, since it reads all that was spent.
_OWNS = """
  (
    SELECT mapFromArrays(groupArray(concat({ad:String}, ad)), groupArray(owner))
    FROM (
      SELECT
        arrayFirst(one -> one != '', [JSONExtractString(breakdown, 'ad_id'), JSONExtractString(breakdown, 'sponsoredCreative')]) AS ad,
        any(campaign) AS owner
      FROM spend FINAL
      WHERE campaign != ''
      GROUP BY ad
      HAVING ad != ''
    )
  ) AS owns,
"""
# What the files read: journeys (test ones count nowhere), clean ones (duplicate and spam left out), the steps that a cohort
# takes along the ladder and whether each was taken within its window, moves with the
# journey's dimensions, and the hand-offs that fell in the period with their fate within the window: all of them, since
# leaving duplicate and spam out of the acceptance ledger would invite gaming. Leads as they stand now (s). Deals (d): each id
# once, on the first clean journey of a primary contact; `carried` came with an opening balance, and what came already
# closed is nobody's win here. Money: sums of deals and spend in the reporting currency, by the newest rate dated on or
# before their day; a sum without a currency is in the reporting one, and what no rate turns is named in `unconverted`.
_PRELUDE = """
WITH
{owns}  j AS (
    SELECT
      *,
      {by} AS by,
      if(mapContains(entered, {entry:String}), entered[{entry:String}], NULL) AS entry_at,
      if(mapContains(entered, {qualifying:String}), entered[{qualifying:String}], NULL) AS qualifying_at,
      if(mapContains(entered, {won:String}), entered[{won:String}], NULL) AS won_at,
      if(mapContains(entered, {recycled:String}), entered[{recycled:String}], NULL) AS given_back_at
    FROM v_journeys
    WHERE test = 0
  ),
  clean AS (SELECT * FROM j WHERE excluded = ''),
  steps AS (
    SELECT
      by,
      stage,
      next_stage,
      entered[stage] + toIntervalMillisecond(span) AS until,
      mapContains(entered, next_stage) AND entered[next_stage] < until AS reached,
      until <= {asof:DateTime64(3, 'UTC')} AS ripe
    FROM clean
    ARRAY JOIN
      {stages:Array(String)} AS stage,
      {next_stages:Array(String)} AS next_stage,
      {spans:Array(Int64)} AS span
    WHERE mapContains(entered, stage)
      AND entered[stage] >= {start:DateTime64(3, 'UTC')}
      AND entered[stage] < {end:DateTime64(3, 'UTC')}
      AND opening = 0
  ),
  t AS (
    SELECT m.*, {own_by} AS by, j.lead_origin AS lead_origin
    FROM v_stage_transitions AS m
    INNER JOIN (SELECT lead_id, journey, by AS journey_by, lead_origin FROM j) AS j USING (lead_id, journey)
  ),
  h AS (
    SELECT
      o.*,
      o.stage AS handoff,
      {own_by} AS by,
      j.excluded AS excluded,
      event_time + toIntervalMillisecond({w_acceptance:Int64}) <= {asof:DateTime64(3, 'UTC')} AS ripe,
      decided_at IS NOT NULL AND decided_at <= event_time + toIntervalMillisecond({w_acceptance:Int64}) AS intime,
      multiIf(
        intime AND outcome = 'accepted', 'accepted',
        intime AND outcome = 'rejected', 'rejected',
        NOT ripe AND outcome = 'pending', 'pending',
        'none'
      ) AS fate
    FROM v_handoffs AS o
    INNER JOIN (SELECT lead_id, journey, by AS journey_by, excluded FROM j) AS j USING (lead_id, journey)
    WHERE event_time >= {start:DateTime64(3, 'UTC')} AND event_time < {end:DateTime64(3, 'UTC')}
  ),
  s AS (SELECT *, {by} AS by FROM v_lead_state WHERE test = 0 AND excluded = ''),
  d AS (
    SELECT
      o.*,
      {own_by} AS by,
      j.lead_origin AS lead_origin,
      j.entry_at AS began,
      j.opening AS opening,
      j.opening = 1 AND o.event_time = j.first_at AS carried
    FROM v_deals AS o
    INNER JOIN (SELECT lead_id, journey, by AS journey_by, lead_origin, entry_at, opening, event_time AS first_at FROM clean) AS j USING (lead_id, journey)
    WHERE role = 'primary' AND NOT (carried AND ifNull(closed_at = event_time, 0))
    ORDER BY event_time, lead_id, journey
    LIMIT 1 BY deal
  ),
  sums AS (
    SELECT 'opened' AS what, deal, by, lead_origin, opening, carried, began, event_time AS at, amount_opened AS amount, currency FROM d
    UNION ALL
    SELECT 'won', deal, by, lead_origin, opening, carried, began, assumeNotNull(closed_at), amount, currency FROM d WHERE status = 'won'
    UNION ALL
    SELECT 'margin', deal, by, lead_origin, opening, carried, began, assumeNotNull(closed_at), margin, currency FROM d WHERE status = 'won'
  ),
  money AS (
    SELECT
      x.*,
      x.currency IN ('', {currency:String}) AS ours,
      multiIf(x.amount IS NULL, 'unstated', ours OR r.rate > 0, '', x.currency) AS unconverted,
      if(unconverted = '', x.amount * if(ours, toDecimal128(1, 10), r.rate), NULL) AS converted
    FROM (
      SELECT *, toDate(at, {zone:String}) AS day FROM sums
      UNION ALL
      SELECT 'spend', '', {spend_by}, '', 0, 0, NULL, toDateTime64(day, 3, 'UTC'), amount, currency, day FROM spend FINAL
    ) AS x
    ASOF LEFT JOIN (SELECT currency, day, rate FROM rates FINAL WHERE reporting = {currency:String}) AS r
      ON x.currency = r.currency AND x.day >= r.day
  )
"""


class Kpi(NamedTuple):
    """One file."""

    name: str
    basis: str
    meaning: str
    sql: str
    needs: tuple[str, ...] = ()  # one of these the funnel must have: a role, or one of _NEEDS


_NEEDS = {
    "handoff": "no stage hands a lead off",
    "accepted": "no stage accepts a lead",
    "gate": "no stage has a gate",
}
NOT_APPLICABLE = "not applicable"


def lacking(kpi: Kpi, shape: Shape) -> str:
    """Return why a funnel of this shape can't have a figure; empty where it can."""
    has = {
        "handoff": shape.handoffs,
        "accepted": shape.accepted,
        "gate": shape.gated,
        "recycled": shape.recycled,
        "nurture": shape.nurture,
        "lost": shape.lost,
    }
    if not kpi.needs or any(has[one] for one in kpi.needs):
        return ""
    return _NEEDS.get(kpi.needs[0], f"no stage is {' or '.join(kpi.needs)}")


class Question(NamedTuple):
    """What the figures are asked for: a period in ms, a dimension, the as-of instant, and what the funnel says of figures.

    `windows` and `limits` are ms: of a cohort by stage or by name, and how long a lead may stay untouched by role, 0 where
    the funnel sets none.
    """

    start: int
    end: int
    asof: int
    windows: dict[str, int]
    zone: str
    shape: Shape
    by: str = ""
    limits: dict[str, int] = {}  # noqa: RUF012 - a NamedTuple's default, never changed
    currency: str = "EUR"
    strategy: str = ""
    dimensions: tuple[str, ...] = ()  # that the funnel names beside those that are built in
    unmeasured: tuple[str, ...] = ()  # clocks that no enabled source can stop
    platforms: tuple[tuple[str, str, str], ...] = ()  # of ad platforms: name, source, channel
    aliases: tuple[
        tuple[str, str], ...
    ] = ()  # of campaigns: a name in lower case, and the one that it means

    def parameters(self) -> dict[str, Any]:
        """Give the query's parameters."""
        times = {"start": self.start, "end": self.end, "asof": self.asof}
        moments = {name: datetime.fromtimestamp(ms / 1000, UTC) for name, ms in times.items()}
        shape = self.shape
        spans = {f"w_{name}": self.windows[f"figures.{name}"] for name in FIGURES} | {
            f"limit_{role}": ms for role, ms in self.limits.items()
        }
        spans["w_deal"] = self.windows[shape.opens]
        values: dict[str, Any] = {
            "zone": self.zone,
            "optional": list(shape.optional),
            "currency": self.currency,
            "strategy": self.strategy,
        }
        chain = [stage for stage in shape.ladder if stage not in shape.optional]
        values |= {
            "ladder": list(shape.ladder),
            "stages": chain[:-1],
            "next_stages": chain[1:],
            "unaccepted": sorted(shape.unaccepted),
        }
        values["spans"] = [self.windows[stage] for stage in chain[:-1]]
        values |= {
            role: getattr(shape, role)
            for role in ("entry", "qualifying", "accepted", "won", "nurture", "recycled", "lost")
        }
        values |= {
            name: [one[place] for one in self.platforms]
            for place, name in enumerate(("platforms", "sources", "channels"))
        }
        values |= {
            "aliases": [one for one, _ in self.aliases],
            "names": [name for _, name in self.aliases],
            "ad": measuring.AD,
        }
        values["unmeasured"] = list(self.unmeasured)
        values["handoffs"] = [one.stage for one in shape.handoffs]
        first = next((one.stage for one in shape.handoffs if one.accepted == shape.accepted), "")
        values["handoff"] = first
        return {**moments, **spans, **values}


def question(
    funnel: Funnel, start: int, end: int, asof: int, by: str = "", cohort_days: int | None = None
) -> Question:
    """Ask with the funnel's own windows, or one for all (`cohort_days`).

    Raises:
        ValueError: `by` is no dimension.

    """
    known = (*BUILT_IN, *funnel.dimensions)
    if by and by not in known:
        hint = "name another under `dimensions` in the funnel file"
        raise ValueError(f"{by!r} is no dimension; ask by one of {', '.join(known)}, or {hint}")
    shape = funnel.shape()
    windows = {
        name: cohort_days * _DAY_MS if cohort_days else _span_ms(span)
        for name, span in funnel.windows().items()
    }
    limits = {role: _limit_ms(funnel, shape.of(role)) for role in ("nurture", "recycled")}
    reporting = funnel.reporting
    spent = tuple((platform, *names) for platform, names in measuring.platforms(funnel).items())
    return Question(
        start, end, asof, windows, reporting.zone, shape, by, limits, reporting.currency, funnel.strategy,
        dimensions=funnel.dimensions, unmeasured=tuple(measuring.not_measured(funnel)), platforms=spent,
        aliases=tuple((one.lower(), name.lower()) for one, name in funnel.aliases.items()),
    )  # fmt: skip


def _limit_ms(funnel: Funnel, stage: str) -> int:
    """Give how long a lead may stay untouched in a stage: its first clock's span, 0 where it has none."""
    clocks = funnel.stages[stage].clocks.values() if stage else ()
    return next((_span_ms(clock.within) for clock in clocks), 0)


def _span_ms(span: Duration) -> int:
    return (
        span.elapsed_ms()
        or span.amount * {"day": 1, "week": 7, "month": 30}.get(span.unit, 1) * _DAY_MS
    )


@lru_cache(maxsize=1)
def catalogue() -> tuple[Kpi, ...]:
    """Read all files."""
    out = []
    for path in sorted(FILES.glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        head, _, body = text.partition("\n")
        found = _HEADER.match(head)
        assert found, f"{path.name}: the first line must say kpi, basis and meaning"
        needs = tuple((found[3] or "").split(" or ")) if found[3] else ()
        out.append(Kpi(found[1], found[2], found[4], body.strip(), needs))
    return tuple(out)


def sql(kpi: Kpi, by: str) -> str:
    """Give the whole statement. `by` was checked against the dimensions: it is a column, never a value."""
    campaign = by == "campaign"
    parts = {
        "{owns}": _OWNS if campaign else "",
        "{by}": _CAMPAIGN.replace("{}", _OF_AD) if campaign else _column(by),
        "{own_by}": _column(by) if _named(by) else "journey_by",
        "{spend_by}": _SPEND_BY.get(by, "''"),
        "{unit_by}": "by" if by in _SPEND_BY else "''",
    }
    text = _PRELUDE + kpi.sql
    for name, part in parts.items():
        text = text.replace(name, part)
    return text


def _named(by: str) -> bool:
    """Return whether a dimension is one that the funnel names: each fact has its own value of it."""
    return bool(by) and by not in BUILT_IN


def _column(by: str) -> str:
    return f"dimensions['{by}']" if _named(by) else by or "''"


def ask(client: Any, asked: Question, names: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Give the figures as documents: {kpi, basis, dimensions, value, numerator, denominator, n, mature, pending}."""
    wanted = set(names)
    figures = []
    for kpi in catalogue():
        if wanted and kpi.name not in wanted:
            continue
        if why := lacking(kpi, asked.shape):
            nothing = dict.fromkeys(_FIGURES)
            head = {"kpi": kpi.name, "basis": NOT_APPLICABLE, "dimensions": {"why": why}}
            figures.append({**head, **nothing})
            continue
        result = client.query(
            sql(kpi, asked.by),
            parameters=asked.parameters(),
            settings={"joined_subquery_requires_alias": 0},
        )
        ignores = asked.by if asked.by and "by" not in result.column_names else ""
        for row in result.result_rows:
            values = dict(zip(result.column_names, row, strict=True))
            if kpi.name == attainment.KPI:
                target = attainment.Target(**values)
                figures += attainment.figures(
                    target, asked.zone, asked.asof, lambda *of: _actual(client, asked, *of)
                )
            else:
                figures.append(_figure(kpi, values, asked.by, ignores))
    return figures


def _actual(
    client: Any, asked: Question, metric: str, start: int, end: int, wanted: dict[str, str]
) -> list[dict[str, Any]]:
    """Ask a target's metric over the target's own period, by the dimension that the target has."""
    if (
        metric == attainment.KPI
    ):  # a target of itself, which only a record that no file brought can be
        return []
    by = next((name for name in (*BUILT_IN, *asked.dimensions) if name in wanted), "")
    return ask(client, asked._replace(start=start, end=end, by=by), [metric])


def _figure(kpi: Kpi, values: dict[str, Any], by: str, ignores: str) -> dict[str, Any]:
    basis = values.pop("basis", kpi.basis)
    group = values.pop("by", None)
    figure = {name: values.pop(name, None) for name in _FIGURES}
    if figure["value"] is not None:
        figure["value"] = (
            float(figure["value"]) if math.isfinite(figure["value"]) else None
        )  # JSON has no NaN
    dimensions = {**({by: group} if by and group is not None else {}), **values}
    if ignores:  # the figure is of all: it has no such dimension
        dimensions["ignores"] = ignores
    return {"kpi": kpi.name, "basis": basis, "dimensions": dimensions, **figure}
