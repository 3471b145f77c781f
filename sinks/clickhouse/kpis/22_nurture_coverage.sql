-- kpi: nurture_coverage
-- title: Nurtured in time
-- basis: now
-- figure: share
-- rows: stage
-- unit: share
-- better: higher
-- needs: nurture or recycled
-- meaning: of the leads in nurture or recycled, those we touched within the stage's limit;
-- opted-out left out
SELECT
  {asof:DateTime64(3, 'UTC')} AS at,
  lead_id,
  journey,
  by,
  stage,
  -- a stage whose file sets no limit has no share
  if(
    stage = {nurture:String}, {since_nurture:Nullable(DateTime64(3, 'UTC'))},
    {since_recycled:Nullable(DateTime64(3, 'UTC'))}
  ) AS limit_from,
  if(limit_from IS NULL, NULL, ifNull(last_outbound_at >= limit_from, 0)) AS counted
FROM lead_states
WHERE stage IN ({nurture:String}, {recycled:String})
  AND opted_out = 0
