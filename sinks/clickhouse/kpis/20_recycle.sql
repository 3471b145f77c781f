-- kpi: recycle
-- title: Recycled
-- basis: cohort
-- figure: cohort
-- unit: share
-- better: lower
-- needs: recycled
-- meaning: of the journeys that began, those that were recycled within the window of a win
SELECT
  entry_at AS at,
  lead_id,
  journey,
  by,
  entry_at + toIntervalMillisecond({w_won:Int64}) AS until,
  given_back_at IS NOT NULL AND given_back_at < until AS counted,
  until <= {asof:DateTime64(3, 'UTC')} AS ripe,
  NOT ripe AND NOT counted AS waits
FROM clean
WHERE entry_at IS NOT NULL
  AND entry_at >= {start:DateTime64(3, 'UTC')}
  AND entry_at < {end:DateTime64(3, 'UTC')}
  AND opening = 0
