-- How many leads stand in each stage, and how many ever entered it.
SELECT if(stages.title = '', counted.stage, stages.title) AS shown, sum(open), sum(entered)
FROM (
  SELECT stage, 1 AS open, 0 AS entered FROM v_lead_state WHERE test = 0
  UNION ALL
  SELECT to_stage, 0, 1 FROM v_stage_transitions WHERE test = 0
) AS counted
LEFT JOIN v_stages AS stages ON stages.stage = counted.stage
GROUP BY shown
ORDER BY sum(entered) DESC
