-- kpi: pipeline · basis: period · amount, when created, of the deals that marketing's leads
-- brought in the period; each deal id once
SELECT
  by,
  {currency:String} AS currency,
  unconverted,
  toFloat64(sum(converted)) AS value,
  if(unconverted = '', NULL, toFloat64(sum(amount))) AS numerator,
  count() AS n
FROM money
WHERE what = 'opened'
  AND lead_origin = 'marketing'
  AND carried = 0
  AND at >= {start:DateTime64(3, 'UTC')}
  AND at < {end:DateTime64(3, 'UTC')}
GROUP BY by, unconverted
ORDER BY by, unconverted
