-- The last moves.
SELECT toString(lead_id) AS lead, from_stage, to_stage, why, reason, event_time
FROM v_stage_transitions
WHERE test = 0
  AND opening = 0
  AND event_time > now64(3) - INTERVAL 90 DAY
  AND ({all_stages:Bool} OR has({stages:Array(String)}, to_stage))
  AND lead_id IN (SELECT lead_id FROM leads)
ORDER BY event_time DESC, lead
LIMIT {limit:UInt32}
