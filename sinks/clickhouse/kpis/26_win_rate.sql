-- kpi: win_rate · basis: both · won over closed deals by close date, and won within the window
-- over deals opened; each deal id once
SELECT
  by,
  basis,
  countIf(won) / count() AS value,
  countIf(won) AS numerator,
  count() AS denominator,
  count() AS n,
  if(basis = 'cohort', countIf(ripe), NULL) AS mature,
  if(basis = 'cohort', countIf(NOT ripe AND waits), NULL) AS pending
FROM (
  SELECT
    by,
    'period' AS basis,
    status = 'won' AS won,
    0 AS waits,
    1 AS ripe
  FROM deals
  WHERE status IN ('won', 'lost')
    AND closed_at >= {start:DateTime64(3, 'UTC')}
    AND closed_at < {end:DateTime64(3, 'UTC')}
  UNION ALL
  SELECT
    by,
    'cohort' AS basis,
    status = 'won'
      AND assumeNotNull(closed_at) < event_time + toIntervalMillisecond({w_deal:Int64}) AS won,
    status = 'open' AS waits,
    event_time + toIntervalMillisecond({w_deal:Int64}) <= {asof:DateTime64(3, 'UTC')} AS ripe
  FROM deals
  WHERE event_time >= {start:DateTime64(3, 'UTC')}
    AND event_time < {end:DateTime64(3, 'UTC')}
    AND carried = 0
)
GROUP BY by, basis
ORDER BY by, basis
