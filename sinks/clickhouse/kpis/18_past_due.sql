-- kpi: past_due
-- title: Past due
-- basis: now
-- figure: count
-- rows: stage, clock
-- unit: leads
-- better: lower
-- meaning: clocks that run and whose due time has passed
SELECT
  {asof:DateTime64(3, 'UTC')} AS at,
  lead_id,
  journey,
  by,
  stage,
  concat(past_due.stage, '.', past_due.clock) AS clock
FROM past_due
