-- How many leads are past a service level, by stage.
SELECT stage, uniqExact(lead_id) AS n
FROM (SELECT DISTINCT lead_id, journey, stage FROM v_past_due) AS late
INNER JOIN leads USING (lead_id, journey, stage)
GROUP BY stage
