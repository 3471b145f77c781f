-- Our leads that entered the stage in the period.
SELECT DISTINCT toString(lead_id)
FROM v_stage_transitions
WHERE to_stage = {stage:String}
  AND event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
  AND opening = 0
  AND test = 0
