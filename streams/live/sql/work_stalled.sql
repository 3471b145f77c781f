-- One row a lead: of the clocks of its stage that are late, the one that is late for longest. The
-- late ones are the small side of the join, so they stand on its right.
, late AS (
  SELECT lead_id, journey, stage, clock, status, due_at
  FROM v_past_due
  WHERE {all_stages:Bool} OR has({stages:Array(String)}, stage)
  ORDER BY due_at
  LIMIT 1 BY lead_id
)
SELECT
  toString(lead_id) AS lead,
  stage,
  indexOf({order:Array(String)}, stage) AS place,
  clock,
  status,
  hot,
  due_at,
  owner,
  manager,
  record_url,
  source
FROM (SELECT * FROM leads WHERE lead_id IN (SELECT lead_id FROM late)) AS found
INNER JOIN late USING (lead_id, journey, stage)
ORDER BY {order}
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
