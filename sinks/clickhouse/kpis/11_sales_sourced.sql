-- kpi: sales_sourced
-- title: Found by sales
-- basis: period
-- figure: share
-- rows: handoff
-- unit: share
-- better: neither
-- needs: accepted
-- meaning: share of newly accepted leads of known lead origin that sales found itself; n counts
-- the unknown too
SELECT
  event_time AS at,
  lead_id,
  journey,
  by,
  {handoff:String} AS handoff,
  if(lead_origin = '', NULL, lead_origin = 'sales') AS counted
FROM transitions
WHERE to_stage = {accepted:String}
  AND event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
  AND opening = 0
  AND excluded = ''
