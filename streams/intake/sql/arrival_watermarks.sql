-- The watermark of each partition (ms).
SELECT source_partition, max(toUnixTimestamp64Milli(now))
FROM cuts
WHERE generation = {g:UInt16}
GROUP BY source_partition
