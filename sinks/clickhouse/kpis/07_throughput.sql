-- kpi: throughput · basis: period · entries into the next stage over entries into a stage, same
-- period; may exceed 100%
SELECT
  by,
  stage,
  next_stage,
  if(
    countIf(to_stage = stage) = 0,
    NULL,
    countIf(to_stage = next_stage) / countIf(to_stage = stage)
  ) AS value,
  countIf(to_stage = next_stage) AS numerator,
  countIf(to_stage = stage) AS denominator,
  countIf(to_stage = stage) AS n
FROM transitions
ARRAY JOIN
  {stages:Array(String)} AS stage,
  {next_stages:Array(String)} AS next_stage
WHERE event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
  AND opening = 0
  AND excluded = ''
GROUP BY by, stage, next_stage
ORDER BY by, stage
