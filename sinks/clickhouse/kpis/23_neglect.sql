-- kpi: neglect · basis: now · leads that sales has not accepted and nobody touched for 180 to 365 days; opted-out left out
SELECT
  by,
  toFloat64(countIf(untouched >= 180 AND untouched <= 365)) AS value,
  countIf(untouched >= 180 AND untouched <= 365) AS numerator,
  count() AS denominator,
  count() AS n
FROM (
  SELECT
    s.by AS by,
    dateDiff('millisecond', greatest(ifNull(s.last_outbound_at, s.opened_at), s.opened_at), {asof:DateTime64(3, 'UTC')}) / 86400000 AS untouched
  FROM s
  WHERE has({unaccepted:Array(String)}, s.stage)
    AND s.opted_out = 0
    AND s.opened_at IS NOT NULL
)
GROUP BY by
ORDER BY by
