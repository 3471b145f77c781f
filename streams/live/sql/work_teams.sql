-- How many leads are late in each stage; a team has its stages'.
SELECT stage, uniqExact(lead_id) AS n
FROM v_clocks AS clocks
INNER JOIN leads USING (lead_id, journey, stage)
WHERE clocks.test = 0
  AND stopped_at IS NULL
  AND status IN ('breached', 'escalated')
  AND ({all_stages:Bool} OR has({stages:Array(String)}, stage))
GROUP BY stage
