-- The usual delay of each source: 95 of 100 events of the last week arrived within it (ms).
-- What is more than a day behind came by an import or a catch-up, and says nothing of the usual.
SELECT
  JSONExtractString(JSONExtractString(content, 7), 'source') AS source,
  toInt64(quantile(0.95)(toUnixTimestamp64Milli(received_at) - toUnixTimestamp64Milli(event_time)))
    AS usual
FROM touches
WHERE kind = 'event' AND copied = 0 AND held = 0
  AND received_at > now64(3) - INTERVAL 7 DAY
  AND received_at < event_time + INTERVAL 1 DAY
GROUP BY source
HAVING count() >= {least:UInt32}
