-- kpi: rejection · basis: cohort · hand-offs rejected within the window, by reason
SELECT
  by,
  reason,
  countIf(fate = 'rejected') / any(total) AS value,
  countIf(fate = 'rejected') AS numerator,
  any(total) AS denominator,
  any(total) AS n,
  countIf(fate = 'rejected' AND ripe) AS mature,
  0 AS pending
FROM (SELECT *, count() OVER (PARTITION BY by) AS total FROM h)
WHERE fate = 'rejected'
GROUP BY by, reason
ORDER BY by, reason
