-- The last moves of the leads that a question's filters leave. A filter by stage is by where to.
SELECT
  toString(lead_id) AS lead,
  from_stage,
  to_stage,
  why,
  reason,
  event_time
FROM v_stage_transitions
WHERE test = 0
  AND opening = 0
  AND event_time > now64(3) - INTERVAL 90 DAY
  AND (empty({to:Array(String)}) OR has({to:Array(String)}, to_stage))
  AND lead_id IN (SELECT lead_id FROM leads)
ORDER BY event_time DESC, lead
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
