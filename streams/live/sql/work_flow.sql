-- Moves between stages in a period; an opening balance is no move.
SELECT from_stage, to_stage, count() AS n
FROM v_stage_transitions AS moves
WHERE moves.test = 0
  AND from_stage != ''
  AND opening = 0
  AND event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
  AND (empty({to:Array(String)}) OR has({to:Array(String)}, to_stage))
  AND lead_id IN (SELECT lead_id FROM leads)
GROUP BY from_stage, to_stage
ORDER BY n DESC, from_stage, to_stage
LIMIT 40
