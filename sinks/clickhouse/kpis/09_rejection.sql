-- kpi: rejection · basis: cohort · needs: handoff · of each hand-off, those rejected within the
-- window, by reason
SELECT
  by,
  handoff,
  reason,
  countIf(fate = 'rejected') / any(total) AS value,
  countIf(fate = 'rejected') AS numerator,
  any(total) AS denominator,
  any(total) AS n,
  countIf(fate = 'rejected' AND ripe) AS mature,
  0 AS pending
FROM (SELECT *, count() OVER (PARTITION BY by, handoff) AS total FROM handoffs)
WHERE fate = 'rejected'
GROUP BY by, handoff, reason
ORDER BY by, handoff, reason
