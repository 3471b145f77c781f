-- Clocks that were warned and run: the next due first.
SELECT
  toString(lead_id) AS lead,
  stage,
  clock,
  status,
  leads.hot AS hot,
  due_at,
  owner,
  manager,
  record_url,
  source,
  count() OVER () AS total
FROM v_clocks AS clocks
INNER JOIN leads USING (lead_id, journey, stage)
WHERE clocks.test = 0
  AND status = 'warned'
  AND stopped_at IS NULL
  AND ({all_stages:Bool} OR has({stages:Array(String)}, stage))
ORDER BY due_at, lead
LIMIT {limit:UInt32}
