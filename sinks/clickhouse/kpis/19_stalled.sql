-- kpi: stalled
-- title: Stalled
-- basis: now
-- figure: count
-- rows: stage
-- unit: leads
-- better: lower
-- meaning: open leads with no activity beyond their stage's limit (a restarting clock has lapsed)
SELECT DISTINCT
  {asof:DateTime64(3, 'UTC')} AS at,
  lead_id,
  journey,
  by,
  stage
FROM past_due
WHERE restarting = 1
