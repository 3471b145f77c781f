-- kpi: skip · basis: cohort · of the journeys that began, those that passed a stage by; strict
-- counts optional stages and each implied entry
SELECT
  by,
  figure.1 AS measure,
  countIf(figure.2) / count() AS value,
  countIf(figure.2) AS numerator,
  count() AS denominator,
  count() AS n,
  countIf(ripe) AS mature,
  countIf(NOT ripe AND NOT figure.2) AS pending
FROM (
  SELECT
    by,
    journey,
    entry_at + toIntervalMillisecond({w_won:Int64}) AS until,
    until <= {asof:DateTime64(3, 'UTC')} AS ripe,
    arrayFilter(
      stage -> has(implied, stage)
        AND mapContains(entered, stage)
        AND ifNull(entered[stage] < until, 0),
      {ladder:Array(String)}
    ) AS passed,
    -- who qualifies again starts above the entry: no source could have reported one of that journey
    arrayFilter(
      stage -> NOT has({optional:Array(String)}, stage)
        AND NOT (stage = {entry:String} AND journey > 1),
      passed
    ) AS skipped
  FROM clean
  WHERE entry_at >= {start:DateTime64(3, 'UTC')}
    AND entry_at < {end:DateTime64(3, 'UTC')}
    AND opening = 0
)
ARRAY JOIN [('skip', notEmpty(skipped)), ('strict', notEmpty(passed))] AS figure
GROUP BY by, measure
ORDER BY by, measure
