-- kpi: cost · basis: period · spend by cost day over new journeys, SALs and wins of the period; no denominator is null, never 0
SELECT
  unit.1 AS per,
  currency,
  if(unit.2 = 0, NULL, toFloat64(spent) / unit.2) AS value,
  toFloat64(spent) AS numerator,
  unit.2 AS denominator,
  unit.2 AS n
FROM (
  SELECT
    currency,
    sum(amount) AS spent
  FROM spend FINAL
  WHERE day >= toDate({start:DateTime64(3, 'UTC')}, {zone:String})
    AND day < toDate({end:DateTime64(3, 'UTC')} - toIntervalMillisecond(1), {zone:String}) + 1
  GROUP BY currency
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
ORDER BY currency, per
