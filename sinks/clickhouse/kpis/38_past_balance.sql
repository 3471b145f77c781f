-- kpi: past_balance
-- title: Stood there at the end
-- basis: period
-- figure: count
-- rows: stage
-- unit: leads
-- better: neither
-- meaning: leads that stood in a stage when the period ended: entries minus departures until then
SELECT
  {end:DateTime64(3, 'UTC')} - toIntervalMillisecond(1) AS at,
  lead_id,
  argMaxIf(journey, event_time, came = 1) AS journey,
  argMaxIf(by, event_time, came = 1) AS by,
  stage
FROM (
  SELECT event_time, lead_id, journey, by, to_stage AS stage, 1 AS came FROM transitions
  UNION ALL
  SELECT event_time, lead_id, journey, by, from_stage, -1 FROM transitions WHERE from_stage != ''
)
WHERE event_time < {end:DateTime64(3, 'UTC')}
GROUP BY lead_id, stage
HAVING sum(came) > 0
