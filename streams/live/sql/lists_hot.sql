-- Hot leads whose hand-off nobody has decided, with the clock that runs there, if one does.
SELECT
  toString(lead_id) AS lead,
  stage,
  running.clock AS clock,
  running.status AS status,
  toUInt8(1) AS hot,
  nullIf(running.due_at, toDateTime64(0, 3, 'UTC')) AS due_at,
  offers.event_time AS since,
  toUInt8(offers.touched_at IS NOT NULL) AS touched,
  leads.owner AS owner,
  leads.manager AS manager,
  leads.record_url AS record_url,
  leads.source AS source,
  indexOf({order:Array(String)}, stage) AS place,
  count() OVER () AS total
FROM (
  SELECT lead_id, journey, stage, event_time, touched_at
  FROM v_handoffs
  WHERE test = 0 AND hot = 1 AND outcome = 'pending'
) AS offers
INNER JOIN leads USING (lead_id, journey, stage)
LEFT JOIN (
  SELECT lead_id, journey, stage, clock, status, due_at
  FROM v_clocks
  WHERE test = 0 AND stopped_at IS NULL AND cancelled_at IS NULL
  ORDER BY due_at
  LIMIT 1 BY lead_id, journey, stage
) AS running USING (lead_id, journey, stage)
ORDER BY {sort}
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
