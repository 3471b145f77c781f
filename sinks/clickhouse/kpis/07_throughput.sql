-- kpi: throughput · basis: period · entries into the next stage over entries into a stage, same period; may exceed 100%
SELECT
  by,
  step.1 AS stage,
  step.2 AS next_stage,
  if(countIf(to_stage = step.1) = 0, NULL, countIf(to_stage = step.2) / countIf(to_stage = step.1)) AS value,
  countIf(to_stage = step.2) AS numerator,
  countIf(to_stage = step.1) AS denominator,
  countIf(to_stage = step.1) AS n
FROM t
ARRAY JOIN [('inquiry', 'mql'), ('mql', 'sal'), ('sal', 'opportunity'), ('opportunity', 'customer')] AS step
WHERE event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
  AND opening = 0
  AND excluded = ''
GROUP BY by, stage, next_stage
ORDER BY by, stage
