-- kpi: past_close_date · basis: now · open deals whose close date has passed, of the open deals
-- that have one; each deal id once
SELECT
  by,
  if(
    count() = 0, NULL, countIf(day < toDate({asof:DateTime64(3, 'UTC')}, {zone:String})) / count()
  ) AS value,
  countIf(day < toDate({asof:DateTime64(3, 'UTC')}, {zone:String})) AS numerator,
  count() AS denominator,
  count() AS n
FROM (SELECT by, toDateOrNull(close_date) AS day FROM deals WHERE status = 'open')
WHERE day IS NOT NULL
GROUP BY by
ORDER BY by
