-- Every entry of the stage, by whatever reported it.
SELECT
  toString(lead_id),
  journey,
  toUnixTimestamp64Milli(event_time),
  system,
  toBool(implied),
  toBool(opening)
FROM v_stage_transitions
WHERE to_stage = {stage:String} AND lead_id IN ({ids})
