-- kpi: outflow · basis: period · journeys that left a stage in the period, by where they went
SELECT
  by,
  from_stage AS stage,
  to_stage AS destination,
  toFloat64(count()) AS value,
  count() AS n
FROM transitions
WHERE event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
  AND from_stage != ''
GROUP BY by, stage, destination
ORDER BY by, stage, destination
