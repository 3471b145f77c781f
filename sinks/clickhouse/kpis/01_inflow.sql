-- kpi: inflow · basis: period · journeys that entered a stage in the period; opening balances
-- are no inflow
SELECT
  by,
  to_stage AS stage,
  toFloat64(count()) AS value,
  count() AS n
FROM transitions
WHERE event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
  AND opening = 0
GROUP BY by, stage
ORDER BY by, stage
