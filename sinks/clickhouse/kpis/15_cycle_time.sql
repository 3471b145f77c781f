-- kpi: cycle_time · basis: both · median days from the entry to won: of wins in the period, and
-- of the cohort within its window
SELECT
  by,
  basis,
  quantileExactInclusive(0.5)(days) AS value,
  count() AS n
FROM (
  SELECT
    by,
    dateDiff('millisecond', assumeNotNull(entry_at), assumeNotNull(won_at)) / 86400000 AS days,
    arrayJoin(arrayFilter(
      which -> which != '',
      [
        if(
          won_at >= {start:DateTime64(3, 'UTC')} AND won_at < {end:DateTime64(3, 'UTC')},
          'period',
          ''
        ),
        if(
          entry_at >= {start:DateTime64(3, 'UTC')}
            AND entry_at < {end:DateTime64(3, 'UTC')}
            AND won_at < entry_at + toIntervalMillisecond({w_won:Int64}),
          'cohort',
          ''
        )
      ]
    )) AS basis
  FROM clean
  WHERE won_at IS NOT NULL
    AND entry_at IS NOT NULL
    AND opening = 0
    AND NOT has(implied, {entry:String})
)
GROUP BY by, basis
ORDER BY by, basis
