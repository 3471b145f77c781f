-- kpi: stale_kpi
-- title: Stale targets
-- basis: now
-- figure: written
-- rows: why, metric, owner, scope, strategy, until
-- unit: leads
-- better: lower
-- filters: none
-- meaning: targets of another strategy than the funnel's, and metrics whose newest target has
-- ended
-- figure
SELECT
  why,
  metric,
  owner,
  scope,
  strategy,
  toString(until) AS until,
  1. AS value,
  1 AS n
FROM (
  SELECT 'strategy' AS why, metric, owner, scope, strategy, last_day AS until
  FROM targets FINAL
  WHERE first_day <= toDate({asof:DateTime64(3, 'UTC')}, {zone:String})
    AND last_day >= toDate({asof:DateTime64(3, 'UTC')}, {zone:String})
    AND strategy != {strategy:String}
  UNION ALL
  -- of a metric, whoever owned it: one that was handed over has a target
  SELECT
    'ended',
    metric,
    argMax(owner, (last_day, owner)),
    scope,
    argMax(strategy, (last_day, owner)),
    max(last_day)
  FROM targets FINAL
  GROUP BY metric, scope
  HAVING max(last_day) < toDate({asof:DateTime64(3, 'UTC')}, {zone:String})
)
ORDER BY why, metric, owner, scope
