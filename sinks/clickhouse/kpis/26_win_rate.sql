-- kpi: win_rate
-- title: Win rate
-- basis: both
-- figure: cohort
-- rows: basis
-- unit: share
-- better: higher
-- meaning: won over closed deals by close date, and won within the window over deals opened; each
-- deal id once
SELECT
  at,
  lead_id,
  journey,
  by,
  basis,
  counted,
  ripe,
  NOT ripe AND still_open AS waits
FROM (
  SELECT
    assumeNotNull(closed_at) AS at,
    lead_id,
    journey,
    by,
    'period' AS basis,
    status = 'won' AS counted,
    0 AS still_open,
    1 AS ripe
  FROM deals
  WHERE status IN ('won', 'lost')
    AND closed_at >= {start:DateTime64(3, 'UTC')}
    AND closed_at < {end:DateTime64(3, 'UTC')}
  UNION ALL
  SELECT
    event_time,
    lead_id,
    journey,
    by,
    'cohort',
    status = 'won'
      AND assumeNotNull(closed_at) < event_time + toIntervalMillisecond({w_deal:Int64}),
    status = 'open',
    event_time + toIntervalMillisecond({w_deal:Int64}) <= {asof:DateTime64(3, 'UTC')}
  FROM deals
  WHERE event_time >= {start:DateTime64(3, 'UTC')}
    AND event_time < {end:DateTime64(3, 'UTC')}
    AND carried = 0
)
