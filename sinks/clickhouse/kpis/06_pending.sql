-- kpi: pending · basis: cohort · share of a cohort that has not reached the next stage and still has time
SELECT
  by,
  step.1 AS stage,
  countIf(NOT ripe AND NOT reached) / count() AS value,
  countIf(NOT ripe AND NOT reached) AS numerator,
  count() AS denominator,
  count() AS n,
  countIf(ripe) AS mature,
  countIf(NOT ripe AND NOT reached) AS pending
FROM (
  SELECT
    by,
    step,
    step.3 IS NOT NULL AND step.3 < step.2 + toIntervalMillisecond(step.4) AS reached,
    step.2 + toIntervalMillisecond(step.4) <= {asof:DateTime64(3, 'UTC')} AS ripe
  FROM clean
  ARRAY JOIN [
    ('inquiry', inquiry_at, mql_at, {w_inquiry:Int64}),
    ('mql', mql_at, sal_at, {w_mql:Int64}),
    ('sal', sal_at, opportunity_at, {w_sal:Int64}),
    ('opportunity', opportunity_at, customer_at, {w_opportunity:Int64})
  ] AS step
  WHERE step.2 IS NOT NULL
    AND step.2 >= {start:DateTime64(3, 'UTC')}
    AND step.2 < {end:DateTime64(3, 'UTC')}
    AND opening = 0
)
GROUP BY by, stage
ORDER BY by, stage
