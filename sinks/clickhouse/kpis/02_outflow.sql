-- kpi: outflow
-- title: Left stage
-- basis: period
-- figure: count
-- rows: stage, destination
-- unit: leads
-- better: neither
-- meaning: journeys that left a stage in the period, by where they went
SELECT event_time AS at, lead_id, journey, by, from_stage AS stage, to_stage AS destination
FROM transitions
WHERE event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
  AND from_stage != ''
