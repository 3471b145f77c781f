-- Hot leads whose hand-off nobody has decided, with the first clock that runs or ran out there.
, offers AS (
  SELECT lead_id, journey, stage, event_time, touched_at
  FROM v_handoffs
  WHERE test = 0
    AND hot = 1
    AND outcome = 'pending'
    AND ({all_stages:Bool} OR has({stages:Array(String)}, stage))
)
SELECT
  toString(lead_id) AS lead,
  stage,
  offers.event_time AS since,
  offers.touched_at IS NOT NULL AS touched,
  running.clock AS clock,
  nullIf(running.due_at, toDateTime64(0, 3, 'UTC')) AS due_at,
  owner,
  manager,
  record_url,
  source,
  count() OVER () AS total
FROM (SELECT * FROM leads WHERE lead_id IN (SELECT lead_id FROM offers)) AS found
INNER JOIN offers USING (lead_id, journey, stage)
LEFT JOIN (
  SELECT lead_id, journey, stage, clock, due_at
  FROM v_clocks
  WHERE test = 0 AND hot = 1 AND stopped_at IS NULL AND cancelled_at IS NULL
  ORDER BY due_at
  LIMIT 1 BY lead_id, journey, stage
) AS running USING (lead_id, journey, stage)
ORDER BY touched, since, lead
LIMIT {limit:UInt32}
