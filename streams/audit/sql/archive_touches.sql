-- All that `advance` read below the cuts, which {below} names.
SELECT toString(lead_id), kind, copied, content, toUnixTimestamp64Milli(received_at)
FROM touches FINAL
WHERE {below}
