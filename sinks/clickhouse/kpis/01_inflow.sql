-- kpi: inflow
-- title: New in stage
-- basis: period
-- figure: count
-- rows: stage
-- unit: leads
-- better: higher
-- meaning: journeys that entered a stage in the period; opening balances are no inflow
SELECT event_time AS at, lead_id, journey, by, to_stage AS stage
FROM transitions
WHERE event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
  AND opening = 0
