-- kpi: disagreement
-- title: Gate and CRM disagree
-- basis: period
-- figure: count
-- rows: stage, accepted_by, refused_by
-- unit: leads
-- better: lower
-- needs: gate
-- meaning: how often gate and CRM disagreed about a stage, by who would let the lead pass
SELECT
  event_time AS at,
  lead_id,
  journey,
  by,
  stage,
  if(gate = 1, 'gate', system) AS accepted_by,
  if(gate = 1, system, 'gate') AS refused_by
FROM v_disagreements
INNER JOIN (SELECT lead_id, journey, by FROM clean) AS parents USING (lead_id, journey)
WHERE event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
  AND event_time <= {asof:DateTime64(3, 'UTC')}
