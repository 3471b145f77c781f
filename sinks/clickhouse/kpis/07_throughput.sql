-- kpi: throughput
-- title: Throughput
-- basis: period
-- figure: written
-- rows: stage, next_stage
-- unit: share
-- better: higher
-- meaning: entries into the next stage over entries into a stage, same period; may exceed 100%
SELECT
  event_time AS at,
  lead_id,
  journey,
  by,
  stage,
  next_stage,
  to_stage = next_stage AS came,
  to_stage = stage AS began
FROM transitions
ARRAY JOIN
  {stages:Array(String)} AS stage,
  {next_stages:Array(String)} AS next_stage
WHERE event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
  AND opening = 0
  AND excluded = ''
  AND to_stage IN (stage, next_stage)
-- figure
SELECT
  by,
  stage,
  next_stage,
  if(sum(began) = 0, NULL, sum(came) / sum(began)) AS value,
  sum(came) AS numerator,
  sum(began) AS denominator,
  sum(began) AS n
FROM members
GROUP BY by, stage, next_stage
ORDER BY by, stage
