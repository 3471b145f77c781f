-- kpi: attainment
-- title: Targets
-- basis: period
-- figure: written
-- rows: metric, owner
-- unit: share
-- better: higher
-- filters: none
-- meaning: actual over target, and over what should be there by now (pace), of targets that fall
-- into the period
-- figure
SELECT
  metric,
  owner,
  first_day,
  last_day,
  scope,
  shared,
  strategy,
  toFloat64(target) AS target
FROM targets FINAL
WHERE first_day < toDate({end:DateTime64(3, 'UTC')} - toIntervalMillisecond(1), {zone:String}) + 1
  AND last_day >= toDate({start:DateTime64(3, 'UTC')}, {zone:String})
ORDER BY first_day, metric, owner, scope
