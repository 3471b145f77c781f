-- How many leads are late in each stage; a team has its stages'.
, late AS (
  SELECT lead_id, journey, stage
  FROM v_clocks
  WHERE test = 0
    AND stopped_at IS NULL
    AND status IN ('breached', 'escalated')
    AND ({all_stages:Bool} OR has({stages:Array(String)}, stage))
)
SELECT stage, uniqExact(lead_id) AS n
FROM (SELECT * FROM leads WHERE lead_id IN (SELECT lead_id FROM late)) AS found
INNER JOIN late USING (lead_id, journey, stage)
GROUP BY stage
