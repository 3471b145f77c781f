-- Each partition's newest cut that lies within the archive.
SELECT
  source_partition,
  max((cuts.next_offset, toUnixTimestamp64Milli(cuts.now)))
FROM cuts FINAL
INNER JOIN (
  SELECT source_partition, max(next_offset) AS reached FROM archived GROUP BY source_partition
) AS kept USING (source_partition)
WHERE cuts.generation = {g:UInt16} AND cuts.next_offset <= kept.reached
GROUP BY source_partition
