-- How many leads stand in each stage, and how many ever entered it.
SELECT stage, sum(open), sum(entered)
FROM (
  SELECT stage, 1 AS open, 0 AS entered FROM v_lead_state WHERE test = 0
  UNION ALL
  SELECT to_stage, 0, 1 FROM v_stage_transitions WHERE test = 0
)
GROUP BY stage
ORDER BY sum(entered) DESC
