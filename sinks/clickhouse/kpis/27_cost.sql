-- kpi: cost · basis: period · spend by cost day over new journeys, SALs and wins of the period; no denominator is null, never 0
SELECT
  unit.1 AS per,
  {currency:String} AS currency,
  unconverted,
  if(unit.2 = 0, NULL, toFloat64(spent) / unit.2) AS value,
  if(unconverted = '', toFloat64(spent), toFloat64(stated)) AS numerator,
  unit.2 AS denominator,
  unit.2 AS n
FROM (
  SELECT
    unconverted,
    sum(converted) AS spent,
    sum(amount) AS stated
  FROM money
  WHERE what = 'spend'
    AND day >= toDate({start:DateTime64(3, 'UTC')}, {zone:String})
    AND day < toDate({end:DateTime64(3, 'UTC')} - toIntervalMillisecond(1), {zone:String}) + 1
  GROUP BY unconverted
) AS s
CROSS JOIN (
  SELECT
    countIf(to_stage = 'inquiry') AS leads,
    countIf(to_stage = 'sal') AS sals,
    countIf(to_stage = 'customer') AS customers
  FROM t
  WHERE event_time >= {start:DateTime64(3, 'UTC')}
    AND event_time < {end:DateTime64(3, 'UTC')}
    AND opening = 0
    AND excluded = ''
) AS e
ARRAY JOIN [('lead', e.leads), ('sal', e.sals), ('customer', e.customers)] AS unit
ORDER BY unconverted, per
