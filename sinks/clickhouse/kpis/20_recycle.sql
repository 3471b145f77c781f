-- kpi: recycle · basis: cohort · needs: recycled · of the journeys that began, those that were
-- recycled within the window of a win
SELECT
  by,
  countIf(reached) / count() AS value,
  countIf(reached) AS numerator,
  count() AS denominator,
  count() AS n,
  countIf(ripe) AS mature,
  countIf(NOT ripe AND NOT reached) AS pending
FROM (
  SELECT
    by,
    entry_at + toIntervalMillisecond({w_won:Int64}) AS until,
    given_back_at IS NOT NULL AND given_back_at < until AS reached,
    until <= {asof:DateTime64(3, 'UTC')} AS ripe
  FROM clean
  WHERE entry_at IS NOT NULL
    AND entry_at >= {start:DateTime64(3, 'UTC')}
    AND entry_at < {end:DateTime64(3, 'UTC')}
    AND opening = 0
)
GROUP BY by
ORDER BY by
