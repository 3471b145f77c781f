-- kpi: skip · basis: cohort · of the journeys that began, those that passed a stage by; strict counts optional stages and each implied inquiry
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
    inquiry_at + toIntervalMillisecond({w_won:Int64}) <= {asof:DateTime64(3, 'UTC')} AS ripe,
    arrayFilter(
      step -> has(implied, step.1) AND step.2 IS NOT NULL AND step.2 < inquiry_at + toIntervalMillisecond({w_won:Int64}),
      [
        ('inquiry', inquiry_at),
        ('mql', mql_at),
        ('sal', sal_at),
        ('sql', sql_at),
        ('opportunity', opportunity_at),
        ('customer', customer_at)
      ]
    ).1 AS passed,
    -- who qualifies again starts at mql: no source could have reported an inquiry of that journey
    arrayFilter(stage -> NOT has({optional:Array(String)}, stage) AND NOT (stage = 'inquiry' AND journey > 1), passed) AS skipped
  FROM clean
  WHERE inquiry_at IS NOT NULL
    AND inquiry_at >= {start:DateTime64(3, 'UTC')}
    AND inquiry_at < {end:DateTime64(3, 'UTC')}
    AND opening = 0
)
ARRAY JOIN [('skip', notEmpty(skipped)), ('strict', notEmpty(passed))] AS figure
GROUP BY by, measure
ORDER BY by, measure
