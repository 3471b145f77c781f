-- kpi: sales_sourced · basis: period · needs: accepted · share of newly accepted leads of known origin that sales found itself; n counts the unknown too
SELECT
  {handoff:String} AS handoff,
  if(countIf(origin != '') = 0, NULL, countIf(origin = 'sales') / countIf(origin != '')) AS value,
  countIf(origin = 'sales') AS numerator,
  countIf(origin != '') AS denominator,
  count() AS n
FROM t
WHERE to_stage = {accepted:String}
  AND event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
  AND opening = 0
  AND excluded = ''
