-- What each source's ads cost in the last whole days and in the weeks before, in the reporting
-- currency by the newest rate on or before the day, and how many leads came of it. A sum that no
-- rate turns is left out.
SELECT
  source,
  toFloat64(sumIf(amount, spent AND day >= {recent:Date} AND day < {today:Date})) AS spend,
  toFloat64(sumIf(amount, spent AND day < {recent:Date})) AS spend_before,
  countIf(NOT spent AND day >= {recent:Date}) AS leads,
  countIf(NOT spent AND day < {recent:Date}) AS leads_before
FROM (
  SELECT
    transform(sums.platform, {platforms:Array(String)}, {sources:Array(String)}, '') AS source,
    1 AS spent,
    sums.day AS day,
    if(
      sums.currency IN ('', {currency:String}), toFloat64(sums.amount), toFloat64(sums.amount * newest.rate)
    ) AS amount
  FROM (
    SELECT day, platform, currency, amount
    FROM spend FINAL
    WHERE day >= {start:Date} AND day < {today:Date}
  ) AS sums
  ASOF LEFT JOIN (
    SELECT currency, day, rate FROM rates FINAL WHERE reporting = {currency:String}
  ) AS newest
    ON sums.currency = newest.currency AND sums.day >= newest.day
  UNION ALL
  SELECT source, 0, toDate(event_time, {zone:String}), 0
  FROM v_journeys
  WHERE test = 0
    AND excluded = ''
    AND opening = 0
    AND toDate(event_time, {zone:String}) >= {start:Date}
)
WHERE source != ''
GROUP BY source
