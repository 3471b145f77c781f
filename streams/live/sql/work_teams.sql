-- How many leads are late in each stage; a team has its stages'.
, late AS (
  SELECT DISTINCT lead_id, journey, stage
  FROM v_past_due
  WHERE {all_stages:Bool} OR has({stages:Array(String)}, stage)
)
SELECT stage, uniqExact(lead_id) AS n
FROM (SELECT * FROM leads WHERE lead_id IN (SELECT lead_id FROM late)) AS found
INNER JOIN late USING (lead_id, journey, stage)
GROUP BY stage
