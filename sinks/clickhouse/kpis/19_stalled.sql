-- kpi: stalled · basis: now · open leads with no activity beyond their stage's limit (a
-- restarting clock has lapsed)
SELECT
  by,
  clocks.stage AS stage,
  toFloat64(uniqExact(clocks.lead_id)) AS value,
  uniqExact(clocks.lead_id) AS n
FROM v_clocks AS clocks
INNER JOIN (
  SELECT lead_id, stage AS now_in, journey AS now_on, {by} AS by FROM v_lead_state
) AS standing USING (lead_id)
WHERE test = 0
  AND restarting = 1
  AND stopped_at IS NULL
  AND status IN ('breached', 'escalated')
  AND clocks.stage = standing.now_in
  AND clocks.journey = standing.now_on
GROUP BY by, stage
ORDER BY by, stage
