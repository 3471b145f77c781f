-- kpi: cost
-- title: Cost per lead
-- basis: period
-- figure: written
-- rows: per, currency, unconverted
-- unit: money
-- better: lower
-- filters: spend
-- meaning: spend by cost day over new journeys, accepted leads and deals won in the period; no
-- denominator is null, never 0, and so is a cost of which no report speaks
SELECT at, lead_id, journey, by, per
FROM (
  SELECT event_time AS at, lead_id, journey, by, to_stage AS per
  FROM transitions
  WHERE event_time >= {start:DateTime64(3, 'UTC')}
    AND event_time < {end:DateTime64(3, 'UTC')}
    AND opening = 0
    AND excluded = ''
    -- a customer whose deals are known is counted by them: each deal once, whatever its leads
    AND (
      to_stage != {won:String}
      OR (lead_id, journey) NOT IN (
        SELECT lead_id, journey
        FROM v_deals
        WHERE role = 'primary' AND status = 'won' AND closed_at <= {asof:DateTime64(3, 'UTC')}
      )
    )
  UNION ALL
  SELECT assumeNotNull(closed_at), lead_id, journey, by, {won:String}
  FROM deals
  WHERE status = 'won'
    AND closed_at >= {start:DateTime64(3, 'UTC')}
    AND closed_at < {end:DateTime64(3, 'UTC')}
)
WHERE per IN ({entry:String}, {accepted:String}, {won:String})
-- figure
SELECT
  by,
  unit.1 AS per,
  {currency:String} AS currency,
  unconverted,
  if(unit.2 = 0 OR reports = 0, NULL, toFloat64(spent) / unit.2) AS value,
  multiIf(reports = 0, NULL, unconverted = '', toFloat64(spent), toFloat64(stated)) AS numerator,
  unit.2 AS denominator,
  unit.2 AS n
FROM (
  SELECT
    {unit_by} AS by,
    unconverted,
    sum(converted) AS spent,
    sum(amount) AS stated,
    count() AS reports
  FROM money
  WHERE what = 'spend'
    AND day >= toDate({start:DateTime64(3, 'UTC')}, {zone:String})
    AND day < toDate({end:DateTime64(3, 'UTC')} - toIntervalMillisecond(1), {zone:String}) + 1
  GROUP BY by, unconverted
) AS spending
FULL JOIN (
  SELECT
    {unit_by} AS by,
    countIf(per = {entry:String}) AS leads,
    countIf(per = {accepted:String}) AS accepted,
    countIf(per = {won:String}) AS won
  FROM members
  GROUP BY by
  HAVING leads + accepted + won > 0
) AS units USING (by)
ARRAY JOIN arrayFilter(
  unit -> unit.1 != '',
  [
    ({entry:String}, units.leads),
    ({accepted:String}, units.accepted),
    ({won:String}, units.won)
  ]
) AS unit
ORDER BY by, unconverted, per
