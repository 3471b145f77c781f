-- kpi: step_conversion · basis: cohort · of the journeys that entered a stage, those that reached the next within its window
SELECT
  by,
  step.1 AS stage,
  step.2 AS next_stage,
  countIf(reached) / count() AS value,
  countIf(reached) AS numerator,
  count() AS denominator,
  count() AS n,
  countIf(ripe) AS mature,
  countIf(NOT ripe AND NOT reached) AS pending
FROM (
  SELECT
    by,
    step,
    step.3 AS entered,
    step.4 IS NOT NULL AND step.4 < step.3 + toIntervalMillisecond(step.5) AS reached,
    step.3 + toIntervalMillisecond(step.5) <= {asof:DateTime64(3, 'UTC')} AS ripe
  FROM clean
  ARRAY JOIN [
    ('inquiry', 'mql', inquiry_at, mql_at, {w_inquiry:Int64}),
    ('mql', 'sal', mql_at, sal_at, {w_mql:Int64}),
    ('sal', 'opportunity', sal_at, opportunity_at, {w_sal:Int64}),
    ('opportunity', 'customer', opportunity_at, customer_at, {w_opportunity:Int64})
  ] AS step
  WHERE step.3 IS NOT NULL
    AND step.3 >= {start:DateTime64(3, 'UTC')}
    AND step.3 < {end:DateTime64(3, 'UTC')}
    AND opening = 0
)
GROUP BY by, stage, next_stage
ORDER BY by, stage
