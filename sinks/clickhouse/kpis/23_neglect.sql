-- kpi: neglect · basis: now · leads that sales has not accepted and nobody touched for 180 to
-- 365 days; opted-out left out
SELECT
  by,
  toFloat64(countIf(untouched >= 180 AND untouched <= 365)) AS value,
  countIf(untouched >= 180 AND untouched <= 365) AS numerator,
  count() AS denominator,
  count() AS n
FROM (
  SELECT
    lead_states.by AS by,
    dateDiff(
      'millisecond',
      greatest(ifNull(lead_states.last_outbound_at, lead_states.opened_at), lead_states.opened_at),
      {asof:DateTime64(3, 'UTC')}
    ) / 86400000 AS untouched
  FROM lead_states
  WHERE has({unaccepted:Array(String)}, lead_states.stage)
    AND lead_states.opted_out = 0
    AND lead_states.opened_at IS NOT NULL
)
GROUP BY by
ORDER BY by
