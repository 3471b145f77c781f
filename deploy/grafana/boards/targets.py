"""Targets: what is reached of them, and whether that is as much as should be by now.

Command line and page ask a target's own figure once for each target. A panel has one statement, so
it selects the members of all figures that can have one, and counts those that lie in each target's
period and fit its scope: the same rows, counted in the same way. A metric that is none of
`METRICS`, and a scope by campaign, has no value here.
"""

from __future__ import annotations

from sinks.clickhouse.attainment import ADDS
from sinks.clickhouse.catalogue import named

from .panels import NONE_IS_GOOD, Panel
from .shown import table
from .sql import SETTINGS, figure

UID, TITLE = "leadstream-targets", "Leads: targets"
VARIABLES: tuple[str, ...] = ()
BY = ("source", "channel", "segment", "lead_origin")  # dimensions of a scope, beside a figure's own
COUNTED, SUMMED = ("inflow", "outflow"), ("pipeline", "revenue")
SHARES = (
    "step_conversion", "conversion", "acceptance", "no_decision", "sales_sourced", "win_rate",
)  # fmt: skip
METRICS = (*COUNTED, *SUMMED, *SHARES)
_NO_NUMBER = "CAST(NULL, 'Nullable(Float64)')"


def _members(name: str) -> str:
    """Return a figure's members in the columns that all have here."""
    kpi = named(name)
    parts = ", ".join(f"'{row}', toString({row})" for row in kpi.rows if row != "unconverted")
    hit = "counted" if name in SHARES else "1"
    ripe = {"cohort": "ripe", "share": "counted IS NOT NULL"}.get(kpi.form, "1")
    amount, apart = (
        ("toFloat64(converted)", "unconverted") if name in SUMMED else (_NO_NUMBER, "''")
    )
    return (
        f"SELECT '{name}' AS metric, assumeNotNull(at) AS at, by, map({parts}) AS parts, "
        f"toUInt8(ifNull({hit}, 0)) AS hit, toUInt8({ripe}) AS fit_for_share, "
        f"{amount} AS amount, toString({apart}) AS unconverted\nFROM ({kpi.members})"
    )


def _own(name: str) -> str:
    rows = ", ".join(f"'{row}'" for row in (*named(name).rows, *BY))
    return f"'{name}', [{rows}]"


def _among(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def reached() -> str:
    """Return each target that falls into the period with what was reached of it."""
    counted = "\n    UNION ALL\n    ".join(_members(name) for name in METRICS)
    select = f"""  , counted AS (
    {counted}
  ),
  wanted AS (
    SELECT
      metric, owner, first_day, last_day, scope, shared, strategy,
      toFloat64(target) AS target,
      toDateTime64(toDateTime(first_day, panel_zone), 3, 'UTC') AS begins,
      toDateTime64(toDateTime(last_day + 1, panel_zone), 3, 'UTC') AS ends,
      JSONExtractString(scope, 'basis') AS basis,
      arrayFilter(one -> one.1 != 'basis', JSONExtractKeysAndValues(scope, 'String')) AS asked
    FROM targets FINAL
    WHERE first_day < toDate(panel_end - toIntervalMillisecond(1), panel_zone) + 1
      AND last_day >= toDate(panel_from, panel_zone)
  ),
  map({", ".join(map(_own, METRICS))}) AS known
SELECT
  metric AS "Metric",
  owner AS "Owner",
  scope AS "Of",
  first_day AS "From",
  last_day AS "To",
  strategy AS "Strategy",
  shared AS "Shared",
  target AS "Target",
  actual AS "Actual",
  actual / target AS "Attained",
  if(metric IN ({_among(ADDS)}) AND gone > 0, actual / target / gone, NULL) AS "Pace"
FROM (
  SELECT
    metric, owner, scope, first_day, last_day, strategy, shared, target, begins, ends, sound,
    least(1, greatest(0, dateDiff('ms', begins, panel_asof) / dateDiff('ms', begins, ends)))
      AS gone,
    countIf(fits AND fit_for_share) AS mature,
    countIf(fits AND unconverted = '') AS summed,
    sumIf(ifNull(amount, 0), fits AND unconverted = '') AS sum_of_them,
    multiIf(
      NOT sound, NULL,
      metric IN ({_among(COUNTED)}), toFloat64(countIf(fits)),
      metric = 'pipeline', sum_of_them,
      metric = 'revenue', if(summed = 0, NULL, sum_of_them),
      uniqExactIf(parts, fits) != 1 OR mature = 0, NULL,
      countIf(fits AND fit_for_share AND hit) / mature
    ) AS actual
  FROM (
    SELECT
      wanted.*, hit, fit_for_share, amount, unconverted, parts,
      mapContains(known, wanted.metric)
        AND arrayAll(one -> has(known[wanted.metric], one.1), asked) AS sound,
      counted.metric != '' AND at >= begins AND at < ends
        AND arrayAll(
          one -> if(
            mapContains(parts, one.1), parts[one.1], JSONExtractString(by, one.1)
          ) = one.2,
          asked
        )
        AND (
          NOT mapContains(parts, 'basis') OR parts['basis'] = if(basis = '', 'period', basis)
        ) AS fits
    FROM wanted
    LEFT JOIN counted ON wanted.metric = counted.metric
  )
  GROUP BY
    metric, owner, scope, first_day, last_day, strategy, shared, target, begins, ends, sound
)
ORDER BY "To", "Metric", "Owner", "Of"
"""
    first = "assumeNotNull((SELECT toDateTime64(min(first_day), 3, 'UTC') - 86400 FROM targets))"
    text = figure("inflow", filters=(), start=first, select=select)
    values = ", ".join(f"'{name}', toString({name})" for name in BY)
    dimension = "'' AS by,"
    if dimension not in text:
        raise ValueError("the journeys of a figure have a dimension")
    return text.replace(dimension, f"toJSONString(map({values})) AS by,", 1) + SETTINGS


def bars() -> str:
    """Return what was reached of each target, with one word for each."""
    return (
        "SELECT concat(\"Metric\", if(\"Of\" = '', '', ' '), \"Of\", ' (', \"Owner\", ', to ', "
        'toString("To"), \')\') AS "Target", "Attained"\nFROM (\n'
        + reached().removesuffix(SETTINGS)
        + f")\n{SETTINGS}"
    )


NOTE = (
    "Attained: the actual over the target. Pace: that over the share of the period that has gone, "
    f"of metrics that add up ({', '.join(ADDS)}). Metrics with a value here: {', '.join(METRICS)}; "
    "the others, and scopes by campaign, have theirs in `leadstream kpis --kpi attainment`."
)
REACHED = (("red", None), ("yellow", 0.75), ("green", 1.0))
ROWS: dict[str, tuple[Panel, ...]] = {
    "Targets": (
        Panel(
            "How much of each target is reached?",
            "bargauge",
            sql=bars(),
            note=NOTE,
            unit="percentunit",
            steps=REACHED,
            width=10,
            height=12,
        ),
        Panel(
            "Which targets are on pace?",
            "table",
            sql=reached(),
            note=NOTE,
            steps=REACHED,
            units={"Attained": "percentunit", "Pace": "percentunit"},
            width=14,
            height=12,
        ),
        Panel(
            "Which targets are stale?",
            "table",
            table("stale_kpi", {"Targets": "value"}),
            steps=NONE_IS_GOOD,
            runbook="stale-kpis",
        ),
        Panel(
            "What do teams answer?",
            "table",
            table("survey", {"Mean": "value", "Answers": "n"}),
            units={"Answers": "short"},
        ),
    ),
}
