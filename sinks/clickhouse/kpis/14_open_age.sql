-- kpi: open_age
-- title: Age of open leads
-- basis: now
-- figure: median
-- rows: stage
-- unit: hours
-- better: lower
-- meaning: median hours that open leads have stood in their stage
SELECT
  {asof:DateTime64(3, 'UTC')} AS at,
  lead_id,
  journey,
  by,
  stage,
  dateDiff('millisecond', assumeNotNull(since), {asof:DateTime64(3, 'UTC')}) / 3600000 AS span,
  0 AS waits
FROM standing
WHERE since IS NOT NULL
