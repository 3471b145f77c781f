-- kpi: rejection
-- title: Rejected by sales
-- basis: cohort
-- figure: written
-- rows: handoff, reason
-- unit: share
-- better: lower
-- needs: handoff
-- meaning: of each hand-off, those rejected within the window, by reason
SELECT
  event_time AS at,
  lead_id,
  journey,
  by,
  handoff,
  if(fate = 'rejected', reason, '') AS reason,
  fate = 'rejected' AS counted,
  ripe,
  fate = 'pending' AS waits
FROM handoffs
-- figure
SELECT
  by,
  handoff,
  reason,
  if(any(total) = 0, NULL, countIf(counted AND ripe) / any(total)) AS value,
  countIf(counted AND ripe) AS numerator,
  any(total) AS denominator,
  any(everybody) AS n,
  any(total) AS mature,
  any(waiting) AS pending
FROM (
  SELECT
    *,
    countIf(ripe) OVER (PARTITION BY by, handoff) AS total,
    count() OVER (PARTITION BY by, handoff) AS everybody,
    countIf(waits) OVER (PARTITION BY by, handoff) AS waiting
  FROM members
)
WHERE counted
GROUP BY by, handoff, reason
ORDER BY by, handoff, reason
