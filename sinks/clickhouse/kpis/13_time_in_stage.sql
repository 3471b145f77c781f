-- kpi: time_in_stage
-- title: Time in stage
-- basis: period
-- figure: written
-- rows: stage, measure
-- unit: hours
-- better: lower
-- meaning: hours from entry to leaving, of stays that ended in the period; a stage that was
-- skipped has no stay
SELECT event_time AS at, lead_id, journey, by, from_stage AS stage, dwell_ms, business_ms
FROM transitions
WHERE dwell_ms IS NOT NULL
  AND excluded = ''
  AND event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
-- figure
SELECT
  by,
  stage,
  figure.1 AS measure,
  toFloat64(figure.2) / 3600000 AS value,
  n
FROM (
  SELECT
    by,
    stage,
    quantilesExactExclusive(0.5, 0.9)(assumeNotNull(dwell_ms)) AS calendar,
    quantilesExactExclusive(0.5, 0.9)(assumeNotNull(business_ms)) AS business,
    count() AS n
  FROM members
  GROUP BY by, stage
)
ARRAY JOIN [
  ('median_hours', calendar[1]),
  ('p90_hours', calendar[2]),
  ('median_business_hours', business[1]),
  ('p90_business_hours', business[2])
] AS figure
ORDER BY by, stage, measure
