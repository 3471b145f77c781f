-- The partitions that hold nothing but one generation.
SELECT DISTINCT table, partition_id
FROM system.parts
WHERE database = currentDatabase() AND active
  AND (partition = {g:String} OR startsWith(partition, concat('(', {g:String}, ',')))
