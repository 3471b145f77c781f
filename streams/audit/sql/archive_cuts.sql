-- Each partition's newest cut that lies within the archive.
SELECT
  source_partition,
  max((c.next_offset, toUnixTimestamp64Milli(c.now)))
FROM cuts AS c FINAL
INNER JOIN (
  SELECT source_partition, max(next_offset) AS reached FROM archived GROUP BY source_partition
) AS a USING (source_partition)
WHERE c.generation = {g:UInt16} AND c.next_offset <= a.reached
GROUP BY source_partition
