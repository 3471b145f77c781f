-- kpi: no_decision · basis: cohort · hand-offs whose window passed undecided, timed out or decided later
SELECT
  by,
  countIf(fate = 'none') / count() AS value,
  countIf(fate = 'none') AS numerator,
  count() AS denominator,
  count() AS n,
  countIf(ripe) AS mature,
  countIf(fate = 'pending') AS pending
FROM h
GROUP BY by
ORDER BY by
