-- How many leads stand in each stage, and how many ever entered it.
SELECT if(n.title = '', f.stage, n.title) AS shown, sum(open), sum(entered)
FROM (
  SELECT stage, 1 AS open, 0 AS entered FROM v_lead_state WHERE test = 0
  UNION ALL
  SELECT to_stage, 0, 1 FROM v_stage_transitions WHERE test = 0
) AS f
LEFT JOIN v_stages AS n ON n.stage = f.stage
GROUP BY shown
ORDER BY sum(entered) DESC
