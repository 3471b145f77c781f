-- kpi: cycle_time · basis: both · median days from inquiry to won: of wins in the period, and of the cohort within its window
SELECT
  by,
  basis,
  quantileExactInclusive(0.5)(days) AS value,
  count() AS n
FROM (
  SELECT
    by,
    dateDiff('millisecond', assumeNotNull(inquiry_at), assumeNotNull(customer_at)) / 86400000 AS days,
    arrayJoin(arrayFilter(
      which -> which != '',
      [
        if(customer_at >= {start:DateTime64(3, 'UTC')} AND customer_at < {end:DateTime64(3, 'UTC')}, 'period', ''),
        if(
          inquiry_at >= {start:DateTime64(3, 'UTC')} AND inquiry_at < {end:DateTime64(3, 'UTC')}
          AND customer_at < inquiry_at + toIntervalMillisecond({w_won:Int64}), 'cohort', ''
        )
      ]
    )) AS basis
  FROM clean
  WHERE customer_at IS NOT NULL
    AND inquiry_at IS NOT NULL
    AND opening = 0
    AND NOT has(implied, 'inquiry')
)
GROUP BY by, basis
ORDER BY by, basis
