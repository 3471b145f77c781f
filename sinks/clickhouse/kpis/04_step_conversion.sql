-- kpi: step_conversion · basis: cohort · of the journeys that entered a stage, those that
-- reached the next within its window
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
FROM steps
GROUP BY by, stage, next_stage
ORDER BY by, stage
