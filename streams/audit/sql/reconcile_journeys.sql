-- Journeys, and when each entered the stages in {left}, by which a lead leaves the ladder.
SELECT
  toString(lead_id),
  journey,
  toUnixTimestamp64Milli(event_time),
  toBool(opening),
  toBool(test),
  excluded,
  arrayMap(
    stage -> toUnixTimestamp64Milli(entered[stage]),
    arrayFilter(stage -> mapContains(entered, stage), {left:Array(String)})
  )
FROM v_journeys
WHERE lead_id IN ({ids})
