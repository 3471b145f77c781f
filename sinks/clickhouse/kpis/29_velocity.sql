-- kpi: velocity
-- title: Pipeline velocity
-- basis: now
-- figure: written
-- rows: currency, unconverted
-- unit: money_a_day
-- better: higher
-- meaning: money a day: open deals x win rate x mean won amount / median days from the entry to
-- won, of the period's closings
SELECT {asof:DateTime64(3, 'UTC')} AS at, lead_id, journey, by
FROM deals
WHERE status = 'open'
-- figure
SELECT
  by,
  {currency:String} AS currency,
  unconverted,
  if(
    unconverted != '' OR closed = 0 OR days IS NULL OR days <= 0,
    NULL,
    open * (won / closed) * mean / days
  ) AS value,
  if(unconverted != '' OR closed = 0, mean, open * (won / closed) * mean) AS numerator,
  days AS denominator,
  open AS n
FROM (
  SELECT
    by,
    unconverted,
    sum(opened) AS open,
    sum(wins) AS won,
    sum(closings) AS closed,
    max(average) AS mean,
    max(cycle) AS days
  FROM (
    SELECT
      by,
      '' AS unconverted,
      countIf(status = 'open') AS opened,
      countIf(status = 'won' AND ended) AS wins,
      countIf(ended) AS closings,
      CAST(NULL, 'Nullable(Float64)') AS average,
      CAST(NULL, 'Nullable(Float64)') AS cycle
    FROM (
      SELECT
        *,
        status != 'open' AND ifNull(
          closed_at >= {start:DateTime64(3, 'UTC')} AND closed_at < {end:DateTime64(3, 'UTC')}, 0
        ) AS ended
      FROM deals
    )
    GROUP BY by
    UNION ALL
    SELECT
      by,
      unconverted,
      if(unconverted = '', 0, count()),
      0,
      0,
      if(unconverted = '', toFloat64(sum(converted)) / count(), toFloat64(sum(amount))),
      NULL
    FROM money
    WHERE what = 'won'
      AND at >= {start:DateTime64(3, 'UTC')}
      AND at < {end:DateTime64(3, 'UTC')}
    GROUP BY by, unconverted
    UNION ALL
    SELECT
      by,
      '',
      0,
      0,
      0,
      NULL,
      quantileExactInclusive(0.5)(
        dateDiff('millisecond', assumeNotNull(entry_at), assumeNotNull(won_at)) / 86400000
      )
    FROM clean
    WHERE won_at >= {start:DateTime64(3, 'UTC')}
      AND won_at < {end:DateTime64(3, 'UTC')}
      AND entry_at IS NOT NULL
      AND opening = 0
      AND NOT has(implied, {entry:String})
    GROUP BY by
  )
  GROUP BY by, unconverted
)
ORDER BY by, unconverted
