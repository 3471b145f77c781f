-- What happened to a lead's identities.
SELECT
  content,
  event_id,
  toUnixTimestamp64Milli(received_at),
  held
FROM touches FINAL
WHERE has({origins:Array(String)}, origin)
  AND kind = 'event'
  AND copied = 0
ORDER BY event_time, event_id
