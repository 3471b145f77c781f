-- kpi: return
-- title: Return on spend
-- basis: cohort
-- figure: written
-- rows: part, currency, unconverted
-- unit: share
-- better: higher
-- filters: spend
-- meaning: (margin - spend) / spend: spend of the period, margin of what its journeys won within
-- the window
SELECT
  entry_at AS at,
  lead_id,
  journey,
  entry_at + toIntervalMillisecond({w_won:Int64}) <= {asof:DateTime64(3, 'UTC')} AS ripe
FROM clean
WHERE entry_at >= {start:DateTime64(3, 'UTC')}
  AND entry_at < {end:DateTime64(3, 'UTC')}
  AND opening = 0
-- figure
SELECT *
FROM (
  WITH returns AS (
    SELECT *
    FROM money
    WHERE (
        what = 'spend'
        AND day >= toDate({start:DateTime64(3, 'UTC')}, {zone:String})
        AND day < toDate({end:DateTime64(3, 'UTC')} - toIntervalMillisecond(1), {zone:String}) + 1
      )
      OR (
        what = 'margin'
        AND opening = 0
        AND began >= {start:DateTime64(3, 'UTC')}
        AND began < {end:DateTime64(3, 'UTC')}
        AND at < began + toIntervalMillisecond({w_won:Int64})
      )
  )
  SELECT
    '' AS part,
    {currency:String} AS currency,
    '' AS unconverted,
    -- wins of which no margin is known are no return of -100%
    if(
      ifNull(spent, 0) = 0 OR (wins > 0 AND known = 0),
      NULL,
      (ifNull(margin, 0) - spent) / spent
    ) AS value,
    if(wins > 0 AND known = 0, NULL, ifNull(margin, 0) - ifNull(spent, 0)) AS numerator,
    spent AS denominator,
    begun AS n,
    ripe AS mature,
    begun - ripe AS pending
  FROM (
    SELECT
      toFloat64(sumIf(converted, what = 'spend')) AS spent,
      toFloat64(sumIf(converted, what = 'margin')) AS margin,
      countIf(what = 'margin') AS wins,
      countIf(what = 'margin' AND unconverted = '') AS known
    FROM returns
  ) AS totals
  CROSS JOIN (SELECT count() AS begun, countIf(ripe) AS ripe FROM members) AS cohort
  UNION ALL
  SELECT
    what,
    {currency:String},
    unconverted,
    NULL,
    toFloat64(sum(amount)),
    NULL,
    count(),
    NULL,
    NULL
  FROM returns
  WHERE unconverted != ''
  GROUP BY what, unconverted
)
ORDER BY part, unconverted
