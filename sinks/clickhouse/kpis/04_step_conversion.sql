-- kpi: step_conversion · basis: cohort · of the journeys that entered a stage, those that reached the next within its window
SELECT
  by,
  stage,
  next_stage,
  countIf(reached) / count() AS value,
  countIf(reached) AS numerator,
  count() AS denominator,
  count() AS n,
  countIf(ripe) AS mature,
  countIf(NOT ripe AND NOT reached) AS pending
FROM (
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
)
GROUP BY by, stage, next_stage
ORDER BY by, stage
