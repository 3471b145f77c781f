-- kpi: nurture_coverage · basis: now · needs: nurture or recycled · of the leads in nurture or
-- recycled, those we touched within the stage's limit; opted-out left out
SELECT
  by,
  stage,
  if(any(span) = 0, NULL, countIf(covered) / count()) AS value,
  countIf(covered) AS numerator,
  count() AS denominator,
  count() AS n
FROM (
  SELECT
    lead_states.by AS by,
    lead_states.stage AS stage,
    if(lead_states.stage = {nurture:String}, {limit_nurture:Int64}, {limit_recycled:Int64}) AS span,
    ifNull(
      lead_states.last_outbound_at + toIntervalMillisecond(span) >= {asof:DateTime64(3, 'UTC')}, 0
    ) AS covered
  FROM lead_states
  WHERE lead_states.stage IN ({nurture:String}, {recycled:String})
    AND lead_states.opted_out = 0
)
GROUP BY by, stage
ORDER BY by, stage
