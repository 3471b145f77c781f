-- kpi: neglect
-- title: Neglected
-- basis: now
-- figure: written
-- unit: leads
-- better: lower
-- meaning: leads that sales has not accepted and nobody touched for 180 to 365 days; opted-out
-- left out
SELECT
  {asof:DateTime64(3, 'UTC')} AS at,
  lead_id,
  journey,
  by,
  dateDiff(
    'millisecond',
    greatest(ifNull(last_outbound_at, opened_at), opened_at),
    {asof:DateTime64(3, 'UTC')}
  ) / 86400000 AS untouched,
  untouched >= 180 AND untouched <= 365 AS counted
FROM lead_states
WHERE has({unaccepted:Array(String)}, stage)
  AND opted_out = 0
  AND opened_at IS NOT NULL
-- figure
SELECT
  by,
  toFloat64(countIf(counted)) AS value,
  countIf(counted) AS numerator,
  count() AS denominator,
  count() AS n
FROM members
GROUP BY by
ORDER BY by
