-- kpi: past_due · basis: now · clocks that run and whose due time has passed
SELECT
  by,
  concat(stage, '.', clock) AS clock,
  toFloat64(count()) AS value,
  count() AS n
FROM v_clocks AS clocks
INNER JOIN (
  SELECT lead_id, stage AS now_in, journey AS now_on, {by} AS by FROM v_lead_state
) AS standing USING (lead_id)
WHERE test = 0
  AND stopped_at IS NULL
  AND status IN ('breached', 'escalated')
  AND clocks.stage = standing.now_in
  AND clocks.journey = standing.now_on
GROUP BY by, clock
ORDER BY by, clock
