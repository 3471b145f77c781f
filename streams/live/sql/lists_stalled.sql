-- One row a lead past a service level: of its stage's clocks, the one that is late for longest.
SELECT
  toString(lead_id) AS lead,
  stage,
  clock,
  status,
  leads.hot AS hot,
  late.due_at AS due_at,
  late.since AS since,
  leads.owner AS owner,
  leads.manager AS manager,
  leads.record_url AS record_url,
  leads.source AS source,
  indexOf({order:Array(String)}, stage) AS place,
  count() OVER () AS total
FROM (
  SELECT lead_id, journey, stage, clock, status, due_at, since
  FROM v_past_due
  ORDER BY due_at
  LIMIT 1 BY lead_id
) AS late
INNER JOIN leads USING (lead_id, journey, stage)
ORDER BY {sort}
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
