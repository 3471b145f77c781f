-- Stalled: breached clocks that run, of the stage and journey in which their lead stands.
SELECT clocks.lead_id AS lead_id, clocks.stage AS stage, clocks.hot AS hot, clocks.due_at AS due_at
FROM v_clocks AS clocks
INNER JOIN v_lead_state AS standing
  ON standing.lead_id = clocks.lead_id
  AND standing.stage = clocks.stage
  AND standing.journey = clocks.journey
WHERE clocks.test = 0
  AND clocks.stopped_at IS NULL
  AND clocks.status IN ('breached', 'escalated')
