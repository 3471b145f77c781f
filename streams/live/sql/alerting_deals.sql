-- Open deals whose close date has passed, each deal once, of real journeys.
SELECT count() AS past, countIf(day >= {today:Date} - 7) AS newly
FROM (
  SELECT deal, toDateOrNull(any(close_date)) AS day
  FROM v_deals
  INNER JOIN (
    SELECT lead_id, journey FROM v_journeys WHERE test = 0 AND excluded = ''
  ) AS real USING (lead_id, journey)
  WHERE role = 'primary' AND status = 'open'
  GROUP BY deal
)
WHERE day < {today:Date}
