-- kpi: sales_sourced · basis: period · needs: accepted · share of newly accepted leads of known
-- lead origin that sales found itself; n counts the unknown too
SELECT
  by,
  {handoff:String} AS handoff,
  if(
    countIf(lead_origin != '') = 0,
    NULL,
    countIf(lead_origin = 'sales') / countIf(lead_origin != '')
  ) AS value,
  countIf(lead_origin = 'sales') AS numerator,
  countIf(lead_origin != '') AS denominator,
  count() AS n
FROM transitions
WHERE to_stage = {accepted:String}
  AND event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
  AND opening = 0
  AND excluded = ''
GROUP BY by
ORDER BY by
