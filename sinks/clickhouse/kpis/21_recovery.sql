-- kpi: recovery
-- title: Recovered
-- basis: cohort
-- figure: cohort
-- unit: share
-- better: higher
-- needs: recycled
-- meaning: of the journeys recycled in the period, those whose lead qualified again within the
-- window
SELECT
  given_back_at AS at,
  lead_id,
  gone.journey AS journey,
  gone.by AS by,
  given_back_at + toIntervalMillisecond({w_recovery:Int64}) AS until,
  again_at IS NOT NULL AND again_at < until AS counted,
  until <= {asof:DateTime64(3, 'UTC')} AS ripe,
  NOT ripe AND NOT counted AS waits
FROM (
  SELECT *, journey + 1 AS following
  FROM clean
  WHERE opening = 0 AND given_back_at IS NOT NULL
) AS gone
-- a recycled lead that qualifies again does so in its next journey, whatever brought it back
LEFT JOIN (
  SELECT lead_id, toUInt32(journey) AS following, qualifying_at AS again_at
  FROM everybody
  WHERE excluded = ''
) AS later USING (lead_id, following)
WHERE given_back_at >= {start:DateTime64(3, 'UTC')}
  AND given_back_at < {end:DateTime64(3, 'UTC')}
