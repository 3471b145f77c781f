-- Open leads by stage.
SELECT stage, count() AS open
FROM v_lead_state
WHERE test = 0
GROUP BY stage
