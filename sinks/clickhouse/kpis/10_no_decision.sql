-- kpi: no_decision · basis: cohort · needs: handoff · of each hand-off, those whose window
-- passed undecided, timed out or decided later
SELECT
  by,
  handoff,
  countIf(fate = 'none') / count() AS value,
  countIf(fate = 'none') AS numerator,
  count() AS denominator,
  count() AS n,
  countIf(ripe) AS mature,
  countIf(fate = 'pending') AS pending
FROM handoffs
GROUP BY by, handoff
ORDER BY by, handoff
