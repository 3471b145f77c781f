-- kpi: stalled · basis: now · open leads with no activity beyond their stage's limit (a restarting clock has lapsed)
SELECT
  by,
  c.stage AS stage,
  toFloat64(uniqExact(c.lead_id)) AS value,
  uniqExact(c.lead_id) AS n
FROM v_clocks AS c
INNER JOIN (SELECT lead_id, stage AS now_in, journey AS now_on, {by} AS by FROM v_lead_state) AS s USING (lead_id)
WHERE test = 0
  AND restarting = 1
  AND stopped_at IS NULL
  AND status IN ('breached', 'escalated')
  AND c.stage = s.now_in
  AND c.journey = s.now_on
GROUP BY by, stage
ORDER BY by, stage
