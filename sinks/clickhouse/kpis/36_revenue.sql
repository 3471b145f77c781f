-- kpi: revenue
-- title: Revenue
-- basis: period
-- figure: sum
-- rows: currency, unconverted
-- unit: money
-- better: higher
-- meaning: amount of the deals won in the period, by close date; each deal id once
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
WHERE what = 'won'
  AND at >= {start:DateTime64(3, 'UTC')}
  AND at < {end:DateTime64(3, 'UTC')}
