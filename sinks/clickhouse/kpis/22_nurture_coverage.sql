-- kpi: nurture_coverage · basis: now · of the leads in nurturing or recycled, those we touched within the stage's limit; opted-out left out
SELECT
  by,
  stage,
  if(any(span) = 0, NULL, countIf(covered) / count()) AS value,
  countIf(covered) AS numerator,
  count() AS denominator,
  count() AS n
FROM (
  SELECT
    s.by AS by,
    s.stage AS stage,
    if(s.stage = 'nurturing', {limit_nurturing:Int64}, {limit_recycled:Int64}) AS span,
    -- a lead without a touch has 1970 here, which no limit reaches
    o.turned_at + toIntervalMillisecond(span) >= {asof:DateTime64(3, 'UTC')} AS covered
  FROM s
  LEFT JOIN outbound AS o USING (lead_id)
  WHERE s.stage IN ('nurturing', 'recycled')
    AND s.opted_out = 0
)
GROUP BY by, stage
ORDER BY by, stage
