-- Clocks that were warned and run: the next due first.
, warned AS (
  SELECT lead_id, journey, stage, clock, status, due_at
  FROM v_clocks
  WHERE test = 0
    AND status = 'warned'
    AND stopped_at IS NULL
    AND cancelled_at IS NULL
    AND ({all_stages:Bool} OR has({stages:Array(String)}, stage))
)
SELECT
  toString(lead_id) AS lead,
  stage,
  clock,
  status,
  hot,
  due_at,
  owner,
  manager,
  record_url,
  source,
  count() OVER () AS total
FROM (SELECT * FROM leads WHERE lead_id IN (SELECT lead_id FROM warned)) AS found
INNER JOIN warned USING (lead_id, journey, stage)
ORDER BY due_at, lead
LIMIT {limit:UInt32}
