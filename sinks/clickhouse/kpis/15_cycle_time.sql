-- kpi: cycle_time
-- title: Time to win
-- basis: both
-- figure: median
-- rows: basis
-- unit: days
-- better: lower
-- meaning: median days from the entry to won: of those won in the period, and of the cohort within
-- its window; pending may still be won
SELECT
  figure.2 AS at,
  lead_id,
  journey,
  by,
  figure.1 AS basis,
  dateDiff('millisecond', assumeNotNull(entry_at), assumeNotNull(won_at)) / 86400000 AS span,
  won_at IS NULL OR figure.3 AS waits,
  NOT ripe AND won_at IS NULL AS may_come
FROM (
  SELECT
    *,
    entry_at + toIntervalMillisecond({w_won:Int64}) AS until,
    until <= {asof:DateTime64(3, 'UTC')} AS ripe
  FROM clean
  WHERE entry_at IS NOT NULL AND opening = 0 AND NOT has(implied, {entry:String})
)
ARRAY JOIN [('period', won_at, 0), ('cohort', entry_at, ifNull(won_at >= until, 0))] AS figure
WHERE at >= {start:DateTime64(3, 'UTC')}
  AND at < {end:DateTime64(3, 'UTC')}
  AND (NOT waits OR may_come)
