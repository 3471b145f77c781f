-- kpi: pipeline
-- title: Pipeline from marketing
-- basis: period
-- figure: sum
-- rows: currency, unconverted
-- unit: money
-- better: higher
-- meaning: amount, as stated when the deal was created, of the deals that marketing's leads
-- brought in the period; each deal id once
SELECT
  at,
  lead_id,
  journey,
  by,
  {currency:String} AS currency,
  unconverted,
  converted,
  amount
FROM money
WHERE what = 'opened'
  AND lead_origin = 'marketing'
  AND carried = 0
  AND at >= {start:DateTime64(3, 'UTC')}
  AND at < {end:DateTime64(3, 'UTC')}
