-- Leads by the beginning of their id.
SELECT toString(lead_id) AS lead
FROM v_lead_state
WHERE lead_id >= toUUID({low:String}) AND lead_id <= toUUID({high:String})
ORDER BY lead
LIMIT {limit:UInt32}
