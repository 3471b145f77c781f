-- Stalled: breached clocks that run, of the stage and journey in which their lead stands.
-- It is v_clocks joined with v_lead_state, looking only at what was ever late and not stopped:
-- FINAL over all clocks of a million leads takes twice as long.
WITH
  (SELECT max(generation) FROM active_generation FINAL WHERE dataset = 'live') AS shown,
  suspects AS (
    SELECT lead_id, fact_id
    FROM clocks
    WHERE generation = shown
      AND test = 0
      AND stopped_at IS NULL
      AND status IN ('breached', 'escalated')
  )
SELECT lead_id, clock.1 AS stage, clock.2 AS hot, clock.3 AS due_at
FROM (
  SELECT
    lead_id,
    argMax((stage, hot, due_at, journey, status, stopped_at, is_deleted), revision) AS clock
  FROM clocks
  WHERE generation = shown AND (lead_id, fact_id) IN (SELECT lead_id, fact_id FROM suspects)
  GROUP BY lead_id, event_time, fact_id
) AS late
INNER JOIN (
  SELECT lead_id, argMax((stage, journey, is_deleted), revision) AS state
  FROM lead_state
  WHERE generation = shown AND lead_id IN (SELECT lead_id FROM suspects)
  GROUP BY lead_id
) AS standing USING (lead_id)
WHERE clock.5 IN ('breached', 'escalated')
  AND clock.6 IS NULL
  AND clock.7 = 0
  AND state.1 = clock.1
  AND state.2 = clock.4
  AND state.3 = 0
