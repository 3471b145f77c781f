-- kpi: disagreement · basis: period · needs: gate · how often gate and CRM disagreed about a
-- stage, by who would let the lead pass
SELECT
  by,
  stage,
  if(gate = 1, 'gate', system) AS accepted_by,
  if(gate = 1, system, 'gate') AS refused_by,
  toFloat64(count()) AS value,
  count() AS n
FROM v_disagreements
INNER JOIN (SELECT lead_id, journey, by FROM clean) AS parents USING (lead_id, journey)
WHERE event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
GROUP BY by, stage, accepted_by, refused_by
ORDER BY by, stage, accepted_by, refused_by
