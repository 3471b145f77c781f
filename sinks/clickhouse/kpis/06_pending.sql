-- kpi: pending · basis: cohort · share of a cohort that has not reached the next stage and
-- still has time
SELECT
  by,
  stage,
  countIf(NOT ripe AND NOT reached) / count() AS value,
  countIf(NOT ripe AND NOT reached) AS numerator,
  count() AS denominator,
  count() AS n,
  countIf(ripe) AS mature,
  countIf(NOT ripe AND NOT reached) AS pending
FROM steps
GROUP BY by, stage
ORDER BY by, stage
