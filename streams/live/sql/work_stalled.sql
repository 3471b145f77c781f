-- One row a lead: of the clocks of its stage that are late, the one that is late for longest.
SELECT
  toString(lead_id) AS lead,
  stage,
  indexOf({order:Array(String)}, stage) AS place,
  clock,
  status,
  leads.hot AS hot,
  due_at,
  owner,
  manager,
  record_url,
  source
FROM (
  SELECT lead_id, journey, stage, clock, status, due_at
  FROM v_clocks
  WHERE test = 0
    AND stopped_at IS NULL
    AND status IN ('breached', 'escalated')
    AND ({all_stages:Bool} OR has({stages:Array(String)}, stage))
  ORDER BY due_at
  LIMIT 1 BY lead_id, journey, stage
) AS clocks
INNER JOIN leads USING (lead_id, journey, stage)
ORDER BY {order}
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
