-- kpi: disagreement · basis: period · how often gate and CRM disagreed about a stage, by who said yes
SELECT
  stage,
  if(gate = 1, 'gate', system) AS said_yes,
  if(gate = 1, system, 'gate') AS said_no,
  toFloat64(count()) AS value,
  count() AS n
FROM v_disagreements
INNER JOIN (SELECT lead_id, journey FROM clean) AS c USING (lead_id, journey)
WHERE event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
GROUP BY stage, said_yes, said_no
ORDER BY stage, said_yes, said_no
