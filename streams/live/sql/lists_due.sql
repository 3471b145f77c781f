-- Clocks of which three quarters have passed and that run, of the stage that their lead stands in.
SELECT
  toString(lead_id) AS lead,
  stage,
  clock,
  status,
  leads.hot AS hot,
  running.due_at AS due_at,
  running.event_time AS since,
  leads.owner AS owner,
  leads.manager AS manager,
  leads.record_url AS record_url,
  leads.source AS source,
  indexOf({order:Array(String)}, stage) AS place,
  count() OVER () AS total
FROM (
  SELECT lead_id, journey, stage, clock, status, due_at, event_time
  FROM v_clocks
  WHERE test = 0 AND status = 'warned' AND stopped_at IS NULL AND cancelled_at IS NULL
) AS running
INNER JOIN leads USING (lead_id, journey, stage)
ORDER BY {sort}
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
