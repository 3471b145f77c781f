-- kpi: balance
-- title: Balance
-- basis: now
-- figure: written
-- rows: stage
-- unit: leads
-- better: neither
-- filters: none
-- meaning: in - out = open: the left from the facts, the right from the state; they must be equal
SELECT
  {asof:DateTime64(3, 'UTC')} AS at,
  lead_id,
  journey,
  stage,
  came,
  went,
  is_open
FROM (
  SELECT lead_id, journey, to_stage AS stage, 1 AS came, 0 AS went, 0 AS is_open
  FROM v_stage_transitions
  UNION ALL
  SELECT lead_id, journey, from_stage, 0, 1, 0 FROM v_stage_transitions WHERE from_stage != ''
  UNION ALL
  SELECT lead_id, journey, stage, 0, 0, 1 FROM v_lead_state
)
-- figure
SELECT
  stage,
  toFloat64(sum(is_open)) AS value,
  sum(came) AS numerator,
  sum(went) AS denominator,
  sum(came) - sum(went) AS n
FROM members
GROUP BY stage
ORDER BY stage
