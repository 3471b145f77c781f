-- kpi: balance · basis: now · in - out = open: the left from the facts, the right from the
-- state; they must be equal
SELECT
  stage,
  toFloat64(sum(is_open)) AS value,
  sum(came) AS numerator,
  sum(went) AS denominator,
  sum(came) - sum(went) AS n
FROM (
  SELECT to_stage AS stage, 1 AS came, 0 AS went, 0 AS is_open FROM v_stage_transitions
  UNION ALL
  SELECT from_stage, 0, 1, 0 FROM v_stage_transitions WHERE from_stage != ''
  UNION ALL
  SELECT stage, 0, 0, 1 FROM v_lead_state
)
GROUP BY stage
ORDER BY stage
