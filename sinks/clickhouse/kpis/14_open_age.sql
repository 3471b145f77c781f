-- kpi: open_age
-- title: Age of open leads
-- basis: now
-- figure: median
-- rows: stage
-- unit: hours
-- better: lower
-- meaning: median hours that leads have stood in their stage, without duplicates and spam
SELECT
  {asof:DateTime64(3, 'UTC')} AS at,
  lead_id,
  journey,
  by,
  stage,
  dateDiff('millisecond', assumeNotNull(since), {asof:DateTime64(3, 'UTC')}) / 3600000 AS span,
  0 AS waits
FROM lead_states
WHERE since IS NOT NULL
