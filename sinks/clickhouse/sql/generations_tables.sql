-- The tables that keep rows by generation, but for the log of what was shown when.
SELECT name
FROM system.tables
WHERE database = currentDatabase() AND endsWith(engine, 'MergeTree')
  AND name NOT IN ('active_generation', 'generation_log')
  AND name IN (
    SELECT table FROM system.columns WHERE database = currentDatabase() AND name = 'generation'
  )
