-- Of each fact its newest revision below the cuts, which {below} names, the number of that, and the
-- number of the newest of all.
SELECT
  toString(lead_id),
  fact_id,
  argMaxIf(
    (kind, journey, toUnixTimestamp64Milli(event_time), is_deleted, content),
    revision,
    below
  ),
  maxIf(revision, below),
  max(revision)
FROM (SELECT *, ({below}) AS below FROM fact_revisions WHERE generation = {g:UInt16})
GROUP BY lead_id, fact_id
